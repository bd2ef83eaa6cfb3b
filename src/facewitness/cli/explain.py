"""``facewitness explain``: a language model answers a question about a picture that the detector has judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.analyze import PrecisionChoice
from facewitness.cli.model_choice import (
    KeyFileOption,
    KeyVariableOption,
    ModelChoice,
    PromptOption,
    QuantisationOption,
    QuestionOption,
)
from facewitness.cli.options import DetectorOption, PointOption, WeightsOption

_Json = Annotated[bool, typer.Option("--json", help="Print the report, text included, as one JSON object.")]


def explain(
    image: Annotated[Path, typer.Argument(help="Picture or video; of a video the key frame.", show_default=False)],
    *,
    question: QuestionOption = "",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Folder or hub id of a model; with --endpoint its name there.")
    ] = "",
    endpoint: Annotated[str, typer.Option(metavar="URL", help="OpenAI-compatible address, http or https.")] = "",
    prompt: PromptOption = "",
    detector: DetectorOption = "laa_net_lite",
    weights: WeightsOption = None,
    operating_point: PointOption = "fpr=0.05",
    device: Annotated[str, typer.Option(help="Where detector and local model run: auto, CPU, GPU.")] = "auto",
    precision: Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the detector.")] = PrecisionChoice.AUTO,
    quantisation: QuantisationOption = "none",
    as_json: _Json = False,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print the text as it is written.")] = True,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest word each time.")] = 0.0,
    timeout: Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="How long an endpoint may take.")] = 600.0,
    api_key_env: KeyVariableOption = "",
    api_key_file: KeyFileOption = None,
) -> None:
    """Ask a language model about a picture that the detector has judged.

    The verdict comes from the detector; the text is marked as derived, and
    where it contradicts the verdict that is said. Without a model the
    template's explanation is printed. A picture leaves this machine only to
    the endpoint that you name.

    Exit code 0: explained; 1: not scored, no answer, or an error; 2: wrong
    usage; 130: interrupted.

    Example: facewitness explain photo.jpg -q "What is odd about the mouth?" --model llava-folder

    Example: facewitness explain photo.jpg --endpoint http://localhost:8000/v1 --model qwen2.5-vl
    """
    from facewitness.cli.explanation_run import run

    choice = None
    if model or endpoint:
        choice = ModelChoice(
            *((endpoint, model) if endpoint else (model, "")),
            prompt=prompt,
            question=question,
            key_variable=api_key_env,
            key_file=api_key_file,
            max_tokens=max_tokens,
            temperature=temperature,
            timeout_s=timeout,
            streaming=stream and not as_json,
            device=device,
            quantisation=quantisation,
        )
    elif prompt or api_key_env or api_key_file:
        msg = "there is no model to be asked; name one with --model, or --endpoint and --model"
        raise typer.BadParameter(msg)
    settings = {"weights": weights, "device": device, "precision": precision.value}
    code = run(image, choice, detector, settings, operating_point=operating_point, question=question, as_json=as_json)
    raise typer.Exit(code)
