"""Small synthetic pictures, videos and sounds for tiny copies of data sets.

Every person is drawn (`demo_faces`), moves a little, talks and blinks; fakes are forged with the project's own
`pseudofakes`, so that there is something to learn, and their masks are the true ones. What is written depends only on
the seed, the person, the take and the method.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from facewitness.datasets.demo_faces import Image, draw_face
from facewitness.datasets.demo_files import Sound, voice, write_video, write_wav
from facewitness.datasets.demo_people import DemoFace, DemoScene, rng_of
from facewitness.errors import ConfigError, FaceError
from facewitness.faces.finder import FaceFinder
from facewitness.faces.topology import LANDMARKS_81
from facewitness.pseudofakes.blending import alpha_blend
from facewitness.pseudofakes.forgeries import ForgeryMix, draw_forgery
from facewitness.pseudofakes.triangulated import triangulated_swap
from facewitness.pseudofakes.warps import jaw_field, part_mask, resynthesise, smooth_field, warp

Fake = Literal["", "swap", "blend", "local", "synthetic"]
"""``swap``: a donor's face by triangulation; ``blend``: a self-blend; ``local``: the mouth; ``synthetic``: all."""

FAKES: Final[tuple[Fake, ...]] = ("swap", "blend", "local", "synthetic")

_MOUTHS: Final = 4
_GRID: Final = 48
_TRIES: Final = 5
_NOISE: Final = 2.0
"""Spread of the camera's noise in grey levels; what a forger pasted has less of it."""


class Maker(Protocol):
    """What a data set's ``make_demo`` writes with: `DemoMaker`, or `EmptyMaker` where names alone matter."""

    def picture(
        self, path: Path, identity: str, *, fake: Fake = "", donor: str = "", take: str = "", quality: int = 95
    ) -> None:
        """Write a picture."""

    def video(
        self,
        path: Path,
        identity: str,
        *,
        fake: Fake = "",
        donor: str = "",
        take: str = "",
        sound: Sound | None = None,
        crf: int = 23,
    ) -> None:
        """Write a video."""

    def frames(
        self, folder: Path, identity: str, *, names: Sequence[str], fake: Fake = "", donor: str = "", take: str = ""
    ) -> None:
        """Write the frames of a video as pictures."""

    def mask_picture(self, path: Path, identity: str, *, fake: Fake, donor: str = "", take: str = "") -> None:
        """Write the forged area of `picture`."""

    def mask_video(self, path: Path, identity: str, *, fake: Fake, donor: str = "", take: str = "") -> None:
        """Write the forged area of `video`."""

    def mask_frames(
        self, folder: Path, identity: str, *, names: Sequence[str], fake: Fake, donor: str = "", take: str = ""
    ) -> None:
        """Write the forged area of `frames`."""

    def sound(self, path: Path, identity: str, *, take: str = "", kind: Sound = "speech") -> None:
        """Write a sound as wav."""

    def text(self, path: Path, text: str) -> None:
        """Write a text file."""

    def json(self, path: Path, value: Any) -> None:
        """Write a JSON file."""


@dataclass(frozen=True)
class _Shot:
    """A forged or genuine still with its face.

    Attributes:
        picture: ``(S, S, 3)`` uint8 RGB.
        mask: ``(S, S)`` float32 in [0, 1].
        mesh: ``(468, 2)`` float32 of the genuine face.
    """

    picture: Image
    mask: NDArray[np.float32]
    mesh: NDArray[np.float32]


