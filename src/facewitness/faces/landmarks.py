"""The 468-point face mesh through OpenVINO.

Reference: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.faces.crops import warp_square
from facewitness.faces.detection import ASSETS, Detection
from facewitness.faces.topology import EYE_OUTER_CORNERS, MESH_POINTS
from facewitness.runtime import Device, InferenceSession, Precision

MESH_FILE = "face_landmark.tflite"
INPUT_SIZE = 192
ROI_SCALE = 1.5
"""Side of the region that the mesh model looks at, in units of the face box's longer side."""


@dataclass(frozen=True)
class Roi:
    """A turned square in the frame.

    Attributes:
        x: Centre, frame pixels.
        y: Centre, frame pixels.
        side: Side in frame pixels.
        angle: Direction of the line from right to left eye, radians, clockwise on screen.
    """

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> NDArray[np.float64]:
        """``(2, 3)`` similarity from frame pixels to input pixels."""
        scale = INPUT_SIZE / self.side
        c, s = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[c, s], [-s, c]])
        middle = INPUT_SIZE / 2 - 0.5
        return np.column_stack([turn, np.array([middle, middle]) - turn @ np.array([self.x, self.y])])


def roi_of_detection(detection: Detection, scale: float = ROI_SCALE) -> Roi:
    """Where to look for the mesh of a detected face."""
    x0, y0, x1, y1 = (float(v) for v in detection.box)
    dx, dy = (detection.keypoints[1] - detection.keypoints[0]).tolist()
    return Roi((x0 + x1) / 2, (y0 + y1) / 2, scale * max(x1 - x0, y1 - y0), float(np.arctan2(dy, dx)))


def roi_of_mesh(mesh: NDArray[np.float32], scale: float = ROI_SCALE) -> Roi:
    """Where to look for the mesh of a face whose mesh is roughly known (``(468, 2)``, frame pixels)."""
    right, left = mesh[list(EYE_OUTER_CORNERS)].astype(np.float64)
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    c, s = np.cos(angle), np.sin(angle)
    upright = mesh.astype(np.float64) @ np.array([[c, -s], [s, c]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
    return Roi(float(x), float(y), scale * float((high - low).max()), angle)


class MeshModel:
    """Fit the mesh inside a region.

    Args:
        precision: ``f32``, ``bf16`` or ``auto``.
        device: Where it runs.
        threads: Inference threads; 0 leaves it to the runtime.
    """

    def __init__(self, *, precision: Precision = "f32", device: Device = "auto", threads: int = 0) -> None:
        self._session = InferenceSession(ASSETS / MESH_FILE, precision=precision, device=device, threads=threads)

    def fit(self, image: NDArray[np.uint8], roi: Roi) -> tuple[NDArray[np.float32], float]:
        """Fit the mesh in one region.

        Args:
            image: ``(H, W, 3)`` uint8 RGB frame.
            roi: Turned square around the face.

        Returns:
            ``(468, 2)`` float32 points in frame pixels, and the presence of a face in [0, 1].
        """
        forward = roi.matrix()
        patch = warp_square(image, forward, INPUT_SIZE)
        out = self._session.run(patch[None].astype(np.float32) * (1 / 255))
        flag, points = sorted((v.ravel() for v in out.values()), key=lambda v: v.size)
        local = points.reshape(MESH_POINTS, 3)[:, :2].astype(np.float64) - 0.5
        inverse = np.asarray(cv2.invertAffineTransform(forward))
        mesh = local @ inverse[:, :2].T + inverse[:, 2]
        presence = float(1.0 / (1.0 + np.exp(-np.clip(flag[0], -60.0, 60.0))))
        return mesh.astype(np.float32), presence
