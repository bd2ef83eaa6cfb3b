"""Metrics: pure numpy; scores are higher for fake, labels are 0 real and 1 fake."""

from facewitness.evaluation.metrics.decisions import (
    MetricSummary,
    Rates,
    accuracy,
    macro_recall,
    mean_f1,
    rates,
    summarise,
)
from facewitness.evaluation.metrics.grouping import Interval, VideoScores, bootstrap_interval, video_scores
from facewitness.evaluation.metrics.ranking import (
    RocCurve,
    average_precision,
    equal_error_rate,
    roc_auc,
    roc_curve,
    threshold_at_fpr,
    tpr_at_fpr,
)

__all__ = [
    "Interval",
    "MetricSummary",
    "Rates",
    "RocCurve",
    "VideoScores",
    "accuracy",
    "average_precision",
    "bootstrap_interval",
    "equal_error_rate",
    "macro_recall",
    "mean_f1",
    "rates",
    "roc_auc",
    "roc_curve",
    "summarise",
    "threshold_at_fpr",
    "tpr_at_fpr",
    "video_scores",
]
