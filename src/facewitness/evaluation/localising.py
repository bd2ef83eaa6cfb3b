"""Heatmaps against masks while a set is scored: masks beside frames, cut like the face, summed up per record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.listing import frame_files
from facewitness.datasets.prepare.sources import MaskSource
from facewitness.datasets.records import Record
from facewitness.errors import MediaError
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.metrics import Localisation, localise, summarise_localisation
from facewitness.evaluation.record_frames import ReadFrame
from facewitness.faces.crops import CropSpec, crop_face

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_HALF: Final = 127

LOCALISATION_RULE: Final = (
    "heatmap of each scored face against the mask, cut and resized like the face; faces without a forged pixel of a "
    "fake are left out; mean over frames, then over videos; heat counts from 0.5, the peak may be 15 px of the crop "
    "away; for reals the share of the crop that is hot"
)
"""How heatmaps are judged, as results state it."""


def with_masks(root: Path, record: Record, frames: Iterable[ReadFrame]) -> Iterator[ReadFrame]:
    """Frames with the record's mask beside them; where a mask cannot be read the frame comes without.

    Args:
        root: Folder of the data set.
        record: Its ``mask_path`` says where the masks are.
        frames: Frames by ascending index.
    """
    masks: MaskSource | None = None
    if record.mask_path:
        try:
            names = [f.stem for f in frame_files(root / record.path)] if record.kind == "frames" else []
            masks = MaskSource(record, root, names)
        except (MediaError, OSError) as error:
            _LOG.warning("masks of %s cannot be read: %s", record.video_id, error)
    for frame in frames:
        mask = None
        if masks is not None and frame.pixels is not None:
            try:
                mask = masks.at(frame.index)
            except (MediaError, OSError) as error:
                _LOG.warning("masks of %s cannot be read: %s", record.video_id, error)
                masks = None
        yield frame if mask is None else replace(frame, mask=mask)


def mask_crop(frame: ReadFrame, box: NDArray[np.float32], spec: CropSpec) -> NDArray[np.uint8] | None:
    """The mask cut like the face; None where there is none, or the face holds no forged pixel.

    Args:
        frame: With its mask, ``(H, W)`` uint8, forged where above 0; resized where it is of another size.
        box: ``(4,)`` xyxy face box in the frame's pixels.
        spec: How the detector's crop is cut.

    Returns:
        ``(size, size)`` uint8, 0 or 1.
    """
    if frame.mask is None or frame.pixels is None:
        return None
    height, width = frame.pixels.shape[:2]
    forged = (frame.mask > 0).astype(np.uint8) * 255
    if forged.shape != (height, width):
        forged = np.asarray(cv2.resize(forged, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    cut = crop_face(np.repeat(forged[:, :, None], 3, axis=2), box, spec).image[:, :, 0]
    return (cut > _HALF).astype(np.uint8) if (cut > _HALF).any() else None


def judge_heatmap(
    heatmap: NDArray[np.float32] | None, mask: NDArray[np.uint8] | None, *, is_fake: bool
) -> Localisation | None:
    """One face's heatmap; None without a heatmap, or for a fake without a mask."""
    if heatmap is None or (is_fake and mask is None):
        return None
    return localise(heatmap, mask if is_fake else None)


def mean_of(faces: Sequence[Localisation]) -> dict[str, Any] | None:
    """Mean over the faces of a record, JSON types only; None when there are none."""
    return plain(asdict(summarise_localisation(faces))) if faces else None


def over_records(records: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Mean over records of what `mean_of` gave for each; ``fakes`` and ``reals`` count records."""
    nan = float("nan")
    known: list[dict[str, Any]] = [{k: nan if v is None else v for k, v in one.items()} for one in records]
    listed = [Localisation(**one) for one in known]
    counted = [replace(one, fakes=int(one.fakes > 0), reals=int(one.reals > 0)) for one in listed]
    return mean_of(counted)