class _Files:
    """Writing of text, the same for every maker."""

    def text(self, path: Path, text: str) -> None:
        """Write a text file, its folders included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")

    def json(self, path: Path, value: Any) -> None:
        """Write a JSON file, its folders included."""
        self.text(path, json.dumps(value, indent=1) + "\n")


class DemoMaker(_Files):
    """Draw people and write them.

    Args:
        seed: Other seeds give other people under the same names.
        side_px: Side of pictures and videos; even.
        frames: Frames of a video.
        fps: Frames per second, a whole number.

    Raises:
        ConfigError: If a setting is out of range.
    """

    def __init__(self, seed: int = 0, side_px: int = 256, frames: int = 12, fps: float = 12.0) -> None:
        if side_px < 64 or side_px % 2 or frames < 1 or fps < 1 or fps != round(fps):
            msg = f"expected an even side_px >= 64, frames >= 1 and whole fps >= 1, got {side_px}, {frames}, {fps}"
            raise ConfigError(msg)
        self.seed, self.side_px, self.frame_count, self.fps = seed, side_px, frames, fps
        self._finder = FaceFinder(threads=1)
        self._still = lru_cache(maxsize=256)(self._drawn)
        self._shot = lru_cache(maxsize=128)(self._forged)
        self._clip = lru_cache(maxsize=6)(self._moved)

    def picture(
        self, path: Path, identity: str, *, fake: Fake = "", donor: str = "", take: str = "", quality: int = 95
    ) -> None:
        """Write a picture in the format of its name.

        Args:
            path: File; folders are made.
            identity: Who it shows.
            fake: How it was forged; empty for a genuine one.
            donor: Whose face is put in by a swap; empty takes a stranger's.
            take: Another background, light and movement of the same person.
            quality: Of JPEG.
        """
        pixels, _ = self._clip(identity, fake, donor, take, 1)
        _save(path, pixels[0], quality)

    def video(
        self,
        path: Path,
        identity: str,
        *,
        fake: Fake = "",
        donor: str = "",
        take: str = "",
        sound: Sound | None = None,
        crf: int = 23,
    ) -> None:
        """Write a video; ``sound`` adds a track, ``crf`` is the compression (see `picture` for the rest)."""
        pixels, _ = self._clip(identity, fake, donor, take, self.frame_count)
        samples = None if sound is None else self._samples(identity, take, sound)
        write_video(path, pixels, fps=self.fps, crf=crf, samples=samples)

    def frames(
        self, folder: Path, identity: str, *, names: Sequence[str], fake: Fake = "", donor: str = "", take: str = ""
    ) -> None:
        """Write the first frames of the same video as pictures ``names`` in ``folder``."""
        pixels, _ = self._clip(identity, fake, donor, take, max(self.frame_count, len(names)))
        for name, frame in zip(names, pixels, strict=False):
            _save(folder / name, frame, 95)

    def mask_picture(self, path: Path, identity: str, *, fake: Fake, donor: str = "", take: str = "") -> None:
        """Write the forged area of `picture`: white where pixels are foreign."""
        _, masks = self._clip(identity, fake, donor, take, 1)
        _save(path, masks[0], 95)

    def mask_video(self, path: Path, identity: str, *, fake: Fake, donor: str = "", take: str = "") -> None:
        """Write the forged area of `video`."""
        _, masks = self._clip(identity, fake, donor, take, self.frame_count)
        write_video(path, masks, fps=self.fps, crf=18)

    def mask_frames(
        self, folder: Path, identity: str, *, names: Sequence[str], fake: Fake, donor: str = "", take: str = ""
    ) -> None:
        """Write the forged area of `frames`."""
        _, masks = self._clip(identity, fake, donor, take, max(self.frame_count, len(names)))
        for name, mask in zip(names, masks, strict=False):
            _save(folder / name, mask, 95)

    def sound(self, path: Path, identity: str, *, take: str = "", kind: Sound = "speech") -> None:
        """Write the sound of a video as wav."""
        write_wav(path, self._samples(identity, take, kind))

    def _samples(self, identity: str, take: str, kind: Sound) -> NDArray[np.float32]:
        length = self.frame_count / self.fps
        if kind == "silent":
            return np.zeros(round(length * 16000), np.float32)
        speaker = identity if kind == "speech" else f"{identity}, another"
        return voice(
            (self.seed, speaker), _Motion(self._rng(speaker, take, "motion")).mouths(100, 100 / length), length
        )

    def _rng(self, *parts: object) -> np.random.Generator:
        return rng_of(self.seed, *parts)

    def _drawn(self, identity: str, take: str, mouth: int, lids: int) -> tuple[Image, NDArray[np.float32]]:
        """A still and its mesh; a person whom the face finder does not see is drawn anew."""
        for attempt in range(_TRIES):
            face = DemoFace.draw(self._rng(identity, attempt))
            scene = DemoScene.draw(self._rng(identity, take, attempt, "scene"))
            picture = draw_face(face, scene, self.side_px, mouth=mouth / (_MOUTHS - 1), lids=float(lids))
            found = self._finder.find(picture)
            if found:
                return picture, found[0].mesh
        msg = f"no face was found in the drawing of {identity!r} at {self.side_px} px; take a larger side_px"
        raise FaceError(msg)

    def _forged(self, identity: str, fake: Fake, donor: str, take: str, state: tuple[int, int]) -> _Shot:
        picture, mesh = self._still(identity, take, *state)
        rng = self._rng(identity, fake, donor, take, "forgery")
        points = mesh[LANDMARKS_81]
        if fake == "swap":
            other, theirs = self._still(donor or f"{identity}, another", "", *state)
            swap = triangulated_swap(picture, mesh, other, theirs, rng)
            return _Shot(swap.fake, swap.mask, mesh)
        if fake == "blend":
            forgery = draw_forgery(picture, points, rng, ForgeryMix(self_blend=1, local=0, swap=0))
            change = forgery.fake.astype(np.int16) - forgery.real  # the pair's genuine half is altered as well
            return _Shot(np.clip(picture + change, 0, 255).astype(np.uint8), forgery.mask, mesh)
        if fake == "local":
            return _Shot(*_other_mouth(picture, points, rng), mesh)
        if fake == "synthetic":
            return _Shot(_painted(picture, rng), np.ones(picture.shape[:2], np.float32), mesh)
        return _Shot(picture, np.zeros(picture.shape[:2], np.float32), mesh)

    def _moved(self, identity: str, fake: Fake, donor: str, take: str, n: int) -> tuple[list[Image], list[Image]]:
        """The frames and masks of a video."""
        if fake not in ("", *FAKES):
            msg = f"a demonstration fake must be one of {FAKES}, got {fake!r}"
            raise ConfigError(msg)
        motion = _Motion(self._rng(identity, take, "motion"))
        grain = self._rng(identity, take, "grain")
        frames, masks = [], []
        for i, openness in enumerate(motion.mouths(n, self.fps)):
            state = round(float(openness) * (_MOUTHS - 1)), int(motion.blinks(i / self.fps))
            shot = self._shot(identity, fake, donor, take, state)
            x, y = motion.field(i / self.fps, shot.mesh, self.side_px)
            moved = cv2.remap(shot.picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            mask = cv2.remap(shot.mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            noise = grain.standard_normal((*mask.shape, 1), dtype=np.float32) * np.float32(_NOISE)
            noisy = moved + noise * (1 - 0.7 * mask[..., None])
            frames.append(np.asarray(np.clip(np.rint(noisy), 0, 255), dtype=np.uint8))
            grey = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
            masks.append(np.repeat(grey[..., None], 3, axis=2))
        return frames, masks


class _Motion:
    """How a head moves, talks and blinks."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rate = rng.uniform(0.15, 0.5, 5)
        self._phase = rng.uniform(0, 2 * np.pi, 5)
        self._reach = rng.uniform(0.5, 1.0, 5) * np.array([0.06, 0.04, 0.05, 0.02, 0.12])
        self._syllables, self._start = float(rng.uniform(2.2, 3.6)), float(rng.uniform(0, 2 * np.pi))
        self._blink, self._pause = float(rng.uniform(0.2, 0.8)), float(rng.uniform(2, 4))

    def mouths(self, n: int, fps: float) -> NDArray[np.float32]:
        """``(n,)`` opening of the mouth in [0, 1]."""
        time = np.arange(n) / fps
        beat = 0.5 + 0.5 * np.sin(2 * np.pi * self._syllables * time + self._start)
        phrase = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time + self._phase[0])
        return np.asarray(np.clip(beat * phrase, 0, 1), dtype=np.float32)

    def blinks(self, time_s: float) -> bool:
        """Whether the lids are closed."""
        return abs((time_s - self._blink + self._pause / 2) % self._pause - self._pause / 2) < 0.05

    def field(self, time_s: float, mesh: NDArray[np.float32], side_px: int) -> tuple[NDArray[np.float32], ...]:
        """Where each pixel of a frame comes from in the still: x, then y, ``(S, S)`` float32."""
        low, high = mesh.min(axis=0), mesh.max(axis=0)
        centre, half = (low + high) / 2, float(high[0] - low[0]) / 2
        shift_x, shift_y, roll, grow, turn = self._reach * np.sin(2 * np.pi * self._rate * time_s + self._phase)
        axis = (np.arange(_GRID, dtype=np.float32) + 0.5) * (side_px / _GRID) - 0.5
        x, y = (axis[None] - centre[0]) / half, (axis[:, None] - centre[1]) / half
        near = np.clip((2.6 - np.hypot(x, y)) / 1.1, 0, 1)
        near = near * near * (3 - 2 * near)
        depth = np.sqrt(np.clip(1 - (x * x + y * y) / 2.2, 0, 1))
        move_x = shift_x - roll * y + grow * x + turn * depth
        move_y = shift_y + roll * x + grow * y
        whole = np.arange(side_px, dtype=np.float32)
        fields = [
            np.asarray(cv2.resize(np.asarray(near * m * half, np.float32), (side_px, side_px)))
            for m in (move_x, move_y)
        ]
        return np.asarray(whole[None] - fields[0], np.float32), np.asarray(whole[:, None] - fields[1], np.float32)


