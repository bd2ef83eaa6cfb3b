"""FF++'s split lists and the names of its videos, for the original tree, crops and HDF5 files alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facewitness.datasets.listing import read_json
from facewitness.datasets.records import DatasetInfo
from facewitness.errors import ConfigError

TITLE: Final = "FF++"
LICENCE: Final = "FaceForensics terms of use: non-commercial research and education, no redistribution"
APPLY_AT: Final = "https://github.com/ondyari/FaceForensics (form; a download script is sent)"

METHODS: Final = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
"""Methods whose videos are named after two of the 1,000 YouTube videos."""

USUAL: Final = "Deepfakes,Face2Face,FaceSwap,NeuralTextures"
"""The four that "FF++" means in nearly every table; FaceShifter came later."""

DEMO_PAIRS: Final = {
    "train": (("071", "054"), ("087", "081")),
    "val": (("720", "672"),),
    "test": (("953", "974"),),
}
"""First pairs of the official lists; tiny copies hold these."""

Pair = tuple[str, str]

_PLACES: Final = ("{}.json", "splits/{}.json", "dataset/splits/{}.json")
_SHIPPED: Final = Path(__file__).parent / "assets"


def info_of(tree: str, notes: str) -> DatasetInfo:
    """What is to be known of FF++ in one of the layouts it is passed on in."""
    return DatasetInfo(
        title=TITLE,
        paper="Roessler et al., FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV 2019",
        licence=LICENCE,
        apply_at=APPLY_AT,
        tree=tree,
        notes=notes,
    )


def read_pairs(root: Path, split: str) -> list[Pair]:
    """Pairs of video ids of one split: the list in the user's tree, or the official one that ships with this package.

    Raises:
        ConfigError: If the list in the tree is no list of pairs of ids.
    """
    own = (root / place.format(split) for place in _PLACES)
    path = next((path for path in own if path.is_file()), _SHIPPED / f"ffpp_{split}.json")
    pairs = read_json(path, "FF++'s list of pairs of ids")
    if not isinstance(pairs, list) or not pairs or not all(_is_pair(pair) for pair in pairs):
        msg = f'{path}: expected a list of pairs such as [["071", "054"], ...]; take the list from FF++\'s download'
        raise ConfigError(msg)
    return [(first, second) for first, second in pairs]


def demo_pairs(split: str, times: int) -> list[Pair]:
    """Pairs that a synthetic copy holds: ``times`` as many as the smallest one has, in the order of the official list.

    Raises:
        ConfigError: If the official list has fewer.
    """
    pairs = read_pairs(_SHIPPED, split)
    wanted = times * len(DEMO_PAIRS[split])
    if not 1 <= wanted <= len(pairs):
        msg = f"a copy {times} times as large needs {wanted} pairs in {split}; the official list has {len(pairs)}"
        raise ConfigError(msg)
    return pairs[:wanted]


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)


def real_ids(pairs: list[Pair]) -> list[str]:
    """Both ids of every pair, sorted.

    Example:
        >>> real_ids([("071", "054")])
        ['054', '071']
    """
    return sorted({name for pair in pairs for name in pair})


def fake_ids(pairs: list[Pair]) -> Iterator[Pair]:
    """The fakes of every pair, in both directions: whose video it is, then whose face was put in.

    Example:
        >>> list(fake_ids([("071", "054")]))
        [('054', '071'), ('071', '054')]
    """
    return iter(sorted({(a, b) for pair in pairs for a, b in (pair, pair[::-1])}))
