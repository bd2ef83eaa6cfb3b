"""Plainly synthetic people for demonstrations and tests: shaded height fields, so that no photograph ships.

A face is drawn in its own coordinates: the origin lies between the eyes, x to the right of the picture, y down, and
1 is half the width of the face. Proportions are those of an average adult (eyes 63 mm apart in a face 140 mm wide).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.demo_people import Colour, DemoFace, DemoScene

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]

# Distance from (0, 0.25) to the outline of face and hair, from straight up round to straight down.
_TURNS: Final = np.radians(np.arange(0, 181, 15))
_FACE_OUT: Final = (1.42, 1.39, 1.31, 1.20, 1.10, 1.04, 1.01, 1.01, 1.03, 1.10, 1.20, 1.31, 1.36)
_HAIR_OUT: Final = (1.85, 1.83, 1.75, 1.62, 1.46, 1.32, 1.22, 1.14, 1.06, 1.00, 0.95, 0.90, 0.90)
_MIDDLE_Y: Final = 0.25


@dataclass(frozen=True)
class _Canvas:
    """Coordinates of every pixel and the steepness of soft edges."""

    x: Plane
    y: Plane
    px: float

    def blob(self, x: float, y: float, wide: float, high: float) -> Plane:
        """A Gaussian bump with standard deviations ``wide`` and ``high``."""
        return self._product(np.exp(-0.5 * ((self.x - x) / wide) ** 2), y, high)

    def pair(self, x: float, y: float, wide: float, high: float) -> Plane:
        """Two bumps, left and right."""
        sides = np.exp(-0.5 * ((self.x - x) / wide) ** 2) + np.exp(-0.5 * ((self.x + x) / wide) ** 2)
        return self._product(sides, y, high)

    def _product(self, across: Plane, y: float, high: float) -> Plane:
        return np.asarray(across[None, :] * np.exp(-0.5 * ((self.y - y) / high) ** 2)[:, None], dtype=np.float32)

    def edge(self, distance: Plane, softness: float = 1.0) -> Plane:
        """1 where ``distance`` is positive, with a soft edge of ``softness`` pixels."""
        return np.asarray(np.clip(distance * (self.px / softness) + 0.5, 0, 1), dtype=np.float32)


def draw_face(face: DemoFace, scene: DemoScene, side_px: int, *, mouth: float = 0.0, lids: float = 0.0) -> Image:
    """Draw a person who looks into the camera.

    Args:
        face: Who.
        scene: Where.
        side_px: Side of the picture.
        mouth: How far the mouth is open, [0, 1].
        lids: How far the lids are closed, [0, 1].

    Returns:
        ``(side_px, side_px, 3)`` uint8 RGB.
    """
    px = scene.scale * side_px
    across = (np.arange(side_px, dtype=np.float32) - np.float32(scene.centre[0] * side_px)) / np.float32(px)
    down = (np.arange(side_px, dtype=np.float32) - np.float32(scene.centre[1] * side_px)) / np.float32(px)
    longer = np.float32(face.long + 0.06 * mouth)
    canvas = _Canvas(across, np.where(down > 0, down / longer, down).astype(np.float32), px)
    inside = _inside(canvas, face, _FACE_OUT)
    picture = _behind(canvas, face, scene)
    height = _height(canvas, face, inside, mouth=mouth, lids=lids)
    colour = _skin(canvas, face, mouth)
    shaded = colour * _light(height, scene, px)[..., None]
    shaded = _mouth(canvas, face, shaded, mouth)
    shaded = _eyes(canvas, face, shaded, lids)
    picture = _mix(picture, shaded, canvas.edge(inside, 1.6))
    picture = _hair(canvas, face, scene, picture)
    tone = np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6 * side_px / 256), 0, 1)
    return np.asarray(np.rint(tone * 255), dtype=np.uint8)


def _mix(below: NDArray[np.floating], above: NDArray[np.floating] | Colour, alpha: NDArray[np.floating]) -> Plane:
    top = np.asarray(above, dtype=np.float32)
    return np.asarray(below + alpha[..., None] * (top - below), dtype=np.float32)


def _inside(canvas: _Canvas, face: DemoFace, outline: tuple[float, ...]) -> Plane:
    """Rough distance to the outline, positive inside."""
    x = canvas.x[None] / (1 + (face.jaw - 1) * np.clip(canvas.y / 0.7, 0, 1))[:, None]
    y = (canvas.y - _MIDDLE_Y)[:, None]
    turn = np.arctan2(np.abs(x), -y + np.float32(0) * x)
    fine = np.linspace(0, np.pi, 361)
    smooth = np.interp(fine, _TURNS, outline)
    smooth = np.convolve(np.pad(smooth, 20, mode="reflect"), np.hanning(41) / np.hanning(41).sum(), "valid")
    radius = smooth[np.rint(turn * (360 / np.pi)).astype(np.intp)]
    return np.asarray(radius - np.hypot(x, y), dtype=np.float32)


def _noise(seed: int, shape: tuple[int, int], cells: int) -> Plane:
    """Smooth noise of unit spread with ``cells`` cells across."""
    rng = np.random.default_rng(seed)
    nodes = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(nodes, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _behind(canvas: _Canvas, face: DemoFace, scene: DemoScene) -> Plane:
    """Wall, hair behind the head, neck and clothes."""
    shape = (len(canvas.y), len(canvas.x))
    slope = (_noise(scene.texture, shape, 5) * 0.2 + np.linspace(0, 1, shape[1], dtype=np.float32)[None])[..., None]
    wall = [np.array(c, np.float32) for c in scene.wall]
    picture = (wall[0] + (wall[1] - wall[0]) * slope) * (1 + 0.02 * _noise(scene.texture + 1, shape, 40))[..., None]
    x, y = canvas.x[None], canvas.y[:, None]
    skull = canvas.edge(_inside(canvas, face, _HAIR_OUT) - np.float32(0.06), 3) * canvas.edge(-y - 0.15 + 0 * x, 14)
    picture = _mix(picture, _strands(canvas, face) * 0.7, skull)
    if face.long_hair:
        fall = canvas.edge(np.minimum(1.22 - np.abs(x) + 0.05 * y, np.float32(2.1) - y), 3)
        picture = _mix(picture, _strands(canvas, face) * 0.75, fall * canvas.edge(y + 0.2 + 0 * x, 12))
    neck_shade = 0.62 + 0.25 * np.clip((y - 1.5) / 0.9, 0, 1) - 0.25 * np.abs(x) ** 2
    neck = np.array(face.skin, np.float32) * np.asarray(neck_shade, np.float32)[..., None]
    picture = _mix(picture, neck, canvas.edge(np.minimum(0.62 + 0.12 * (y - 1.8) ** 2 - np.abs(x), y - 0.6), 2))
    shoulder = y - (
        2.02 + 0.30 * np.clip(np.abs(x) - 0.35, 0, 3) ** 1.4 - 0.25 * np.exp(-((np.abs(x) - 0.6) ** 2) / 0.05)
    )
    cloth_light = 0.85 + 0.15 * _noise(scene.texture + 2, shape, 14) * 0.4 - 0.08 * np.abs(x)
    cloth = np.array(scene.cloth, np.float32) * np.asarray(cloth_light, np.float32)[..., None]
    return _mix(np.asarray(picture, dtype=np.float32), cloth, canvas.edge(np.asarray(shoulder, np.float32), 2))


def _height(canvas: _Canvas, face: DemoFace, inside: Plane, *, mouth: float, lids: float) -> Plane:
    """The face's relief, in half widths."""
    nose, gap = face.nose_length, face.eye_gap
    x, y = canvas.x[None], canvas.y[:, None]
    out = np.clip(inside, 0, None)
    relief = 0.95 * np.sqrt(np.clip(1 - (1 - np.clip(out, 0, 1)) ** 2, 1e-6, 1))
    along = np.clip((y + 0.08) / nose, 0, 1)
    ridge = np.exp(-0.5 * (x / (face.nose_width * (0.075 + 0.06 * along))) ** 2)
    relief = relief + (0.08 + 0.26 * along) * ridge * canvas.edge(nose - 0.03 - y + 0 * x, 9) * np.clip(
        (y + 0.6) / 0.5, 0, 1
    )
    relief += 0.17 * canvas.blob(0, nose - 0.10, 0.12 * face.nose_width, 0.10)
    relief += 0.12 * canvas.pair(0.17 * face.nose_width, nose - 0.06, 0.07, 0.07)
    relief -= 0.15 * canvas.pair(gap, -0.03, 0.24, 0.13)
    relief += 0.07 * canvas.pair(gap, 0.0, 0.17 * face.eye_size, 0.10)
    relief -= 0.06 * canvas.pair(0.16, -0.02, 0.08, 0.16)
    relief += 0.07 * canvas.pair(gap * 0.95, -face.brow_height, 0.24, 0.07)
    relief += 0.10 * canvas.pair(0.56, 0.45, 0.24, 0.20)
    relief -= 0.025 * canvas.pair(0.40, 0.78, 0.06, 0.14)
    relief += 0.07 * canvas.blob(0, 1.02, 0.34, 0.20)
    lip = 0.05 * face.lip_size
    relief += 0.055 * canvas.blob(0, 0.95 - 0.02 * mouth, face.mouth_width * 0.55, lip)
    relief += 0.075 * canvas.blob(0, 1.11 + 0.10 * mouth, face.mouth_width * 0.5, lip * 1.1)
    relief -= 0.06 * canvas.blob(0, 1.25 + 0.08 * mouth, 0.22, 0.06)
    relief += 0.09 * canvas.blob(0, 1.43, 0.20, 0.12)
    relief -= 0.02 * canvas.blob(0, 0.84, 0.04, 0.06)
    return np.asarray(relief + 0.012 * lids * canvas.pair(gap, 0.0, 0.13, 0.06), dtype=np.float32)


