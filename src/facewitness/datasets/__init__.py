"""Data sets by name; each module lists a set's records and says on which terms it is to be had."""

from __future__ import annotations

from typing import Final

from facewitness.registry import Entry, Registry

DATASETS = Registry("data set")
"""Name to ``index(root, split, **options) -> list[Record]``; the module also has ``INFO`` and ``make_demo``."""

_MODULES: Final[dict[str, str]] = {
    "celeb_df_v1": "Celeb-DF-v1: celebrities with swapped faces, first version.",
    "celeb_df_v2": "Celeb-DF-v2: celebrities with swapped faces; 518 videos to test.",
    "dd_vqa": "DD-VQA: FF++ faces with questions and answers on what looks wrong.",
    "deeper_forensics": "DeeperForensics-1.0: actors' faces in FF++'s videos, clean and perturbed.",
    "deepfake_timit": "DeepfakeTIMIT: VidTIMIT people with swapped faces in two qualities.",
    "deepfakebench": "DeepfakeBench's JSON lists of any set.",
    "dfd": "DFD: actors with swapped faces, from FF++'s download.",
    "dfdc": "DFDC: the DeepFake Detection Challenge, whole or its frontal test subset.",
    "dfdcp": "DFDCP: the challenge's preview; what LAA-Net's tables call DFDC.",
    "dfw": "DFW: WildDeepfake, face sequences from the internet.",
    "fake_av_celeb": "FakeAVCeleb: real and fake pictures and voices in all four combinations.",
    "ffiw": "FFIW10K: several people in a video, some forged, with masks.",
    "ffpp": "FF++ as its download script lays it out, any compression.",
    "ffpp_crops": "FF++ faces as LAA-Net's crop script leaves them.",
    "ffpp_hdf5": "FF++ faces in M2F2-Det's HDF5 files.",
    "folder": "Any folder with real/ and fake/ in it, also below train/, val/, test/.",
    "manifest": "Any files that a CSV or JSON table names.",
    "multi_attack": "MA: FFAA's pictures with a type for every forgery.",
    "ow_ffa_bench": "OW-FFA-Bench: FFAA's six sets of pictures.",
    "ravdess": "RAVDESS: actors who speak and sing in eight emotions; all real.",
}
for _name, _summary in _MODULES.items():
    DATASETS.add(_name, Entry(f"facewitness.datasets.{_name}:index", _summary))
