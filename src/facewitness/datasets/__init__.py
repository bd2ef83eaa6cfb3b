"""Data sets by name; each module lists a set's records and says on which terms it is to be had."""

from __future__ import annotations

from typing import Final

from facewitness.registry import Entry, Registry

DATASETS = Registry("data set")
"""Name to ``index(root, split, **options) -> list[Record]``; the module also has ``INFO`` and ``make_demo``."""

_MODULES: Final[dict[str, str]] = {
    "dd_vqa": "DD-VQA: FF++ faces with questions and answers on what looks wrong.",
    "deepfake_timit": "DeepfakeTIMIT: VidTIMIT people with swapped faces in two qualities.",
    "fake_av_celeb": "FakeAVCeleb: real and fake pictures and voices in all four combinations.",
    "folder": "Any folder with real/ and fake/ in it, also below train/, val/, test/.",
    "manifest": "Any files that a CSV or JSON table names.",
    "multi_attack": "MA: FFAA's pictures with a type for every forgery.",
    "ow_ffa_bench": "OW-FFA-Bench: FFAA's six sets of pictures.",
    "ravdess": "RAVDESS: actors who speak and sing in eight emotions; all real.",
}
for _name, _summary in _MODULES.items():
    DATASETS.add(_name, Entry(f"facewitness.datasets.{_name}:index", _summary))
