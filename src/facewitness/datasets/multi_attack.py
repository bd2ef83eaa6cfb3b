"""Multi-attack (MA): the test set of FFAA with a type for every forgery.

Citation: Huang et al., "FFAA: Multimodal Large Language Model based Explainable Open-World Face Forgery Analysis
Assistant", 2024. Licence: research only; the terms of FF++, Celeb-DF-v2, DFFD and GanDiffFace hold as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from facewitness.datasets.listing import Listing, index_of, sort_out, wanted
from facewitness.datasets.ow_ffa_bench import read_verdicts, verdict_of
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="MA",
    paper="Huang et al., FFAA: Explainable Open-World Face Forgery Analysis Assistant, arXiv 2408.10072, 2024",
    licence="research only; the terms of FF++, Celeb-DF-v2, DFFD and GanDiffFace hold as well",
    apply_at="https://github.com/thu-huangzc/FFAA (docs/benchmark.md)",
    tree="<ma|multiattack>/<ma|multiattack>.json\n<ma|multiattack>/imgs/*",
    splits=("test",),
    notes=(
        "The list maps a file's name to [verdict, forgery type]; lists with the verdict alone are read as well. The "
        "official program reads pairs only when the benchmark is called multiattack and fails on them as ma. The root "
        "may be the folder itself or the one that holds it."
    ),
)

NAMES: Final = ("multiattack", "ma")


def listing(root: Path, split: str | None = None) -> Listing:
    """List the pictures that the list names, with their forgery type as ``manipulation``.

    Raises:
        ConfigError: If there is no list, it is damaged, or no picture is there.
    """
    wanted(split, INFO.splits, INFO.title)
    place = _place(root)
    if place is None:
        msg = f"expected {root}/ma/ma.json or {root}/multiattack/multiattack.json, found neither"
        raise ConfigError(msg)
    folder, list_file = place
    records = []
    for file, value in read_verdicts(root / list_file).items():
        label, kind = verdict_of(value, root / list_file, file)
        records.append(
            Record(
                path=f"{folder}imgs/{file}",
                video_id=file,
                label=label,
                dataset=INFO.title,
                kind="image",
                split="test",
                manipulation=(kind or "fake") if label else "",
            )
        )
    return sort_out(root, records, f"pictures in {folder}imgs, named in {list_file}")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether the list is there."""
    return _place(root) is not None


def _place(root: Path) -> tuple[str, str] | None:
    """Folder (with its slash) and list below ``root``."""
    for name in NAMES:
        for folder in (f"{name}/", ""):
            if (root / f"{folder}{name}.json").is_file():
                return folder, f"{folder}{name}.json"
    return None


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: three pictures of each of four types."""
    types: tuple[tuple[str, Fake], ...] = (
        ("Real", ""),
        ("Face swap", "swap"),
        ("Face attribute manipulation", "local"),
        ("Entire face synthesis", "synthetic"),
    )
    verdicts = {}
    for i in range(12):
        kind, fake = types[i % 4]
        maker.picture(root / "multiattack" / "imgs" / f"{i}.png", f"ma{i}", fake=fake)
        verdicts[f"{i}.png"] = ["fake" if fake else "real", kind]
    maker.json(root / "multiattack" / "multiattack.json", verdicts)
