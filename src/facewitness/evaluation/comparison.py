"""Two detectors on the same videos: the difference, whether it could be chance, and where they disagree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.levels import EvaluationProtocol, Key, LevelScores, level_scores
from facewitness.evaluation.metrics import (
    DeLongTest,
    PairedDifference,
    delong_test,
    mcnemar_exact,
    paired_bootstrap,
    roc_auc,
)
from facewitness.evaluation.score_table import ScoreTable


@dataclass(frozen=True)
class Disagreement:
    """Who is right on the shared videos, each at its own threshold.

    Attributes:
        both_right: Videos that both decide rightly.
        only_a: Videos that only the first does.
        only_b: Videos that only the second does.
        both_wrong: Videos that neither does.
        p_value: McNemar's exact test that both err equally often.
    """

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two detectors, paired.

    Attributes:
        protocol_a: Rules of the first.
        protocol_b: Rules of the second; only its threshold may differ.
        n_real: Reals that both scored.
        n_fake: Fakes that both scored.
        only_in_a: Videos in the first table alone.
        only_in_b: Videos in the second table alone.
        scored_by_a: Videos in both tables that only the first scored.
        scored_by_b: Videos in both tables that only the second scored.
        scored_by_none: Videos in both tables that neither scored.
        delong: AUCs and DeLong's test, which takes videos as independent.
        auc: Difference of the AUCs, resampled over identities (videos where no identity is known).
        disagreement: On all shared videos.
        on_real: On the reals.
        on_fake: On the fakes.
    """

    protocol_a: EvaluationProtocol
    protocol_b: EvaluationProtocol
    n_real: int
    n_fake: int
    only_in_a: int
    only_in_b: int
    scored_by_a: int
    scored_by_b: int
    scored_by_none: int
    delong: DeLongTest
    auc: PairedDifference
    disagreement: Disagreement
    on_real: Disagreement
    on_fake: Disagreement

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON; None for what is not finite."""
        return plain(asdict(self))


def compare(
    table_a: ScoreTable,
    table_b: ScoreTable,
    protocol: EvaluationProtocol,
    protocol_b: EvaluationProtocol | None = None,
) -> Comparison:
    """Compare two detectors on the videos that both scored.

    Args:
        table_a: Scores of the first.
        table_b: Scores of the second, in any order and on any scale.
        protocol: The rules, with the first one's threshold; ``level`` does not matter, videos are compared.
        protocol_b: The rules with the second one's threshold; ``protocol`` when None.

    Returns:
        The comparison.

    Raises:
        ConfigError: If the tables share too few videos of a class, or give a video different labels, or the
            protocols differ in more than the threshold.

    Example:
        >>> rows = {"video_id": list("abcd"), "label": [0, 0, 1, 1]}
        >>> one = ScoreTable.from_columns(rows | {"score": [0.1, 0.2, 0.8, 0.9]})
        >>> two = ScoreTable.from_columns(rows | {"score": [0.1, 0.7, 0.6, 0.9]})
        >>> found = compare(one, two, EvaluationProtocol(resamples=20))
        >>> found.delong.difference, found.disagreement.only_a
        (0.25, 1)
    """
    rules_b = protocol_b or protocol
    if _without_threshold(rules_b) != _without_threshold(protocol):
        msg = "both detectors must be compared under one protocol; only the threshold may differ"
        raise ConfigError(msg)
    videos_a, videos_b = level_scores(table_a, protocol)[1], level_scores(table_b, rules_b)[1]
    at_a, at_b = ({key: i for i, key in enumerate(videos.keys)} for videos in (videos_a, videos_b))
    shared = [key for key in at_a if key in at_b]
    one, two = [at_a[key] for key in shared], [at_b[key] for key in shared]
    labels = _shared_labels(videos_a, videos_b, shared, one, two)
    scores_a, scores_b = videos_a.scores[one], videos_b.scores[two]
    groups = [videos_a.groups[i] for i in one]
    right_a = (scores_a >= protocol.threshold) == (labels == 1)
    right_b = (scores_b >= rules_b.threshold) == (labels == 1)
    return Comparison(
        protocol_a=protocol,
        protocol_b=rules_b,
        n_real=int((labels == 0).sum()),
        n_fake=int((labels == 1).sum()),
        **_not_shared(videos_a, videos_b),
        delong=delong_test(scores_a, scores_b, labels),
        auc=_difference(scores_a, scores_b, labels, groups, protocol),
        disagreement=_disagreement(right_a, right_b),
        on_real=_disagreement(right_a[labels == 0], right_b[labels == 0]),
        on_fake=_disagreement(right_a[labels == 1], right_b[labels == 1]),
    )


def _without_threshold(protocol: EvaluationProtocol) -> dict[str, Any]:
    return {name: value for name, value in protocol.to_dict().items() if not name.startswith("threshold")}


def _not_shared(videos_a: LevelScores, videos_b: LevelScores) -> dict[str, int]:
    """Counts of the videos that are left out, by the names of `Comparison`."""
    scored_a, scored_b = set(videos_a.keys), set(videos_b.keys)
    known_a = scored_a | videos_a.not_scored.keys() | videos_a.dropped.keys()
    known_b = scored_b | videos_b.not_scored.keys() | videos_b.dropped.keys()
    both = known_a & known_b
    return {
        "only_in_a": len(known_a - known_b),
        "only_in_b": len(known_b - known_a),
        "scored_by_a": len(both & scored_a - scored_b),
        "scored_by_b": len(both & scored_b - scored_a),
        "scored_by_none": len(both - scored_a - scored_b),
    }


def _difference(
    scores_a: NDArray[np.float64],
    scores_b: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: list[tuple[str, ...]],
    protocol: EvaluationProtocol,
) -> PairedDifference:
    return paired_bootstrap(
        roc_auc,
        scores_a,
        scores_b,
        labels,
        ids=groups,
        rng=protocol.rng(),
        resamples=protocol.resamples,
        level=protocol.interval_level,
    )


def _shared_labels(
    videos_a: LevelScores, videos_b: LevelScores, shared: list[Key], one: list[int], two: list[int]
) -> NDArray[np.int64]:
    """Labels of the shared videos, when there are enough and both tables agree."""
    labels = videos_a.labels[one]
    differ = np.flatnonzero(labels != videos_b.labels[two])
    if differ.size:
        msg = (
            f"the tables label {differ.size} shared videos differently, such as {'/'.join(map(str, shared[differ[0]]))}"
        )
        raise ConfigError(msg)
    fakes = int(labels.sum())
    if min(fakes, labels.size - fakes) < 2:
        msg = (
            f"at least two reals and two fakes must be scored in both tables, got {labels.size - fakes} and {fakes}; "
            "videos are matched by dataset and video_id"
        )
        raise ConfigError(msg)
    return labels


def _disagreement(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> Disagreement:
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    both_right, both_wrong = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    return Disagreement(both_right, only_a, only_b, both_wrong, mcnemar_exact(only_a, only_b))
