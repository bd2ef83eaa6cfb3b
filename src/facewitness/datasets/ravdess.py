"""RAVDESS: 24 actors who speak and sing two sentences in eight emotions; every clip is real.

Citation: Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)", PLoS ONE
13(5), 2018. Licence: CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facewitness.datasets.listing import VIDEOS, Listing, chosen, index_of, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Maker

INFO = DatasetInfo(
    title="RAVDESS",
    paper="Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE, 2018",
    licence="CC BY-NC-SA 4.0",
    apply_at="https://zenodo.org/records/1188976",
    tree=(
        "Actor_<01..24>/<modality>-<channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.mp4|wav\n"
        "(also below Video_Speech_Actor_<nn>/, Audio_Speech_Actors_01-24/ and the like, as the archives unpack)"
    ),
    notes=(
        "No official split; the one of 2D3MF by actor is used: val 11, 13, 18, 22, test 05, 10, 16, 19, train the "
        "rest. Files of modality 01 and 02 are the same take with and without sound, 03 is its sound: option modality "
        "chooses, full-AV alone unless told otherwise. Odd actors are men. All labels are real."
    ),
)

MODALITIES: Final = ("full-AV", "video-only", "audio-only")
CHANNELS: Final = ("speech", "song")
EMOTIONS: Final = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_INTENSITIES: Final = ("normal", "strong")
_STATEMENTS: Final = ("Kids are talking by the door", "Dogs are sitting by the door")
_VAL: Final = ("11", "13", "18", "22")
_TEST: Final = ("05", "10", "16", "19")
_NAME: Final = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")


def listing(root: Path, split: str | None = None, *, modality: str = "full-AV", channel: str = "") -> Listing:
    """List the clips of all actors.

    Args:
        root: Folder with the actors' folders, at any depth.
        split: Part of 2D3MF's split by actor; None lists everything.
        modality: ``full-AV``, ``video-only``, ``audio-only``, several parted by commas, or ``all``.
        channel: ``speech``, ``song``, or both parted by a comma; empty takes both.

    Raises:
        ConfigError: If no clip is there, or a file's name has another form.

    Reference: 2D3MF code, split of RAVDESS (its intent: the released one reads the wrong field of native names).
    """
    modalities, channels = chosen(modality, MODALITIES, "modality"), chosen(channel, CHANNELS, "channel")
    splits = wanted(split, SPLITS, INFO.title)
    found = [r for r in _all(root) if r.metadata["modality"] in modalities and r.metadata["channel"] in channels]
    if not found:
        msg = f"expected clips such as {root}/Actor_01/01-01-03-01-02-01-01.mp4 ({', '.join(modalities)}), found none"
        raise ConfigError(msg)
    return Listing(tuple(r for r in found if r.split in splits))


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether there are folders of actors."""
    return any(root.glob("Actor_*")) or any(root.glob("*/Actor_*"))


def _all(root: Path) -> Iterator[Record]:
    for file in sorted(f for f in root.rglob("Actor_*/*") if f.suffix.lower() in VIDEOS | {".wav"}):
        match = _NAME.fullmatch(file.stem)
        if match is None:
            msg = f"expected seven numbers such as 01-01-03-01-02-01-01, got {file}"
            raise ConfigError(msg)
        yield _record(file.relative_to(root).as_posix(), match.groups())


def _record(path: str, codes: tuple[str, ...]) -> Record:
    modality, channel, emotion, intensity, statement, repetition, actor = codes
    kind = MODALITIES[int(modality) - 1]
    real = Label.REAL
    return Record(
        path=path,
        video_id="-".join(codes),
        label=real,
        dataset=INFO.title,
        kind="audio" if kind == "audio-only" else "video",
        split="val" if actor in _VAL else "test" if actor in _TEST else "train",
        identities=(actor,),
        sources=("-".join(codes[1:]),),
        video_label=None if kind == "audio-only" else real,
        audio_label=None if kind == "video-only" else real,
        metadata={
            "modality": kind,
            "channel": CHANNELS[int(channel) - 1],
            "emotion": EMOTIONS[int(emotion) - 1],
            "intensity": _INTENSITIES[int(intensity) - 1],
            "statement": _STATEMENTS[int(statement) - 1],
            "repetition": repetition,
            "gender": "male" if int(actor) % 2 else "female",
        },
    )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: six actors, two emotions; of the first also the two other modalities."""
    for actor in ("01", "02", "11", "13", "05", "10"):
        folder = root / f"Actor_{actor}"
        for emotion in ("01", "03"):
            take = f"01-{emotion}-01-01-01-{actor}"
            maker.video(folder / f"01-{take}.mp4", actor, take=take, sound="speech")
            if actor == "01":
                maker.video(folder / f"02-{take}.mp4", actor, take=take)
                maker.sound(folder / f"03-{take}.wav", actor, take=take)
