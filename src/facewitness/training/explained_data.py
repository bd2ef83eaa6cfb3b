"""Pictures with one known alteration and conversations about them on the disk, made from a cache of real faces.

A folder holds ``train/`` and ``test/`` with pictures, ``train.json`` with conversations, and ``facts.jsonl`` with what
was done to every picture. No person is in both parts. Picture number n depends on the seed, the part and n alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from facewitness.datasets.dd_vqa_conversations import write_conversations
from facewitness.datasets.explained_fakes import Alteration, ExplainedFake, Form, alter, ask_about, draw_alteration
from facewitness.errors import ConfigError
from facewitness.language.conversations import IMAGE
from facewitness.language.prompts import PROMPTS
from facewitness.training.face_cache import FaceCache
from facewitness.training.run_folder import put

Part = Literal["train", "test"]

CONVERSATIONS: Final = "train.json"
FACTS: Final = "facts.jsonl"
_PARTS: Final[tuple[Part, ...]] = ("train", "test")
_FORMS: Final[tuple[Form, ...]] = ("open", "place", "kind", "part")
_FORM_SHARES: Final = (0.5, 0.15, 0.15, 0.2)
_VIEW_SHARE: Final = (0.66, 0.76)
"""Side of a view in sides of the cached square, which has margins of 1.75: the detector's crop has 1.25."""
_JITTER: Final = 0.02
_OWN_QUESTION: Final = PROMPTS["judge"].ask()  # what the command line asks with --prompt judge


@dataclass(frozen=True)
class ExplainedSizes:
    """How many pictures are made, and of whom.

    Attributes:
        train: Pictures to train on.
        test: Pictures to measure with.
        held_out: Share of the people that are kept for measuring.
        image_size: Side of the pictures, pixels.
        seed: Of everything that is drawn.
    """

    train: int = 4000
    test: int = 600
    held_out: float = 0.2
    image_size: int = 192
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ConfigError: Naming them.
        """
        if min(self.train, self.test) < 1 or not 0 < self.held_out < 1 or self.image_size < 64:
            msg = f"numbers of pictures must be at least 1, held_out within (0, 1), image_size at least 64, got {self}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class Fact:
    """What was done to a picture.

    Attributes:
        part: Which part it belongs to.
        image: Its file, below the folder.
        identity: Whose face it is.
        alteration: What was done.
    """

    part: Part
    image: str
    identity: str
    alteration: Alteration


def real_faces(cache: FaceCache, sizes: ExplainedSizes) -> dict[Part, NDArray[np.intp]]:
    """Indices of the cache's real faces by part; no person is in both.

    Raises:
        ConfigError: If a part has none.
    """
    groups = sorted({row.group for row in cache.rows if row.label == 0})
    found: dict[Part, NDArray[np.intp]] = {}
    for part in _PARTS:
        chosen = cache.select(groups=groups, validation_share=sizes.held_out, validation=part == "test")
        found[part] = np.array([i for i in chosen if cache.rows[i].label == 0], dtype=np.intp)
    if not all(len(faces) for faces in found.values()):
        counts = ", ".join(f"{part} {len(faces)}" for part, faces in found.items())
        msg = (
            f"real faces of different people are needed in both parts, got {counts}; give more people or another share"
        )
        raise ConfigError(msg)
    return found


def explained_face(
    cache: FaceCache, faces: NDArray[np.intp], sizes: ExplainedSizes, part: Part, number: int
) -> tuple[ExplainedFake, str, np.random.Generator]:
    """One altered face.

    Args:
        cache: Faces.
        faces: Indices of the part's faces; taken in turn.
        sizes: Seed and size.
        part: The part.
        number: Which picture of it.

    Returns:
        The picture and its truth; whose face it is; the generator, to choose words with.
    """
    rng = np.random.default_rng((sizes.seed, _PARTS.index(part), number))
    index = int(faces[number % len(faces)])
    image, mesh = _view(np.asarray(cache.faces[index]), cache.meshes[index], sizes.image_size, rng)
    return alter(image, mesh, draw_alteration(rng), rng), cache.rows[index].identity, rng


def write_explained(folder: Path, cache: FaceCache, sizes: ExplainedSizes) -> list[Fact]:
    """Make the folder, whole or not at all.

    Args:
        folder: Where.
        cache: Faces.
        sizes: How many, and of whom.

    Returns:
        What was done to every picture.

    Raises:
        ConfigError: If there are too few people.
    """
    faces = real_faces(cache, sizes)
    half = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    facts: list[Fact] = []
    records: list[dict[str, Any]] = []
    for part, count in zip(_PARTS, (sizes.train, sizes.test), strict=True):
        (half / part).mkdir(parents=True)
        for number in range(count):
            made, identity, rng = explained_face(cache, faces[part], sizes, part, number)
            name = f"{part}/{number:06d}.png"
            Pictures.fromarray(made.image).save(half / name, compress_level=1)
            facts.append(Fact(part, name, identity, made.alteration))
            if part == "train":
                records.append(_record(name, made.alteration, rng))
    write_conversations(half / CONVERSATIONS, records)
    lines = (json.dumps({**vars(fact), "alteration": asdict(fact.alteration)}) + "\n" for fact in facts)
    (half / FACTS).write_text("".join(lines), encoding="utf-8")
    put(half, folder)
    return facts


def read_facts(folder: Path) -> list[Fact]:
    """What was done to the pictures of a folder.

    Raises:
        ConfigError: If the folder holds no facts, or damaged ones.
    """
    try:
        rows = [json.loads(line) for line in (folder / FACTS).read_text(encoding="utf-8").splitlines()]
        return [Fact(**{**row, "alteration": Alteration(**row["alteration"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f"{folder / FACTS} cannot be read: {error!r}; delete the folder and run the same command again"
        raise ConfigError(msg) from error


def alterations_of(facts: Sequence[Fact], part: Part) -> list[Alteration]:
    """What was done in one part, in order."""
    return [fact.alteration for fact in facts if fact.part == part]


def _record(name: str, alteration: Alteration, rng: np.random.Generator) -> dict[str, Any]:
    form = _FORMS[int(rng.choice(len(_FORMS), p=_FORM_SHARES))]
    asked = ask_about(alteration, form, rng, more=(_OWN_QUESTION,))
    said = [{"from": "human", "value": f"{IMAGE}\n{asked.question}"}, {"from": "gpt", "value": asked.answer}]
    return {"id": Path(name).stem, "image": name, "conversations": said}


def _view(
    face: NDArray[np.uint8], mesh: NDArray[np.float32], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A square about the face, a little off its middle, and the mesh in its pixels."""
    side = face.shape[0]
    inner = round(side * float(rng.uniform(*_VIEW_SHARE)))
    left, top = ((side - inner) / 2 + rng.uniform(-_JITTER, _JITTER, 2) * side).round().astype(int)
    how = cv2.INTER_AREA if inner > size else cv2.INTER_CUBIC
    part = face[top : top + inner, left : left + inner]
    view = np.asarray(cv2.resize(part, (size, size), interpolation=how), dtype=np.uint8)
    moved = (mesh - np.array([left, top], np.float32) + 0.5) * np.float32(size / inner) - 0.5
    return view, moved.astype(np.float32)
