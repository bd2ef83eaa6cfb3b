"""What ``facewitness evaluate`` writes: numbers, curves, controls, and everything needed to get them again.

The JSON, the page and the table in the terminal are three views of this one document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropDetector, detector_facts
from facewitness.evaluation.compat import compat_report
from facewitness.evaluation.control_features import CONTROL_RULES, ControlResult, measure_controls
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.levels import EvaluationProtocol, LevelScores, level_scores
from facewitness.evaluation.localising import LOCALISATION_RULE, over_records
from facewitness.evaluation.metrics import reliability_table, roc_curve, wilson_interval
from facewitness.evaluation.protocols import EvaluationResult, evaluate_scores, level_result
from facewitness.evaluation.scoring import ScoringRule
from facewitness.evaluation.scoring_run import ScoredData
from facewitness.records import Label, OperatingPoint
from facewitness.runtime import deciding_versions
from facewitness.wording import FEW_VIDEOS, few_words

SCHEMA_VERSION: Final = "1.0"
HISTOGRAM_BINS: Final = 25
_CURVE_POINTS: Final = 400
_HEADLINE: Final = (
    *("auc", "auc_low", "auc_high", "ap", "eer", "fpr_on_real", "n_real", "n_fake", "not_scored", "acc", "bacc"),
    *("tpr", "tpr_at_fpr_1", "tpr_at_fpr_5", "threshold", "ece"),
)

Document = dict[str, Any]


def evaluation_document(
    data: ScoredData,
    protocol: EvaluationProtocol,
    detector: CropDetector,
    rule: ScoringRule,
    *,
    point: OperatingPoint | None = None,
    compat: Sequence[str] = (),
) -> Document:
    """Turn scored data into the document; JSON types only, None where a number is not defined.

    Args:
        data: Scores and features.
        protocol: How they become numbers.
        detector: What scored them.
        rule: How faces were scored.
        point: Operating point that the protocol's threshold stems from.
        compat: Projects whose numbers are wanted beside ours, of `compat.COMPAT`.

    Raises:
        ConfigError: If nothing of one label was scored, or a rule does not fit the scores.
        UnknownNameError: If a project is not known.
    """
    result = evaluate_scores(data.table, protocol)
    frames, videos = level_scores(data.table, protocol)
    leading = videos if protocol.level == "video" else frames
    headline = _level_dict(result.headline.to_dict())
    low, high = wilson_interval(headline["fpr_on_real"], headline["n_real"])
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: headline[name] for name in _HEADLINE},
        "fpr_on_real_low": round(low, 6),
        "fpr_on_real_high": round(high, 6),
        "reasons": headline["reasons"],
        "few": _few(result),
        "operating_point": None if point is None else plain(asdict(point)),
        "controls": [_control(one) for one in _controls(data, videos, result, protocol)],
        "result": _result(result),
        "by_compression": _by_compression(videos, protocol),
        "localisation": over_records(data.localisation.values()),
        "compat": [compat_report(data.table, name, protocol).to_dict() for name in compat],
        "curves": curves(leading),
        "data": [_source(source) for source in data.sources],
        "protocol": _protocol(protocol, detector, rule),
    }


def summary(document: Document) -> Document:
    """The document without what only drawings need: what ``--json`` prints."""
    bulky = ("curves", "result")
    return {name: value for name, value in document.items() if name not in bulky}


def group_reasons(reasons: Mapping[str, int]) -> dict[str, int]:
    """Reasons for missing scores by kind, details apart.

    Example:
        >>> group_reasons({"face too small: 20 px": 1, "face too small: 25 px": 2, "no face": 1})
        {'face too small': 3, 'no face': 1}
    """
    counts: Counter[str] = Counter()
    for reason, count in reasons.items():
        counts[reason.partition(":")[0]] += count
    return dict(counts.most_common())


def curves(entries: LevelScores) -> Document:
    """ROC, precision and recall, reliability and histograms of one level, as lists of numbers.

    Args:
        entries: Scores with both labels.
    """
    scores, labels = entries.scores, entries.labels
    roc = roc_curve(scores, labels)
    fakes, reals = int(labels.sum()), int((labels == 0).sum())
    caught, alarms = roc.true_positive_rate[1:] * fakes, roc.false_positive_rate[1:] * reals
    low, high = (0.0, 1.0) if entries.are_probabilities else (float(scores.min()), float(scores.max()))
    edges = np.linspace(low, high if high > low else low + 1.0, HISTOGRAM_BINS + 1)
    return {
        "level": entries.level,
        "roc": _thinned(roc.false_positive_rate, roc.true_positive_rate),
        "pr": _thinned(roc.true_positive_rate[1:], caught / (caught + alarms)),
        "reliability": _reliability(entries),
        "histogram": {
            "edges": [round(float(edge), 6) for edge in edges],
            "real": np.histogram(scores[labels == 0], edges)[0].tolist(),
            "fake": np.histogram(scores[labels == 1], edges)[0].tolist(),
        },
    }


def _reliability(entries: LevelScores) -> list[Document]:
    if not entries.are_probabilities:
        return []
    return [plain(asdict(row)) for row in reliability_table(entries.scores, entries.labels) if row.count]


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    """Points of a curve, corners kept: the ends, and evenly along its length what is drawn anyway."""
    walked = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, walked[-1], _CURVE_POINTS)
    kept = np.unique(np.searchsorted(walked, wanted - 1e-12)) if len(x) > _CURVE_POINTS else np.arange(len(x))
    return [[round(float(x[i]), 5), round(float(y[i]), 5)] for i in kept]


def _level_dict(values: Document) -> Document:
    """The numbers of a level, its reasons by kind."""
    return {**values, "reasons": group_reasons(values["reasons"])}


def _result(result: EvaluationResult) -> Document:
    values = result.to_dict()
    del values["protocol"]
    for level in ("frame", "video"):
        values[level] = _level_dict(values[level])
    values["datasets"] = {name: _level_dict(rows) for name, rows in values["datasets"].items()}
    return values


def _few(result: EvaluationResult) -> str:
    """Where intervals mean little: everywhere, or in some manipulations alone; empty where they are all right."""
    whole = few_words(result.video.n_real, result.video.n_fake)
    small = [row.name for row in result.by_manipulation if few_words(row.n_real, row.n_fake)]
    if whole or not small:
        return whole
    return f"fewer than {FEW_VIDEOS} videos of a label, so that the interval means little: {', '.join(small)}"


def _by_compression(videos: LevelScores, protocol: EvaluationProtocol) -> list[Document]:
    """Numbers of videos per compression, where there is more than one."""
    names = [name for name in dict.fromkeys(videos.rows.compression.tolist()) if name]
    if len(set(videos.rows.compression.tolist())) < 2:
        return []
    rows = []
    for name in sorted(names):
        part = videos.select(videos.rows.compression == name)
        if len(np.unique(part.labels)) == 2:
            rows.append({"name": name, **_level_dict(level_result(part, protocol).to_dict())})
    return rows


def _controls(
    data: ScoredData, videos: LevelScores, result: EvaluationResult, protocol: EvaluationProtocol
) -> Iterable[ControlResult]:
    return measure_controls(
        [data.features.get((key[0], key[1])) for key in videos.keys],
        videos.labels,
        ["/".join(group) for group in videos.groups],
        detector_auc=result.video.auc.value,
        rng=protocol.rng(),
        resamples=protocol.resamples,
    )


def _control(control: ControlResult) -> Document:
    auc = None if control.auc is None else plain(asdict(control.auc))
    return {**asdict(control), "auc": auc, "rule": CONTROL_RULES[control.name]}


def _source(source: Any) -> Document:
    labels = Counter(record.label for record in source.records)
    return {
        "spec": source.spec,
        "dataset": ", ".join(dict.fromkeys(record.dataset for record in source.records)),
        "real": labels[Label.REAL],
        "fake": labels[Label.FAKE],
        "list_sha256": source.list_sha256,
        "prepared": source.fingerprint,
        "missing": source.missing.count,
        "missing_first": list(source.missing.first),
    }


def _protocol(protocol: EvaluationProtocol, detector: CropDetector, rule: ScoringRule) -> Document:
    facts = detector_facts(detector)
    return {
        **facts,
        "calibration": facts["calibration"] or "as the detector says",
        "device": detector.device,
        "crop": detector.crop.words,
        "sampling": f"up to {rule.frames} frames of a video, uniform over its length",
        "min_face_px": rule.min_face_px,
        "max_faces": rule.max_faces,
        **protocol.to_dict(),
        "localisation": LOCALISATION_RULE,
        "intervals": "AUC: bootstrap over identities, or videos where none is known; rates on reals: 95 % Wilson",
        "list_hash": "SHA-256 over the sorted lines video_id<TAB>label of each data spec",
        "versions": dict(deciding_versions()),
    }
