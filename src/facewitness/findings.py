"""One person's scored crops in, one `FaceTrack` out: pooled score, heatmap, regions, stability, words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropDetector, CropScore
from facewitness.faces.crops import FaceCrop, apply_affine
from facewitness.faces.finder import Face
from facewitness.faces.regions import region_polygons, region_strengths
from facewitness.jpeg import decode_jpeg, jpeg_again
from facewitness.language.templates import Evidence, explain_finding
from facewitness.media.perturbations import contrast, gaussian_blur, gaussian_noise, resize_again
from facewitness.records import (
    FaceObservation,
    FaceTrack,
    Finding,
    Heatmap,
    OperatingPoint,
    RegionStrength,
    Timeline,
    Verdict,
    VerdictLabel,
)
from facewitness.verdicts import judge, pool_scores, shift_score, unless_it_flips

Image = NDArray[np.uint8]

FRAMES_WITH_EVIDENCE = 64
"""Frames of one file that keep their crops (and pictures) in memory."""

_STABILITY_CROPS = 8


@dataclass
class SeenFace:
    """One face in one frame on its way through the pipeline.

    Attributes:
        face: Box and mesh.
        crop: Cut-out for the detector; None when the face is too small, or once its frame was dropped.
        score: What the detector said; None when it was not asked.
    """

    face: Face
    crop: FaceCrop | None
    score: CropScore | None = None


@dataclass
class SeenFrame:
    """One frame on its way through the pipeline; its pixels are gone, unless kept as ``picture``.

    Attributes:
        index: Index among the frames of the file.
        time_s: Seconds from the start.
        faces: Faces in it.
        picture: The frame, ``(H, W, 3)`` uint8 RGB or JPEG bytes, where pictures are kept.
    """

    index: int
    time_s: float
    faces: list[SeenFace] = field(default_factory=list)
    picture: Image | bytes | None = None

    def drop_evidence(self) -> None:
        """Let go of what takes memory; scores, boxes and meshes stay."""
        self.picture = None
        for seen in self.faces:
            seen.crop = None
            if seen.score is not None:
                seen.score = replace(seen.score, heatmap=None)


def bound_evidence(frames: Sequence[SeenFrame]) -> None:
    """Let only the `FRAMES_WITH_EVIDENCE` frames with the highest scores keep their crops and pictures."""
    holding = [f for f in frames if f.picture is not None or any(seen.crop is not None for seen in f.faces)]
    ranked = sorted(holding, key=lambda f: max((s.score.score for s in f.faces if s.score), default=-1.0))
    for frame in ranked[: max(0, len(holding) - FRAMES_WITH_EVIDENCE)]:
        frame.drop_evidence()


Sighting = tuple[SeenFrame, SeenFace]
"""One person in one frame."""


@dataclass(frozen=True)
class TrackJudge:
    """Turns the sightings of one person into a `FaceTrack`.

    Attributes:
        detector: The detector that scored the crops.
        point: Operating point in use; None when the weights carry none.
        is_video: Whether there is a timeline.
        frames: Every frame that was looked at, in order.
        min_face_px: Faces whose longer side is below it were not scored.
        explain: Whether to add the explanation.
        stability: Whether to score again after `HARMLESS_CHANGES`; a verdict that flips becomes UNCERTAIN.
    """

    detector: CropDetector
    point: OperatingPoint | None
    is_video: bool
    frames: Sequence[SeenFrame]
    min_face_px: float
    explain: bool
    stability: bool

    def track(self, track_id: int, sightings: Sequence[Sighting]) -> FaceTrack:
        """Pool, judge and explain one person."""
        observations = tuple(_observation(frame, seen) for frame, seen in sightings)
        scored = [(frame, seen) for frame, seen in sightings if seen.score is not None]
        if not scored:
            largest = max(seen.face.size_px for _, seen in sightings)
            reason = f"the face is {largest:.0f} pixels across, at least {self.min_face_px:.0f} are needed"
            return FaceTrack(track_id, observations, (), Verdict(VerdictLabel.NOT_SCORED, None, reason))
        finding = self._finding(scored)
        verdict = unless_it_flips(judge(finding.score, self.point), finding.stability)
        if self.explain:
            words = explain_finding(
                finding,
                verdict=verdict,
                media_kind="video" if self.is_video else "image",
                evidence=self._evidence(scored),
            )
            finding = replace(finding, explanation=words)
        return FaceTrack(track_id, observations, (finding,), verdict)

    def _finding(self, scored: Sequence[Sighting]) -> Finding:
        scores = [_score(seen) for _, seen in scored]
        pooled = pool_scores([s.score for s in scores])
        frame, seen = max(scored, key=lambda item: (item[1].crop is not None, _score(item[1]).score))
        experts = {name: pool_scores([s.experts[name] for s in scores]) for name in scores[0].experts}
        return Finding(
            detector=self.detector.name,
            score=pooled,
            calibrated=all(s.calibrated for s in scores),
            experts=experts,
            fired=_fired_most(scores, experts),
            heatmap=_heatmap(frame, seen),
            regions=_regions(seen),
            timeline=self._timeline(scored) if self.is_video else None,
            stability=self._stability(scored, pooled) if self.stability else {},
        )

    def _timeline(self, scored: Sequence[Sighting]) -> Timeline:
        by_frame = {frame.index: _score(seen).score for frame, seen in scored}
        scores = tuple(by_frame.get(frame.index, math.nan) for frame in self.frames)
        return Timeline(tuple(frame.time_s for frame in self.frames), scores)

    def _stability(self, scored: Sequence[Sighting], pooled: float) -> dict[str, float]:
        """The pooled score after harmless changes, measured on a few crops spread over the track."""
        kept = [seen for _, seen in scored if seen.crop is not None]
        if not kept:
            return {}
        step = max(1, math.ceil(len(kept) / _STABILITY_CROPS))
        chosen = kept[::step]
        crops = [seen.crop.image for seen in chosen if seen.crop is not None]
        changed = [change(crop) for change in HARMLESS_CHANGES.values() for crop in crops]
        after = [s.score for s in self.detector.score(changed)]
        before = [_score(seen).score for seen in chosen]
        return {
            name: shift_score(pooled, before, after[i * len(crops) : (i + 1) * len(crops)])
            for i, name in enumerate(HARMLESS_CHANGES)
        }

    def _evidence(self, scored: Sequence[Sighting]) -> Evidence:
        boxes = [seen.face.box for _, seen in scored]
        return Evidence(
            face_px=float(median(float(max(b[2] - b[0], b[3] - b[1])) for b in boxes)),
            presence=float(median(seen.face.presence for _, seen in scored)),
            frames_scored=len(scored),
            frames_sampled=len(self.frames),
        )


HARMLESS_CHANGES: dict[str, Callable[[Image], Image]] = {
    "jpeg_q75": partial(jpeg_again, quality=75),
    "scale_0.5": partial(resize_again, factor=0.5),
    "blur_0.8": partial(gaussian_blur, sigma_px=0.8),
    "noise_2": lambda crop: gaussian_noise(crop, 2.0, np.random.default_rng(0)),
    "contrast_0.85": partial(contrast, factor=0.85),
}
"""What the stability check does to crops, by the name that `Finding.stability` uses.