def _light(height: Plane, scene: DemoScene, px: float) -> Plane:
    """Brightness of every pixel: diffuse, a little gloss, and hollows that get less light."""
    smooth = cv2.GaussianBlur(height, (0, 0), 0.02 * px)
    dy, dx = np.gradient(smooth * np.float32(px))
    length = np.sqrt(dx * dx + dy * dy + 1)
    light = np.array(scene.light) / np.linalg.norm(scene.light)
    diffuse = np.clip((-dx * light[0] + dy * light[1] + light[2]) / length, 0, 1)
    gloss = np.clip((-dx * light[0] * 0.5 + dy * light[1] * 0.5 + 1) / length / np.sqrt(1.2), 0, 1) ** 24
    hollow = np.clip(smooth - cv2.GaussianBlur(smooth, (0, 0), 0.14 * px), -0.12, 0.06)
    return np.asarray(
        (scene.ambient + (1.08 - scene.ambient) * diffuse) * (1 + 1.3 * hollow) + 0.05 * gloss, np.float32
    )


def _skin(canvas: _Canvas, face: DemoFace, mouth: float) -> Plane:
    """Colour of the skin, lips included."""
    shape = (len(canvas.y), len(canvas.x))
    colour = np.broadcast_to(np.array(face.skin, np.float32), (*shape, 3)).copy()
    red = 0.7 * canvas.pair(0.52, 0.52, 0.22, 0.16) + 0.6 * canvas.blob(0, face.nose_length - 0.1, 0.16, 0.12)
    colour *= 1 + red[..., None] * np.array([0.03, -0.07, -0.06], np.float32)
    shade = 0.16 * canvas.pair(face.eye_gap, 0.02, 0.25, 0.13) + 0.10 * canvas.pair(face.eye_gap, 0.15, 0.16, 0.05)
    colour *= 1 - shade[..., None] * np.array([0.8, 1.0, 0.95], np.float32)
    if face.beard:
        area = canvas.blob(0, 1.35, 0.62, 0.33) + 0.8 * canvas.blob(0, 0.86, 0.28, 0.06)
        grain = 1 + 0.25 * _noise(face.texture + 5, shape, 120)
        colour = _mix(colour, face.hair, np.clip(face.beard * area * grain, 0, 0.6).astype(np.float32))
    pores = 0.014 * _noise(face.texture, shape, 110) + 0.018 * _noise(face.texture + 1, shape, 24)
    colour *= 1 + pores[..., None]
    x, y = canvas.x[None], canvas.y[:, None]
    share = np.clip(1 - (x / face.mouth_width) ** 2, 0, 1)
    bow = 0.018 * np.exp(-0.5 * (x / 0.04) ** 2)
    upper = 1.02 - 0.02 * mouth - (0.095 * face.lip_size * np.sqrt(share) - bow)
    lower = 1.02 + 0.17 * mouth * np.sqrt(share) + 0.125 * face.lip_size * share**0.6
    lips = canvas.edge(np.minimum(np.minimum(y - upper, lower - y), (face.mouth_width - np.abs(x)) * 0.4), 3)
    tint = np.array(face.skin, np.float32) * np.array(face.lips, np.float32)
    lined = tint * (1 + 0.05 * _noise(face.texture + 2, shape, 90))[..., None]
    return _mix(np.asarray(colour, np.float32), np.asarray(lined, np.float32), 0.85 * lips)


