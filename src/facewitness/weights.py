"""Where weights come from: a record per file, its hash, and safe reading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from facewitness.config import from_mapping
from facewitness.errors import ConfigError, WeightsError
from facewitness.records import OperatingPoint
from facewitness.score_maps import Calibration
from facewitness.whole_files import write_whole

_CHUNK_BYTES = 1 << 20

SCORE = "score"
"""Under this name `WeightsRecord.calibration` keeps the map of the whole score, beside those of experts."""


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
        calibration: Values that turn logits into P(fake) per expert, and under ``score`` a `Calibration` of P(fake).
        operating_points: ``{"fpr=0.01": {"threshold": ..., ...}}``; ``error=0.05`` for lines with a target error.
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
        if not isinstance(raw, dict):
            msg = f"weights record {path} must hold a JSON object, got {type(raw).__name__}"
            raise WeightsError(msg)
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(raw) - known)
        if unknown:
            msg = f"weights record {path} has unknown fields {unknown}; known are {sorted(known)}"
            raise WeightsError(msg)
        for f in fields(cls):
            wanted = str if f.type == "str" else dict
            if not isinstance(raw.get(f.name, wanted()), wanted):
                msg = f"weights record {path}: {f.name} must be {wanted.__name__}, got {raw[f.name]!r}"
                raise WeightsError(msg)
        try:
            return cls(**raw)
        except TypeError as error:
            msg = f"weights record {path} lacks fields: {error}"
            raise WeightsError(msg) from error

    def score_calibration(self) -> Calibration | None:
        """What scores are calibrated with after whatever the experts have; None when there is nothing.

        Raises:
            WeightsError: If it cannot be read.
        """
        values = self.calibration.get(SCORE)
        if values is None:
            return None
        try:
            return Calibration.from_dict(values)
        except ConfigError as error:
            msg = f"weights record of {self.file}: {error}"
            raise WeightsError(msg) from error

    def points(self) -> dict[str, OperatingPoint]:
        """The operating points by name.

        Raises:
            WeightsError: If one is not made of numbers in [0, 1] and the name of its set.
        """
        found: dict[str, OperatingPoint] = {}
        for name, values in self.operating_points.items():
            try:
                found[name] = _checked_point(name, values)
            except (ConfigError, TypeError, ValueError) as error:
                msg = f"weights record of {self.file}: operating point {name!r} cannot be read: {error}"
                raise WeightsError(msg) from error
        return found

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        write_whole(path, json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")

    @classmethod
    def beside(cls, network: Path, *, detector: str) -> WeightsRecord | None:
        """The checked record beside a network file (same name, ``.json``); None when there is none.

        Args:
            network: The file.
            detector: Registered name that the record must be for.

        Raises:
            WeightsError: If it cannot be read, is for another detector, or records another file.
        """
        path = network.with_suffix(".json")
        if not path.is_file():
            return None
        record = cls.read(path)
        if record.detector != detector:
            msg = f"{network.name} is for detector {record.detector!r}, not {detector!r}"
            raise WeightsError(msg)
        record.verify_for(network)
        return record

    def verify_for(self, network: Path) -> None:
        """Check that a file is the recorded one, by name and by hash.

        Raises:
            WeightsError: If it is another one, or is missing.
        """
        if network.name != self.file:
            msg = f"the record beside {network} is of {self.file}; put the record of {network.name} there, or none"
            raise WeightsError(msg)
        self.verify(network.parent)

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


def _checked_point(name: str, values: Any) -> OperatingPoint:
    point = from_mapping(OperatingPoint, values)
    kind, _, rate = name.partition("=")
    numbers = (float(rate), point.false_positive_rate, point.threshold, point.lower_threshold)
    if kind not in ("fpr", "error") or not all(0.0 <= number <= 1.0 for number in numbers):
        msg = f"expected fpr=RATE or error=RATE with numbers from 0 to 1, got {numbers}"
        raise ValueError(msg)
    return point
