"""DeepfakeTIMIT: VidTIMIT videos with a similar person's face, by a GAN of 64 or 128 pixels.

Citation: Korshunov and Marcel, "DeepFakes: a New Threat to Face Recognition? Assessment and Detection", 2018; the real
videos are Sanderson and Lovell, "Multi-Region Probabilistic Histograms for Robust and Scalable Identity Inference",
ICB 2009.
Licence: research only, on request from Idiap; VidTIMIT under its own terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facewitness.datasets.listing import VIDEOS, Listing, chosen, files_in, index_of, names_in, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.datasets.splits import seed_of, split_by_group
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Maker

INFO = DatasetInfo(
    title="DeepfakeTIMIT",
    paper="Korshunov and Marcel, DeepFakes: a New Threat to Face Recognition?, arXiv 1812.08685, 2018",
    licence="research only, after an agreement with Idiap; VidTIMIT for the real videos has terms of its own",
    apply_at="https://www.idiap.ch/en/dataset/deepfaketimit and https://conradsanderson.id.au/vidtimit/",
    tree=(
        "lower_quality/<person>/<sentence>-video-<donor>.avi\n"
        "lower_quality/<person>/<sentence>.wav\n"
        "higher_quality/<person>/<sentence>-video-<donor>.avi\n"
        "vidtimit/<person>/video/<sentence>/001 (frames without suffix)\n"
        "vidtimit/<person>/audio/<sentence>.wav"
    ),
    splits=(),
    notes=(
        "There are fakes only; the real videos are VidTIMIT, unpacked beside them as vidtimit/. No official split: a "
        "seeded one (option seed) that keeps the two people of a swap together. The sound of the fakes is genuine."
    ),
)

QUALITIES: Final = ("lower_quality", "higher_quality")
_REALS: Final = ("vidtimit", "VidTIMIT", "VidTimit")
_METHOD: Final = {"lower_quality": "faceswap-GAN LQ", "higher_quality": "faceswap-GAN HQ"}


def listing(root: Path, split: str | None = None, *, quality: str = "", seed: str = "0") -> Listing:
    """List the fakes, and the real videos of VidTIMIT if they lie there too.

    Args:
        root: Folder with ``lower_quality`` or ``higher_quality``.
        split: Part of the seeded split; None lists everything.
        quality: ``lower_quality``, ``higher_quality``, or both parted by a comma; empty takes both.
        seed: Of the split.

    Raises:
        ConfigError: If there are no fakes, or a file's name has another form.
    """
    fakes = [r for name in chosen(quality, QUALITIES, "quality") for r in _fakes(root, name)]
    if not fakes:
        msg = f"expected fakes such as {root}/lower_quality/fadg0/sa1-video-fram1.avi, found none"
        raise ConfigError(msg)
    splits = wanted(split, SPLITS, INFO.title)
    records = split_by_group([*_reals(root), *fakes], seed=seed_of(seed))
    return Listing(tuple(r for r in records if r.split in splits))


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether one of the two qualities is there."""
    return any((root / name).is_dir() for name in QUALITIES)


def _fakes(root: Path, quality: str) -> Iterator[Record]:
    for person in names_in(root / quality):
        folder = f"{quality}/{person}"
        sounds = set(files_in(root / folder, frozenset({".wav"})))
        for name in files_in(root / folder):
            stem = name.rpartition(".")[0]
            sentence, middle, donor = stem.partition("-video-")
            if not middle or not donor:
                msg = f"expected a name such as sa1-video-fram1.avi, got {root / folder / name}"
                raise ConfigError(msg)
            sound = f"{sentence}.wav"
            yield Record(
                path=f"{folder}/{name}",
                video_id=f"{folder}/{stem}",
                label=Label.FAKE,
                dataset=INFO.title,
                identities=(person, donor),
                sources=(f"{person}/{sentence}",),
                manipulation=_METHOD[quality],
                video_label=Label.FAKE,
                audio_label=Label.REAL,
                metadata={"audio": f"{folder}/{sound}"} if sound in sounds else {},
            )


def _reals(root: Path) -> Iterator[Record]:
    base = next((name for name in _REALS if (root / name).is_dir()), "")
    for person in names_in(root / base) if base else ():
        folder = f"{base}/{person}/video"
        sounds = set(files_in(root / base / person / "audio", frozenset({".wav"})))
        for name in names_in(root / folder):
            as_file = (root / folder / name).is_file()
            sentence = name.rpartition(".")[0] if as_file else name
            if (as_file and Path(name).suffix.lower() not in VIDEOS) or sentence.startswith("head"):
                continue  # VidTIMIT's head, head2 and head3 are turns of the head without speech
            yield Record(
                path=f"{folder}/{name}",
                video_id=f"{folder}/{sentence}",
                label=Label.REAL,
                dataset=INFO.title,
                kind="video" if as_file else "frames",
                identities=(person,),
                sources=(f"{person}/{sentence}",),
                video_label=Label.REAL,
                audio_label=Label.REAL,
                metadata={"audio": f"{base}/{person}/audio/{sentence}.wav"} if f"{sentence}.wav" in sounds else {},
            )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: five pairs of people, one sentence each."""
    pairs = (("fadg0", "fram1"), ("fcft0", "fcmh0"), ("mbdg0", "mccs0"), ("mdab0", "mdbb0"), ("fkms0", "fpkt0"))
    for first, second in pairs:
        for person, donor in ((first, second), (second, first)):
            for quality in QUALITIES:
                folder, crf = root / quality / person, 16 if quality == "lower_quality" else 6
                maker.video(folder / f"sa1-video-{donor}.avi", person, fake="swap", donor=donor, crf=crf)
                maker.sound(folder / "sa1.wav", person)
            names = [f"{i:03d}" for i in range(1, 13)]
            maker.frames(root / "vidtimit" / person / "video" / "sa1", person, names=names)
            maker.sound(root / "vidtimit" / person / "audio" / "sa1.wav", person)
