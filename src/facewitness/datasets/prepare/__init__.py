"""From a data set to prepared data: frames, crops, masks, landmarks, levelled faces, sound, clips, HDF5.

* `settings`   everything that decides what comes out, its fingerprint, presets, steps
* `sources`    chosen frames of any record
* `people`     whose face is cut out
* `cutting`    crops, masks, pictures as bytes
* `clips`      face clips with a steady box
* `places`     paths, room on the disk, one run at a time
* `one_video`  everything that is made of one record
* `runner`     all records on all cores, resumable; the index
* `arrays`     HDF5 as M2F2-Det reads it
* `laa_json`   LAA-Net's processed JSON, read and written
"""
