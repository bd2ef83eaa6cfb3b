"""Running `facewitness explain-check`: faces from files, answers from a model, shares in words or as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from facewitness.cli.media_paths import expand
from facewitness.cli.model_choice import ModelChoice, open_narrator
from facewitness.cli.progress import FileProgress
from facewitness.cli.report_text import printable
from facewitness.errors import ConfigError
from facewitness.evaluation.explanation_checks import (
    Change,
    CheckItem,
    ClaimUse,
    ExplanationChecks,
    Picture,
    RegionAgreement,
    check_explanations,
)
from facewitness.evaluation.json_values import plain
from facewitness.language.prompts import evidence_of
from facewitness.narration import Narrator, face_picture
from facewitness.pipeline import AnalysisResult, AnalyzeOptions, Analyzer
from facewitness.records import Label, VerdictLabel
from facewitness.wording import REGION_STRENGTH

_LABELS = {VerdictLabel.REAL: Label.REAL, VerdictLabel.FAKE: Label.FAKE}
_ANSWERS = 6


@dataclass(frozen=True)
class CheckRequest:
    """What the command line asked for.

    Attributes:
        paths: Files, folders and globs.
        choice: The model.
        detector: Registered name.
        settings: Weights and device of the detector.
        operating_point: As `AnalyzeOptions` takes it.
        limit: Faces at most.
        seed: Of the swaps.
        as_json: Print JSON instead of text.
    """

    paths: list[str]
    choice: ModelChoice
    detector: str
    settings: Mapping[str, Any]
    operating_point: str
    limit: int
    seed: int
    as_json: bool


def run(request: CheckRequest) -> int:
    """Check a model on the faces of some files.

    Returns:
        The exit code: 1 when no face could be asked about.

    Raises:
        FacewitnessError: If detector or model cannot be loaded, or the model fails.
    """
    files, complaints = expand(request.paths)
    for complaint in complaints:
        sys.stderr.write(f"facewitness: {printable(complaint)}\n")
    if not files:
        return 1
    try:
        narrator = open_narrator(request.choice, standard="judge")
        options = AnalyzeOptions(
            operating_point=request.operating_point, explain=False, stability=False, keep_pictures=True
        )
        analyzer = Analyzer(request.detector, options=options, **request.settings)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    items = _items(analyzer, narrator, files, request.limit)
    if not items:
        sys.stderr.write("facewitness: no face in these files was scored, so there is nothing to ask about\n")
        return 1
    name = narrator.explainer.name
    sys.stderr.write(f"facewitness: {len(items)} faces, {_ANSWERS} answers each from {printable(name)}\n")
    checks = check_explanations(items, rng=np.random.default_rng(request.seed))
    told = {
        "model": name,
        "prompt": narrator.prompt.name,
        "question": narrator.prompt.ask(narrator.question),
        "detector": analyzer.detector.name,
        "seed": request.seed,
    }
    if request.as_json:
        sys.stdout.write(json.dumps(plain({**told, **checks.to_dict()}), allow_nan=False) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(told, checks)) + "\n")
    return 0


def _items(analyzer: Analyzer, narrator: Narrator, files: list[Path], limit: int) -> list[CheckItem]:
    found: list[CheckItem] = []
    with FileProgress(len(files)) as progress:
        for path in files:
            if len(found) == limit:
                break
            progress.start(path)
            item = _item(narrator, next(analyzer.examine_many([path])))
            found += [] if item is None else [item]
            progress.advance()
    return found


def _item(narrator: Narrator, result: AnalysisResult) -> CheckItem | None:
    """The deciding face of a file; None where nothing was scored."""
    face = result.report.deciding_face
    seen = None if face is None or not face.findings else face_picture(result, face)
    if face is None or seen is None:
        return None
    finding = face.findings[0]
    evidence = evidence_of(finding, face.verdict, seen.heatmap)

    def answer(image: Picture, question: str) -> str:
        words, told = narrator.request(question, evidence)
        return narrator.explainer.answer(image, words, evidence=told).text

    hot = None
    if finding.heatmap is not None:
        hot = tuple(region.name for region in finding.regions if region.strength >= REGION_STRENGTH)
    question = narrator.prompt.ask(narrator.question)
    return CheckItem(seen.image, question, answer, _LABELS.get(face.verdict.label), hot)


def _lines(told: Mapping[str, Any], checks: ExplanationChecks) -> Iterator[str]:
    yield printable(f"{told['model']}, {checks.items} faces, prompt {told['prompt']}: {told['question']}")
    if checks.picture is None:
        yield "One face only: no other picture to swap for, so the use of the picture was not measured."
    else:
        yield f"Asked the same again:      {_change(checks.picture.repeated)}"
        yield f"With the picture blanked:  {_change(checks.picture.blanked)}"
        yield f"With another face:         {_change(checks.picture.swapped)}"
        yield "Texts that change no more than when asked again do not come from the picture."
    agreement = checks.agreement
    if agreement is not None:
        yield (
            f"Agree with the detector:   {_share(agreement.agreeing)} of {agreement.stated} texts that take a side; "
            f"{agreement.unparsable} take none; {agreement.undecided} faces undecided"
        )
    yield _regions(checks.regions)
    yield from _claims(checks.claims)


def _change(change: Change) -> str:
    return (
        f"{_share(change.texts)} of texts differ (ROUGE-L {change.similarity:.2f}), "
        f"{_share(change.verdicts)} take another side"
    )


def _regions(regions: RegionAgreement | None) -> str:
    if regions is None:
        return "Fewer than two heatmaps: regions were not compared."
    named, chance = regions.named, regions.by_chance
    return (
        f"Regions of the heatmap:    precision {named.precision:.2f}, recall {named.recall:.2f}, F1 {named.f1:.2f}; "
        f"by chance F1 {chance.f1:.2f} ({regions.faces} faces)"
    )


def _claims(claims: ClaimUse) -> Iterator[str]:
    yield f"Told that it is real:      {_share(claims.follows_real)} say REAL (untold {_share(claims.neutral_real)})"
    yield f"Told that it is fake:      {_share(claims.follows_fake)} say FAKE (untold {_share(claims.neutral_fake)})"
    yield f"Say what they are told:    {_share(claims.turned)}"


def _share(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{100 * value:.0f} %"