def _mouth(canvas: _Canvas, face: DemoFace, picture: Plane, mouth: float) -> Plane:
    """The line between the lips, or teeth and dark; nostrils too, as both are holes."""
    x, y = canvas.x[None], canvas.y[:, None]
    holes = np.exp(-0.5 * (((np.abs(x) - 0.095 * face.nose_width) / 0.05) ** 2 + ((y - face.nose_length) / 0.024) ** 2))
    below_nose = picture * (1 - 0.62 * holes)[..., None]
    under = canvas.blob(0, face.nose_length + 0.06, 0.2 * face.nose_width, 0.035)
    below_nose = below_nose * (1 - 0.14 * under)[..., None]
    share = np.clip(1 - (x / (face.mouth_width * 0.97)) ** 2, 0, 1)
    line = 1.02 + 0.018 * np.cos(x / face.mouth_width * np.pi * 1.5)
    gap = 0.012 + 0.17 * mouth * np.sqrt(share)
    dark = canvas.edge(
        np.asarray(np.minimum(y - line + 0.012, line + gap - y) * (share > 0) - (share <= 0), np.float32), 2
    )
    hollow = np.full((*dark.shape, 3), (0.16, 0.06, 0.05), np.float32)
    teeth = canvas.edge(np.asarray(line + 0.075 - y + 0 * x, np.float32), 3) * min(1.0, 2.5 * mouth)
    inner = _mix(hollow, (0.78, 0.74, 0.68), teeth * (0.8 - 0.4 * np.abs(x) / face.mouth_width))
    corners = canvas.pair(face.mouth_width, 1.025, 0.035, 0.025)
    shade = (1 - 0.3 * corners)[..., None]
    return np.asarray(_mix(below_nose, inner, 0.8 * dark) * shade, dtype=np.float32)


