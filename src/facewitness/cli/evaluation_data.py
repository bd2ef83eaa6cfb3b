"""Data and detectors named on a command line, for every verb that scores data with labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import typer

from facewitness.cli.media_paths import expand
from facewitness.cli.report_text import printable
from facewitness.detectors import DETECTORS, CropDetector
from facewitness.errors import ConfigError
from facewitness.evaluation.sources import DataSource, open_source, plain_source, told_apart
from facewitness.records import Label
from facewitness.runtime import Precision
from facewitness.wording import count_words


def chosen_sources(
    data: Sequence[str], real: Sequence[str], fake: Sequence[str], *, limit: int | None = None
) -> tuple[DataSource, ...]:
    """Open everything that was named, and see to it that there are reals and fakes.

    Args:
        data: Specs, as `open_source` reads them.
        real: Folders of real pictures and videos; what cannot be read in them is said on standard error.
        fake: Folders of forged ones.
        limit: Most records of each label and source.

    Raises:
        ConfigError: If nothing was named, a folder does not hold what it should, a label has no records, or a file is
            named as real and as fake.
        UnknownNameError: If a data set does not exist.
    """
    found = [open_source(text, limit=limit) for text in data]
    named: dict[Label, dict[str, str]] = {label: {} for label in Label}
    for label, places in ((Label.REAL, real), (Label.FAKE, fake)):
        for place in places:
            files, complaints = expand([place])
            named[label].update((os.path.realpath(file), place) for file in files)
            for complaint in complaints:
                typer.echo(f"facewitness: {printable(complaint)}", err=True)
            found.append(plain_source(Path(place), files, label, limit=limit))
    _require_apart(named)
    labels = {record.label for source in found for record in source.records}
    missing = " and ".join(label.name.lower() for label in Label if label not in labels)
    if missing:
        msg = f"both reals and fakes are needed, no {missing} ones were named: give --data SPEC, "
        raise ConfigError(msg + "or both --real DIR and --fake DIR")
    return told_apart(found)


def _require_apart(named: Mapping[Label, Mapping[str, str]]) -> None:
    """Refuse files that are named with both labels: they would make any detector look blind.

    Args:
        named: By label, each file and the folder that it was found through.

    Raises:
        ConfigError: If there are some.
    """
    real, fake = named[Label.REAL], named[Label.FAKE]
    both = [file for file in real if file in fake]
    if both:
        shared = f"{count_words(len(both), 'file')}, first {both[0]}"
        msg = f"--real {real[both[0]]} and --fake {fake[both[0]]} share {shared}; "
        raise ConfigError(msg + "give two folders of which neither lies in the other")


def load_detector(name: str, weights: Path | None, *, device: str, precision: str, threads: int) -> CropDetector:
    """Load a detector by name.

    Raises:
        ConfigError: If the precision is not known.
        UnknownNameError: If the detector is not.
        WeightsError: If its weights are missing or not the recorded ones.
    """
    if precision not in get_args(Precision):
        msg = f"--precision must be one of {', '.join(get_args(Precision))}, got {precision!r}"
        raise ConfigError(msg)
    made: CropDetector = DETECTORS.load(name)(weights=weights, device=device, precision=precision, threads=threads)
    return made
