"""Options of the command line that name a language model, and the model that they open."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from facewitness.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from facewitness.language.models import Explainer, Sampling
    from facewitness.narration import Narrator

STANDARD_PROMPT: Final = "evidence"

PromptOption = Annotated[
    str,
    typer.Option(
        "--prompt",
        metavar="NAME",
        help="evidence, neutral, judge, plain, m2f2_detect, m2f2_explain, m2f2_demo, m2f2_stage_2 or m2f2_stage_3. "
        "Models that take the detector's score as a token have m2f2_demo as standard.",
    ),
]
QuestionOption = Annotated[str, typer.Option("--question", "-q", metavar="TEXT", help="What the model is asked.")]
KeyVariableOption = Annotated[
    str, typer.Option("--api-key-env", metavar="NAME", help="Environment variable that holds the endpoint's key.")
]
QuantisationOption = Annotated[
    Literal["none", "8bit", "4bit"], typer.Option(help="Bits per weight of a local model (bitsandbytes, a GPU).")
]
KeyFileOption = Annotated[Path | None, typer.Option("--api-key-file", metavar="FILE", help="File that holds the key.")]


@dataclass(frozen=True)
class ModelChoice:
    """Which language model is asked, and how.

    Attributes:
        place: Folder or hub id of a local model, or the address of an endpoint.
        name: Name of the model at an endpoint.
        prompt: Name of the prompt; empty for the model's standard one.
        question: The user's own question.
        key_variable: Environment variable that holds the endpoint's key.
        key_file: File that holds it.
        max_tokens: Limit on the tokens of an answer.
        temperature: 0 takes the likeliest token each time.
        timeout_s: Seconds that an endpoint may take for everything.
        streaming: Whether text is asked for piece by piece.
        device: Where a local model runs.
        quantisation: Bits per weight of a local model; fewer need bitsandbytes and a GPU.
    """

    place: str
    name: str = ""
    prompt: str = ""
    question: str = ""
    key_variable: str = ""
    key_file: Path | None = None
    max_tokens: int = 512
    temperature: float = 0.0
    timeout_s: float = 600.0
    streaming: bool = True
    device: str = "auto"
    quantisation: Literal["none", "8bit", "4bit"] = "none"

    @property
    def is_endpoint(self) -> bool:
        """Whether ``place`` is an address."""
        return self.place.startswith(("http://", "https://"))


def open_narrator(choice: ModelChoice, *, standard: str = STANDARD_PROMPT) -> Narrator:
    """Open the model and check that prompt and question go together.

    Args:
        choice: The model and what it is asked.
        standard: Name of the prompt for models without one of their own, where the choice names none.

    Raises:
        UnknownNameError: If no prompt has that name.
        ConfigError: If an option does not fit the model, or prompt and question do not go together.
        WeightsError: If there is no model in the folder.
        MissingExtraError: If a local model's packages are missing.
    """
    from facewitness.language.models import Sampling
    from facewitness.language.prompts import prompt_named
    from facewitness.narration import Narrator

    prompt_named(choice.prompt or STANDARD_PROMPT).ask(choice.question)  # before a model is loaded
    sampling = Sampling(choice.max_tokens, choice.temperature)
    explainer = _endpoint(choice, sampling) if choice.is_endpoint else _local(choice, sampling)
    named = choice.prompt
    if not named:
        takes_score = bool(getattr(explainer, "takes_score", False))
        of_own = standard if prompt_named(standard).takes_question or not choice.question else "plain"
        named = ("m2f2_explain" if choice.question else "m2f2_demo") if takes_score else of_own
    return Narrator(explainer, prompt_named(named), choice.question)


def _endpoint(choice: ModelChoice, sampling: Sampling) -> Explainer:
    from facewitness.language.endpoint import EndpointExplainer, read_api_key
    from facewitness.language.transport import Patience

    if choice.quantisation != "none":
        msg = f"--quantisation is for local models; {choice.place} decides itself how its weights are held"
        raise ConfigError(msg)
    key = read_api_key(choice.key_variable, choice.key_file)
    silence_s = min(choice.timeout_s, 120.0) if choice.streaming else choice.timeout_s
    explainer = EndpointExplainer(
        choice.place,
        choice.name,
        api_key=key,
        sampling=sampling,
        patience=Patience(read_s=silence_s, total_s=choice.timeout_s),
        streaming=choice.streaming,
    )
    if explainer.address.readable_on_the_way:
        what = "the picture and the key go" if key else "the picture goes"
        sys.stderr.write(f"facewitness: {what} to {explainer.address} without encryption; https would encrypt\n")
    return explainer


def _local(choice: ModelChoice, sampling: Sampling) -> Explainer:
    if choice.name or choice.key_variable or choice.key_file is not None:
        msg = f"a model's name and a key are for endpoints, and {choice.place!r} is no http(s) address"
        raise ConfigError(msg)
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        msg = (
            f"a local language model needs {', '.join(missing)}: pip install 'facewitness[torch]', or name an endpoint"
        )
        raise MissingExtraError(msg)
    from facewitness.language.llava_answers import load_llava
    from facewitness.language.prompts import prompt_named

    template = prompt_named(choice.prompt).template if choice.prompt else ""
    device = choice.device.lower()
    device = "auto" if device.startswith("gpu") else device  # OpenVINO's word; torch knows cuda and mps
    return load_llava(
        choice.place,
        device=device,
        quantisation=choice.quantisation,
        sampling=sampling,
        template=template or None,
    )
