"""Faces as a generator's decoder gives them: small autoencoders, trained on the cache, paint every real face anew.

Face swaps and reenactments show a face that came out of a decoder: its texture is poorer, its colours are off, its
mouth moves. Blurs imitate that badly; a decoder does it by nature. Two small autoencoders with different decoders
(transposed convolutions; nearest-neighbour enlargement) are trained for a few minutes each, and their pictures,
some from inputs whose mouth was moved first, are stored beside the face cache as sources of forgeries.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facewitness.errors import ConfigError
from facewitness.faces.topology import LANDMARKS_68
from facewitness.pseudofakes.warps import jaw_field, smooth_field, warp
from facewitness.training.face_cache import CACHE_MARGIN_RATIO, CACHE_SIDE_PX, FaceCache

_LOG = logging.getLogger(__name__)

DECODED_SIDE_PX = 128
"""Side of a stored picture."""

DECODED_SQUARE_PX = round(CACHE_SIDE_PX / CACHE_MARGIN_RATIO * 1.06 / 2) * 2
"""Side of the centred square of a cached face that a stored picture covers: the face box and a little more."""

_WIDTHS = (32, 64, 96, 128)
_LATENT = 24
_EDGE_WEIGHT = 1.0

Upsampling = Literal["transposed", "nearest"]


@dataclass(frozen=True)
class Variant:
    """One stored picture per face.

    Attributes:
        upsampling: Decoder that painted it.
        after: Share of the training after which it was painted; early pictures are poorer.
        moved: Whether mouth and face were moved first, as a reenactment does.
    """

    upsampling: Upsampling
    after: float
    moved: bool


VARIANTS = (
    Variant("transposed", 0.4, moved=False),
    Variant("transposed", 1.0, moved=True),
    Variant("nearest", 0.4, moved=True),
    Variant("nearest", 1.0, moved=False),
)


class Autoencoder(nn.Module):
    """``(B, 3, 128, 128)`` in [0, 1] to the same through an 8 x 8 x 24 bottleneck."""

    def __init__(self, upsampling: Upsampling) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in _WIDTHS:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.1, inplace=True)]
            channels = width
        layers += [nn.Conv2d(channels, _LATENT, 1), nn.Conv2d(_LATENT, channels, 1), nn.LeakyReLU(0.1, inplace=True)]
        for width in (*_WIDTHS[-2::-1], _WIDTHS[0] // 2):
            if upsampling == "transposed":
                layers.append(nn.ConvTranspose2d(channels, width, 4, 2, 1))
            else:
                layers += [nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(channels, width, 3, 1, 1)]
            layers.append(nn.LeakyReLU(0.1, inplace=True))
            channels = width
        layers.append(nn.Conv2d(channels, 3, 3, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct."""
        return torch.sigmoid(self.layers(image))


def decoded_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of a cached face that the autoencoders see, ``(128, 128, 3)`` uint8 RGB."""
    start = (CACHE_SIDE_PX - DECODED_SQUARE_PX) // 2
    part = image[start : start + DECODED_SQUARE_PX, start : start + DECODED_SQUARE_PX]
    return np.asarray(cv2.resize(part, (DECODED_SIDE_PX,) * 2, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def put_decoded(image: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of a cached face with a stored picture in its place."""
    start = (CACHE_SIDE_PX - DECODED_SQUARE_PX) // 2
    out = image.copy()
    out[start : start + DECODED_SQUARE_PX, start : start + DECODED_SQUARE_PX] = cv2.resize(
        decoded, (DECODED_SQUARE_PX,) * 2, interpolation=cv2.INTER_CUBIC
    )
    return out


