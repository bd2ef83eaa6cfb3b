"""Where weights come from: a record per file, its hash, and safe reading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from facewitness.errors import WeightsError

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class WeightsRecord:
    """What a weights file is; stored as JSON beside it.

    Attributes:
        file: File name.
        sha256: Hash of the file; checked before it is used.
        detector: Registered name of the detector that it is for.
        licence: Terms of the weights, in words.
        trained_on: Data, in words.
        recipe: Name or path of the recipe.
        commit: Commit of this project that trained it.
        processor: Crop and normalisation values, used alike in training, evaluation and serving.
        calibration: Values that turn logits into P(fake) per expert.
        operating_points: ``{"fpr=0.01": {"threshold": ..., ...}}``.
        metrics: Numbers that it reached, with their protocol.
    """

    file: str
    sha256: str
    detector: str
    licence: str
    trained_on: str = ""
    recipe: str = ""
    commit: str = ""
    processor: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    operating_points: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> WeightsRecord:
        """Read a record.

        Raises:
            WeightsError: If the file is missing, not JSON, or has unknown or missing fields.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"weights record {path} cannot be read: {error}"
            raise WeightsError(msg) from error
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(raw) - known)
        if unknown:
            msg = f"weights record {path} has unknown fields {unknown}; known are {sorted(known)}"
            raise WeightsError(msg)
        try:
            return cls(**raw)
        except TypeError as error:
            msg = f"weights record {path} lacks fields: {error}"
            raise WeightsError(msg) from error

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        temporary = path.with_suffix(path.suffix + ".part")
        temporary.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(path)

    def verify(self, folder: Path) -> Path:
        """The path of the weights file, after checking its hash.

        Raises:
            WeightsError: If the file is missing or is not the recorded one.
        """
        path = folder / self.file
        if not path.is_file():
            msg = f"weights file {path} is missing; reinstall the package"
            raise WeightsError(msg)
        found = sha256_of(path)
        if found != self.sha256:
            msg = f"weights file {path} has sha256 {found[:16]}..., its record says {self.sha256[:16]}...; reinstall"
            raise WeightsError(msg)
        return path


def sha256_of(path: Path) -> str:
    """Hash of a file as 64 hex digits, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
