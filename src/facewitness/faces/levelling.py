"""Faces turned so that the eyes are level, the way LAA-Net's authors prepare their frames."""

from __future__ import annotations

from math import atan, degrees
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError

_LEFT_INNER_EYE, _RIGHT_INNER_EYE = 39, 42


def align_eyes(
    image: NDArray[np.uint8], landmarks: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Turn a face so that its inner eye corners are level, as the authors prepare their frames.

    Args:
        image: ``(H, W, 3)`` uint8.
        landmarks: ``(n, 2)`` integer x, y with n >= 68, iBUG order.

    Returns:
        The image turned about its centre on the same canvas (black outside), and the landmarks turned with it and
        truncated to int64.

    Raises:
        FaceError: If there are fewer than 68 landmarks, or both eye corners are one above the other.
    """
    if landmarks.ndim != 2 or landmarks.shape[0] < 68 or landmarks.shape[1] != 2:
        msg = f"landmarks must be (n, 2) with n >= 68, got {landmarks.shape}"
        raise FaceError(msg)
    dx, dy = (landmarks[_RIGHT_INNER_EYE] - landmarks[_LEFT_INNER_EYE]).astype(np.float64)
    if dx == 0:
        msg = "the inner eye corners are one above the other; the face cannot be levelled"
        raise FaceError(msg)
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees(atan(dy / dx)), 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    points = landmarks.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(turned, dtype=np.uint8), points.astype(np.int64)
