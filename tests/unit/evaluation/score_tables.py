"""Score tables for tests of protocols."""

import numpy as np

from facewitness.evaluation.score_table import ScoreTable

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
NAN = float("nan")


def forensics(*, videos=140, frames=6, seed=0, shift=0.95, spread=0.8, unseen=()):
    """FF++ as DeepfakeBench lists it: reals ``000``, and fakes ``000_003`` of the same name under four methods.

    Methods in ``unseen`` score as reals do.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(videos):
        pair = f"{i:03d}_{(i * 7 + 1) % videos:03d}"
        for method in ("", *METHODS):
            folder = pair if method else f"{i:03d}"
            level = rng.normal(shift if method and method not in unseen else -shift / 2, spread)
            for frame in range(frames):
                logit = level + rng.normal(0, 0.2)
                rows.append(
                    {
                        "video_id": f"{method or 'original'}/c23/{folder}",
                        "dataset": "FF++",
                        "label": int(bool(method)),
                        "manipulation": method,
                        "compression": "c23",
                        "identity": f"{i:03d}",
                        "path": f"{method or 'original'}/c23/frames/{folder}/{frame:04d}.png",
                        "frame_index": frame,
                        "score": 1 / (1 + np.exp(-logit)),
                        "logit": logit,
                        "score_flipped": 1 / (1 + np.exp(-logit - 0.1)),
                    }
                )
    return ScoreTable.from_rows(rows)


def small(rows, **extra):
    """A table of ``(video_id, label, score)``; None is a frame without a face."""
    return ScoreTable.from_rows(
        {"video_id": v, "label": y, "score": s, "frame_index": i, "not_scored": "" if s is not None else "no face"}
        | {"path": f"{v}/{i}.png"}
        | extra
        for i, (v, y, s) in enumerate(rows)
    )