The changes are those of `facewitness robustness`, as mild as what happens to any picture that is passed on, and on the
detector's crops instead of whole frames, so that frames need not be kept and faces not be found anew.
"""


STABILITY_RULE = (
    f"faces are scored again with their crops changed ({', '.join(HARMLESS_CHANGES)}); "
    "REAL or FAKE becomes UNCERTAIN where a change gives the opposite"
)
"""What the stability check does, as reports state it."""


def kept_pictures(frames: Sequence[SeenFrame], faces: Sequence[FaceTrack]) -> dict[int, Image]:
    """The frames that heatmaps belong to; where there is none, the first with a face."""
    wanted = {f.heatmap.frame_index for face in faces for f in face.findings if f.heatmap is not None}
    kept = {frame.index: frame.picture for frame in frames if frame.picture is not None}
    if not wanted & kept.keys():
        wanted = set(list(kept)[:1])
    pictures: dict[int, Image] = {}
    for index in sorted(wanted & kept.keys()):
        picture = kept[index]
        pictures[index] = decode_jpeg(picture) if isinstance(picture, bytes) else picture
    return pictures


def _fired_most(scores: Sequence[CropScore], experts: Mapping[str, float]) -> str:
    """The expert that decided most frames; empty when in most of them none fired."""
    counts = Counter(score.fired for score in scores)
    return max(counts, key=lambda name: (counts[name], experts.get(name, -1.0)))


def _score(seen: SeenFace) -> CropScore:
    if seen.score is None:
        msg = "only scored sightings may be pooled"
        raise ValueError(msg)
    return seen.score


def _observation(frame: SeenFrame, seen: SeenFace) -> FaceObservation:
    score = None if seen.score is None else seen.score.score
    face = seen.face
    return FaceObservation(frame.index, frame.time_s, face.box, face.landmarks68, face.presence, score)


def _heatmap(frame: SeenFrame, seen: SeenFace) -> Heatmap | None:
    values = _score(seen).heatmap
    if values is None or seen.crop is None:
        return None
    return Heatmap(values, seen.crop.crop_to_frame, seen.crop.image.shape[0], frame.index)


def _regions(seen: SeenFace) -> tuple[RegionStrength, ...]:
    values = _score(seen).heatmap
    if values is None or seen.crop is None:
        return ()
    to_crop = seen.crop.frame_to_crop
    polygons = {name: apply_affine(to_crop, points) for name, points in region_polygons(seen.face.mesh).items()}
    return region_strengths(values, polygons, seen.crop.image.shape[0])