def _other_mouth(
    picture: Image, points: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Image, NDArray[np.float32]]:
    """The mouth moved and painted anew, as lip-sync and reenactment do."""
    shape = (picture.shape[0], picture.shape[1])
    side = float(np.ptp(points[:68], axis=0).max())
    field = smooth_field(rng, shape, amplitude_px=0.012 * side, cells=6)
    field = field + jaw_field(rng, points, shape, amplitude_px=0.05 * side)
    source = resynthesise(rng, warp(picture, field), strength=0.8)
    hull = part_mask(points, "mouth", shape, max(1, round(0.05 * side)))
    soft = cv2.GaussianBlur(hull, (0, 0), max(0.6, 0.02 * side))
    mask = np.asarray(soft / max(float(soft.max()), 1e-6), dtype=np.float32)
    return alpha_blend(source, picture, mask), mask


def _painted(picture: Image, rng: np.random.Generator) -> Image:
    """The whole picture as a generator would paint it: smooth skin, the fine grid of an upsampling decoder."""
    smooth = cv2.bilateralFilter(picture, 7, 28, 5)
    half = cv2.resize(smooth, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    back = cv2.resize(half, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_NEAREST)
    share = float(rng.uniform(0.4, 0.7))
    return np.asarray(cv2.addWeighted(smooth, 1 - share, back, share, 0), dtype=np.uint8)


def _save(path: Path, pixels: Image, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pictures.fromarray(pixels).save(path, format=None if path.suffix else "JPEG", quality=quality)


class EmptyMaker(_Files):
    """Write files of the right names with hardly anything in them; for checks of names and lists alone.

    Each media file holds its own path's end, as files that are equal byte by byte count as duplicates.
    """

    def _touch(self, path: Path) -> None:
        self.text(path, "/".join(path.parts[-4:]))

    def picture(self, path: Path, identity: str, **_: object) -> None:
        """Stand in for a picture of ``identity``."""
        self._touch(path)

    def video(self, path: Path, identity: str, **_: object) -> None:
        """Stand in for a video."""
        self._touch(path)

    def frames(self, folder: Path, identity: str, *, names: Sequence[str], **_: object) -> None:
        """Stand in for frames."""
        for name in names:
            self._touch(folder / name)

    mask_picture = picture
    mask_video = video
    mask_frames = frames
    sound = picture
