"""``facewitness explain-check``: does a language model's text come from the picture, or from the question?"""

from __future__ import annotations

from typing import Annotated

import typer

from facewitness.cli.model_choice import KeyFileOption, KeyVariableOption, ModelChoice, PromptOption, QuestionOption
from facewitness.cli.options import DetectorOption, PointOption, WeightsOption


def explain_check(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="DATA", help="Pictures, videos, folders or quoted globs.", show_default=False),
    ],
    *,
    explainer: Annotated[
        str, typer.Option("--explainer", "--model", metavar="MODEL", help="Folder, hub id, or address of an endpoint.")
    ],
    explainer_model: Annotated[str, typer.Option(metavar="NAME", help="Name of the model at the endpoint.")] = "",
    question: QuestionOption = "",
    prompt: PromptOption = "",
    limit: Annotated[int, typer.Option(min=1, help="Faces at most; each takes six answers.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same swaps of pictures.")] = 0,
    detector: DetectorOption = "laa_net_lite",
    weights: WeightsOption = None,
    operating_point: PointOption = "fpr=0.05",
    device: Annotated[str, typer.Option(help="Where detector and local model run: auto, CPU, GPU.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    timeout: Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="How long an answer may take.")] = 600.0,
    api_key_env: KeyVariableOption = "",
    api_key_file: KeyFileOption = None,
) -> None:
    """Measure whether a language model's texts come from the picture.

    Each face is asked about six times: as it is, again, with the picture
    blanked, with another face's picture, and with a question that says the
    picture is real, and fake. Prints how much the texts change, whether they
    agree with the detector's verdict and with the regions of its heatmap,
    and whether they say what they are told. By default the question gives
    nothing away (--prompt judge).

    Example: facewitness explain-check folder --explainer http://localhost:8000/v1 --explainer-model NAME
    """
    from facewitness.cli.explain_check_run import CheckRequest, run

    choice = ModelChoice(
        explainer,
        explainer_model,
        prompt,
        question,
        api_key_env,
        api_key_file,
        max_tokens=max_tokens,
        timeout_s=timeout,
        streaming=False,
        device=device,
    )
    settings = {"weights": weights, "device": device}
    request = CheckRequest(paths, choice, detector, settings, operating_point, limit, seed, as_json)
    raise typer.Exit(run(request))