def _eyes(canvas: _Canvas, face: DemoFace, picture: Plane, lids: float) -> Plane:
    """Whites, irises, pupils, lids and brows of both eyes."""
    size, y = face.eye_size, canvas.y[:, None]
    for side in (-1.0, 1.0):
        x = (canvas.x[None] - side * face.eye_gap) * side / size  # towards the temple is positive
        t = np.clip(x / 0.205, -1, 1)
        bow = np.sqrt(np.clip(1 - t * t, 0, 1))
        open_ = 1 - lids
        v = y / size + 0.012 * x / 0.2
        top = -0.088 * bow**1.1 * (2 * open_ - 1 if open_ > 0.6 else open_ * 0.33 - 0.02) + 0.0 * x
        bottom = 0.062 * bow
        ball = canvas.edge(np.asarray(np.minimum(v - top, bottom - v) - 10 * (np.abs(x) > 0.205), np.float32), 1.5)
        white = np.full((*picture.shape[:2], 3), (0.86, 0.83, 0.81), np.float32)
        white *= np.asarray(0.72 + 0.28 * np.clip((v - top) / 0.07, 0, 1) - 0.12 * np.abs(t) ** 3, np.float32)[
            ..., None
        ]
        r = np.hypot(x, v + 0.012)
        iris = np.asarray(
            np.array(face.iris, np.float32) * (0.75 + 4 * np.clip(r - 0.03, 0, 0.06))[..., None], np.float32
        )
        white = _mix(white, iris, canvas.edge(np.asarray(0.088 - r, np.float32), 2))
        white = _mix(white, (0.02, 0.02, 0.02), canvas.edge(np.asarray(0.038 - r, np.float32), 2))
        glint = np.exp(-0.5 * (((x + 0.03 * side) / 0.016) ** 2 + ((v + 0.04) / 0.016) ** 2))
        white = _mix(white, (0.95, 0.95, 0.95), np.asarray(0.85 * glint, np.float32))
        picture = _mix(picture, white, ball)
        near = np.abs(x) < 0.23
        lash = np.exp(-0.5 * ((v - top) / 0.016) ** 2) * np.clip(bow * 3, 0, 1) * near
        fold = np.exp(-0.5 * ((v - np.minimum(top, -0.02) + 0.05) / 0.014) ** 2) * bow * near
        rim = np.exp(-0.5 * ((v - bottom) / 0.012) ** 2) * np.clip(bow * 2, 0, 1) * near
        picture = picture * (1 - 0.72 * lash - 0.22 * fold - 0.22 * rim)[..., None]
        arch = -face.brow_height - 0.05 * np.cos((x - 0.06) / 0.3 * 1.4) + 0.05 * np.clip(x / 0.3, -1, 1) ** 2
        thick = 0.042 - 0.018 * np.clip(x / 0.3, -0.4, 1)
        hair = np.exp(-0.5 * ((y - arch) / thick) ** 2) * canvas.edge(
            np.asarray(0.30 - np.abs(x - 0.03), np.float32), 5
        )
        picture = _mix(
            np.asarray(picture, np.float32), face.hair, np.asarray(0.8 * face.brow_weight * hair, np.float32)
        )
    return picture