def build_decoded(cache: FaceCache, folder: Path, *, steps: int = 1600, batch: int = 32, seed: int = 0) -> None:
    """Train the autoencoders on the real faces of a cache and paint each of them in every variant.

    Writes ``decoded.npy`` ``(n, 4, 128, 128, 3)`` uint8 and ``decoded_rows.npy`` ``(n,)`` (row of the cache of each),
    then the cache's fingerprint as ``decoded.txt``; nothing is done when that is there and right.

    Args:
        cache: Opened cache.
        folder: Its folder.
        steps: Training steps per autoencoder.
        batch: Faces per step.
        seed: Seed of everything random.
    """
    if _is_current(folder):
        return
    (folder / "decoded.txt").unlink(missing_ok=True)
    rows = np.array([i for i, row in enumerate(cache.rows) if row.label == 0], dtype=np.intp)
    squares = np.stack([decoded_square(cache.faces[i]) for i in rows])
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    part = folder / "decoded.part.npy"
    side = DECODED_SIDE_PX
    out = np.lib.format.open_memmap(part, "w+", np.uint8, (len(rows), len(VARIANTS), side, side, 3))
    for upsampling in ("transposed", "nearest"):
        model = Autoencoder(upsampling).to(memory_format=torch.channels_last)
        wanted = [(k, v) for k, v in enumerate(VARIANTS) if v.upsampling == upsampling]
        for step in _train(model, squares, steps=steps, batch=batch, rng=rng):
            for k, variant in wanted:
                if step == max(1, round(variant.after * steps)):
                    _paint(model, cache, rows, squares, out[:, k], moved=variant.moved, rng=rng)
    out.flush()
    part.replace(folder / "decoded.npy")
    np.save(folder / "decoded_rows.npy", rows)
    (folder / "decoded.txt").write_text((folder / "fingerprint.txt").read_text(encoding="utf-8"), encoding="utf-8")


def _is_current(folder: Path) -> bool:
    """Whether decoded faces are there and were made from the cache as it is."""
    own, cache = folder / "decoded.txt", folder / "fingerprint.txt"
    return own.is_file() and cache.is_file() and own.read_text(encoding="utf-8") == cache.read_text(encoding="utf-8")


def open_decoded(folder: Path, faces: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Open what `build_decoded` wrote.

    Args:
        folder: Folder of the cache.
        faces: Faces in the cache.

    Returns:
        The pictures as a read-only map, and for every face of the cache its place in them (-1: none).

    Raises:
        ConfigError: If they are missing or older than the cache.
    """
    if not _is_current(folder):
        msg = f"{folder} holds no decoded faces of the present cache; build them with build_decoded"
        raise ConfigError(msg)
    rows = np.load(folder / "decoded_rows.npy")
    place = np.full(faces, -1, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    return np.load(folder / "decoded.npy", mmap_mode="r"), place


def _train(
    model: nn.Module, squares: NDArray[np.uint8], *, steps: int, batch: int, rng: np.random.Generator
) -> Iterator[int]:
    """Train on reconstruction, yielding the number of steps done after each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for step in range(1, steps + 1):
        image = _tensor(squares[rng.integers(len(squares), size=batch)])
        with torch.autocast("cpu", torch.bfloat16):
            output = model(image)
        output = output.float()
        loss = functional.l1_loss(output, image) + _EDGE_WEIGHT * _edge_difference(output, image)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 100 == 0:
            _LOG.info("autoencoder step %d of %d: loss %.4f", step, steps, float(loss.detach()))
        yield step


def _edge_difference(one: Tensor, other: Tensor) -> Tensor:
    across = functional.l1_loss(one[..., 1:] - one[..., :-1], other[..., 1:] - other[..., :-1])
    down = functional.l1_loss(one[..., 1:, :] - one[..., :-1, :], other[..., 1:, :] - other[..., :-1, :])
    return across + down


@torch.no_grad()
def _paint(
    model: nn.Module,
    cache: FaceCache,
    rows: NDArray[np.intp],
    squares: NDArray[np.uint8],
    out: NDArray[np.uint8],
    *,
    moved: bool,
    rng: np.random.Generator,
) -> None:
    """Store the model's picture of every face."""
    model.eval()
    for start in range(0, len(rows), 64):
        chosen = slice(start, start + 64)
        inputs = squares[chosen]
        if moved:
            inputs = np.stack([_moved(cache, int(row), rng) for row in rows[chosen]])
        with torch.autocast("cpu", torch.bfloat16):
            painted = model(_tensor(inputs))
        pixels = (painted.float().clamp(0, 1) * 255).round().to(torch.uint8)
        out[chosen] = pixels.permute(0, 2, 3, 1).numpy()
    model.train()


def _moved(cache: FaceCache, row: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The square of a face after moving its mouth and bending it a little."""
    face = np.asarray(cache.faces[row])
    landmarks = cache.meshes[row][LANDMARKS_68]
    shape = (face.shape[0], face.shape[1])
    size = CACHE_SIDE_PX / CACHE_MARGIN_RATIO
    field = jaw_field(rng, landmarks, shape, amplitude_px=0.06 * size)
    field = field + smooth_field(rng, shape, amplitude_px=0.008 * size, cells=6)
    return decoded_square(warp(face, field))


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """``(B, H, W, 3)`` uint8 to ``(B, 3, H, W)`` float32 in [0, 1], channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
