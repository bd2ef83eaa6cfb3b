"""OW-FFA-Bench: six sets of about a thousand pictures each, sampled from public sets, for the FFAA assistant.

Citation: Huang et al., "FFAA: Multimodal Large Language Model based Explainable Open-World Face Forgery Analysis
Assistant", 2024. Licence: research only; the terms of the six sources hold as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facewitness.datasets.listing import Listing, chosen, index_of, read_json, sort_out, wanted
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="OW-FFA-Bench",
    paper="Huang et al., FFAA: Explainable Open-World Face Forgery Analysis Assistant, arXiv 2408.10072, 2024",
    licence="research only; the terms of DFD, DFDC, DeeperForensics, MFFDI, PGC and WFIR hold as well",
    apply_at="https://github.com/thu-huangzc/FFAA (docs/benchmark.md)",
    tree="<dfd|dfdc|dpf|mffdi|pgc|wfir>/<name>.json\n<dfd|dfdc|dpf|mffdi|pgc|wfir>/imgs/*",
    splits=("test",),
    notes=(
        "The lists map a file's name to 'real' or 'fake'. The official program takes every other word as fake; here "
        "it is an error. dpf is DeeperForensics, pgc PGGAN against CelebA, wfir whichfaceisreal, mffdi the MFFDI "
        "challenge. People are not named, and the same set with several forgery types is multi_attack."
    ),
)

METHODS: Final = {
    "dfd": "DeepFakeDetection",
    "dfdc": "DFDC",
    "dpf": "DeeperForensics",
    "mffdi": "MFFDI",
    "pgc": "PGGAN",
    "wfir": "StyleGAN",
}
"""What made the fakes of each part, by the part's name."""


def listing(root: Path, split: str | None = None, *, parts: str = "") -> Listing:
    """List the pictures that the parts' lists name.

    Args:
        root: Folder with the parts.
        split: ``test`` or None.
        parts: Some of the six, parted by commas; empty takes those that are there.

    Raises:
        ConfigError: If a part that was asked for, or every part, is missing, or a list is damaged.
    """
    wanted(split, INFO.splits, INFO.title)
    names = chosen(parts, tuple(METHODS), "parts") if parts else tuple(n for n in METHODS if (root / n).is_dir())
    named = [record for name in names for record in _part(root, name)]
    return sort_out(root, named, "pictures such as dfd/imgs/0.png, named in dfd/dfd.json")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether one of the parts is there with its list."""
    return any((root / name / f"{name}.json").is_file() for name in METHODS)


def _part(root: Path, name: str) -> list[Record]:
    records = []
    for file, word in read_verdicts(root / name / f"{name}.json").items():
        label, _ = verdict_of(word, root / name / f"{name}.json", file)
        records.append(
            Record(
                path=f"{name}/imgs/{file}",
                video_id=f"{name}/{file}",
                label=label,
                dataset=INFO.title,
                kind="image",
                split="test",
                manipulation=METHODS[name] if label else "",
                metadata={"part": name},
            )
        )
    return records


def read_verdicts(path: Path) -> dict[str, Any]:
    """A list of the benchmark: picture's name to verdict.

    Raises:
        ConfigError: If it is missing or holds something else.
    """
    values = read_json(path, "a list {picture: verdict}")
    if not isinstance(values, dict):
        msg = f"expected {{picture: verdict}} in {path}, got a {type(values).__name__}"
        raise ConfigError(msg)
    return values


def verdict_of(value: object, path: Path, file: str) -> tuple[Label, str]:
    """Label and forgery type of ``"real"``, ``"fake"`` or ``[verdict, type]``.

    Raises:
        ConfigError: If it is none of them.

    Example:
        >>> verdict_of(["Fake", "Face swap"], Path("ma.json"), "0.png")
        (<Label.FAKE: 1>, 'Face swap')
    """
    word, kind = (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (value, "")
    known = {"real": Label.REAL, "fake": Label.FAKE}
    label = known.get(str(word).strip().lower())
    if label is None:
        msg = f"{path}: verdict of {file} must be real, fake or [verdict, type], got {value!r}"
        raise ConfigError(msg)
    return label, str(kind)


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: four pictures in each part."""
    fakes: dict[str, Fake] = {"dfd": "swap", "dfdc": "swap", "dpf": "blend", "mffdi": "local"}
    for name in METHODS:
        verdicts = {}
        for i in range(4):
            fake: Fake = fakes.get(name, "synthetic") if i % 2 else ""
            maker.picture(root / name / "imgs" / f"{i}.png", f"{name}{i}", fake=fake)
            verdicts[f"{i}.png"] = "fake" if fake else "real"
        maker.json(root / name / f"{name}.json", verdicts)