def _strands(canvas: _Canvas, face: DemoFace) -> Plane:
    """Hair: its colour with streaks that run down."""
    shape = (len(canvas.y), len(canvas.x))
    streaks = cv2.GaussianBlur(_noise(face.texture + 3, shape, 130), (0, 0), sigmaX=0.6, sigmaY=5)
    sheen = 0.25 * np.exp(-0.5 * ((canvas.y + 1.05) / 0.2) ** 2)[:, None]
    return np.asarray(np.array(face.hair, np.float32) * (0.95 + 0.6 * streaks + sheen)[..., None], np.float32)


def _hair(canvas: _Canvas, face: DemoFace, scene: DemoScene, picture: Plane) -> Plane:
    """Hair over the forehead and round the head."""
    outer = _inside(canvas, face, _HAIR_OUT)
    x, y = canvas.x[None], canvas.y[:, None]
    wave = 0.05 * np.sin(x * 5 + scene.texture % 7) + 0.03 * _noise(
        face.texture + 4, (len(canvas.y), len(canvas.x)), 30
    )
    line = -0.92 + face.fringe + 0.35 * np.abs(x) ** 3.5 + wave
    sides = np.minimum(np.abs(x) - (0.93 + 0.05 * (y + 0.3)), (2.0 if face.long_hair else 0.02) - y)
    close = outer if face.long_hair else outer - 0.3 * np.clip(y + 0.6, 0, 1)  # short hair draws in towards the ear
    alpha = canvas.edge(np.asarray(close, np.float32), 3) * canvas.edge(
        np.maximum(line - y, sides).astype(np.float32), 5
    )
    return _mix(picture, _strands(canvas, face), alpha)
