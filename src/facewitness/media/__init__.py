"""The media room: the only place that opens and decodes a file, always within limits.

* `limits`      one frozen `Limits` object and the clock that keeps its wall time
* `files`       opening a path: regular files only, size checked
* `kind`        picture, video or sound, by content
* `images`      one upright RGB picture
* `containers`  opening a video or sound file shut off from every other file and from the network
* `sampling`    which frames to take, as pure functions of their times
* `video`       frames with index and time
* `perturbations` harmless and harmful changes of frames, in five levels
* `audio`       mono sound
* `info`        the `MediaInfo` record of any path
"""
