"""Faces in a frame: boxes, then meshes, with second looks where the first one fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.faces.crops import check_image
from facewitness.faces.detection import Detection, FaceDetector, View, iou, tiles, whole
from facewitness.faces.landmarks import MeshModel, Roi, roi_of_detection, roi_of_mesh
from facewitness.faces.looks import face_look
from facewitness.faces.topology import (
    LANDMARKS_68,
    LANDMARKS_81,
    LEFT_EYE,
    MOUTH_CORNERS,
    NOSE_TIP,
    RIGHT_EYE,
)
from facewitness.runtime import Device, Precision

_MIN_IMAGE_PX = 16
_TIGHT_SHARE = 0.55
_SMALL_SHARE = 0.12
_TILE_FROM_PX = 640
_SAME_FACE = 0.5
_MOST_FITS = 6
_FINE_FROM_PX, _FINE_TILES = 2100, 28

# In 1,300 portraits, faces with a weak box had a presence above 0.99; meshes on collars and lips alone had less.
_SURE_BOX, _SURE_PRESENCE = 0.6, 0.98


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Attributes:
        box: ``(4,)`` float32 xyxy, frame pixels: the tight box of the mesh.
        mesh: ``(468, 2)`` float32, frame pixels.
        presence: The mesh model's confidence that this is a face, [0, 1].
        detection_score: The box detector's confidence, [0, 1]; 0 where only the mesh model found it.
        look: ``(8, 8, 3)`` float32 RGB, the aligned face in a few pixels, to follow it through a video; None where
            nobody needs it.
    """

    box: NDArray[np.float32]
    mesh: NDArray[np.float32]
    presence: float
    detection_score: float
    look: NDArray[np.float32] | None = None

    @property
    def landmarks68(self) -> NDArray[np.float32]:
        """``(68, 2)`` float32 in iBUG order."""
        return self.mesh[LANDMARKS_68]

    @property
    def landmarks81(self) -> NDArray[np.float32]:
        """``(81, 2)`` float32: the 68, then 13 forehead points in the raw order of the 81-point model."""
        return self.mesh[LANDMARKS_81]

    @property
    def landmarks5(self) -> NDArray[np.float32]:
        """``(5, 2)`` float32: eye centres, nose tip, mouth corners; left in an upright picture first."""
        eyes = [self.mesh[list(RIGHT_EYE)].mean(axis=0), self.mesh[list(LEFT_EYE)].mean(axis=0)]
        return np.stack([*eyes, self.mesh[NOSE_TIP], *self.mesh[list(MOUTH_CORNERS)]]).astype(np.float32)

    @property
    def size_px(self) -> float:
        """Longer side of the box in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class FaceFinder:
    """Find every face in a frame.

    Args:
        precision: ``f32``, ``bf16`` or ``auto``; the two networks are small, f32 is the default.
        device: Where they run.
        threads: Inference threads; 0 leaves it to the runtime.
        min_face_px: Faces whose longer side is shorter are left out.
        max_faces: At most this many, the largest.
        min_detection: Boxes below this score are not looked at.
        min_presence: Meshes below this presence are not faces; where the box is doubtful, much more is asked for.

    Raises:
        ConfigError: If a setting is out of range.
    """

    def __init__(
        self,
        *,
        precision: Precision = "f32",
        device: Device = "auto",
        threads: int = 0,
        min_face_px: float = 20.0,
        max_faces: int = 20,
        min_detection: float = 0.4,
        min_presence: float = 0.5,
    ) -> None:
        if max_faces < 1 or min_face_px < 1 or not 0 < min_detection < 1 or not 0 <= min_presence < 1:
            msg = (
                "expected max_faces >= 1, min_face_px >= 1, min_detection in (0, 1) and min_presence in [0, 1), got "
                f"{max_faces}, {min_face_px}, {min_detection}, {min_presence}"
            )
            raise ConfigError(msg)
        self._detector = FaceDetector(precision=precision, device=device, threads=threads)
        self._mesh = MeshModel(precision=precision, device=device, threads=threads)
        self.min_face_px = min_face_px
        self.max_faces = max_faces
        self.min_detection = min_detection
        self.min_presence = min_presence

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Find the faces of one frame.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.

        Returns:
            Faces, largest first; empty when there is none.

        Raises:
            FaceError: If ``image`` is not ``(H, W, 3)`` uint8.
        """
        check_image(image)
        if min(image.shape[:2]) < _MIN_IMAGE_PX:
            return []
        longer, shorter = max(image.shape[:2]), min(image.shape[:2])
        faces = self._fit_all(image, self._detector.look(image, whole(image), self.min_detection))
        largest = max((f.size_px for f in faces), default=0.0)
        if not faces or largest > _TIGHT_SHARE * shorter:
            # The detector was trained on faces with surroundings; a face that fills the picture needs some.
            padded = self._detector.look(image, whole(image, 0.3), self.min_detection)
            faces = _distinct(faces + self._fit_all(image, padded))
        if longer >= _TILE_FROM_PX and largest < _SMALL_SHARE * longer:
            faces = self._look_closer(image, tiles(image, longer / 3), faces)
        if not faces and longer >= _FINE_FROM_PX:
            faces = self._look_closer(image, tiles(image, longer / 5, _FINE_TILES), faces)
        if not faces and longer < 2 * shorter:
            faces = self._fit_whole(image)
        faces = [f for f in _distinct(faces) if f.size_px >= self.min_face_px]
        largest_first = sorted(faces, key=lambda f: -f.size_px)[: self.max_faces]
        return [replace(face, look=face_look(image, face.landmarks5)) for face in largest_first]

    def follow(self, image: NDArray[np.uint8], face: Face) -> Face | None:
        """Find a face again in the next frame by its mesh alone, several times faster than `find`.

        Args:
            image: ``(H, W, 3)`` uint8 RGB, a few hundredths of a second after the frame of ``face``.
            face: The face as it was.

        Returns:
            The face, without a look; None where it is no longer surely there.
        """
        return self._fit(image, roi_of_mesh(face.mesh), 0.0, is_known=True)

    def _look_closer(self, image: NDArray[np.uint8], views: Sequence[View], faces: Sequence[Face]) -> list[Face]:
        """The known faces and those that show in parts of the frame."""
        found = [detection for view in views for detection in self._detector.look(image, view, self.min_detection)]
        return _distinct([*faces, *self._fit_all(image, found, known=faces)])

    def _fit_all(
        self, image: NDArray[np.uint8], detections: Sequence[Detection], known: Sequence[Face] = ()
    ) -> list[Face]:
        """Fit the best box of each place; neighbouring tiles find a face twice, and some faces are ``known``."""
        taken = [(face.box, face.detection_score) for face in known]
        fitted: list[Face] = []
        for detection in sorted(detections, key=lambda d: -d.score):
            rivals = [box for box, score in taken if score >= detection.score]
            if rivals and float(iou(detection.box, np.stack(rivals)).max()) > _SAME_FACE:
                continue
            face = self._fit(image, roi_of_detection(detection), detection.score)
            if face is not None:
                taken.append((detection.box, detection.score))
                fitted.append(face)
        return _distinct(fitted)

    def _fit_whole(self, image: NDArray[np.uint8]) -> list[Face]:
        """A face that fills the picture and that no box was found for."""
        height, width = image.shape[:2]
        face = self._fit(image, Roi(width / 2, height / 2, 1.3 * max(width, height), 0.0), 0.0)
        return [] if face is None else [face]

    def _fit(self, image: NDArray[np.uint8], roi: Roi, score: float, *, is_known: bool = False) -> Face | None:
        """Fit the mesh again and again around the last answer until it stays; None where there is no face.

        Each fit leaves about half of the error of its region, so that a poor box costs a few more; a region that is
        known from a mesh needs one.
        """
        for turn in range(int(is_known), _MOST_FITS):
            mesh, presence = self._mesh.fit(image, roi)
            if not _sane(mesh, roi) or (turn > 0 and presence < self.min_presence):
                return None
            looked_at, roi = roi, roi_of_mesh(mesh)
            if turn > 0 and _settled(looked_at, roi):
                break
        if score < _SURE_BOX and presence < _SURE_PRESENCE:
            return None
        box = np.concatenate([mesh.min(axis=0), mesh.max(axis=0)])
        return Face(box, mesh, presence, score)


def _settled(before: Roi, after: Roi) -> bool:
    """Whether another fit would hardly move the mesh."""
    moved = float(np.hypot(after.x - before.x, after.y - before.y)) / before.side
    turned = abs(float(np.angle(np.exp(1j * (after.angle - before.angle)))))
    return moved < 0.03 and turned < 0.06 and abs(after.side / before.side - 1) < 0.06


def _sane(mesh: NDArray[np.float32], roi: Roi) -> bool:
    """Whether a mesh is finite, has a size, and stayed near the place that was looked at."""
    if not np.isfinite(mesh).all():
        return False
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    centre = (low + high) / 2
    away = float(np.hypot(centre[0] - roi.x, centre[1] - roi.y))
    return 4.0 <= float((high - low).max()) <= 2 * roi.side and away < roi.side


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Each face once: of those that overlap, the one that both models are surer of."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -(f.presence + f.detection_score)):
        if not kept or float(iou(face.box, np.stack([k.box for k in kept])).max()) < _SAME_FACE:
            kept.append(face)
    return kept
