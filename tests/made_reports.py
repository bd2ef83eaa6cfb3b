"""SYNTHETIC reports for tests: the faces, scores and heatmaps are made up, no detector has seen anything.

The only real thing is the portrait of Eileen Collins (NASA, public domain) that scikit-image carries.
"""

import numpy as np

from facewitness.records import (
    Explanation,
    FaceObservation,
    FaceTrack,
    Finding,
    Heatmap,
    MediaInfo,
    OperatingPoint,
    Protocol,
    RegionStrength,
    Report,
    Timeline,
    Verdict,
    VerdictLabel,
)

POINT = OperatingPoint(0.62, 0.05, "held-out validation faces", 0.3)
ASTRONAUT_BOX = np.array([178, 62, 270, 182], np.float32)


def astronaut():
    from skimage.data import astronaut as load

    return load()


def made_landmarks(box):
    """68 points of a schematic face in iBUG order, fitted into ``box``."""
    arc = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.5 * np.cos(arc), 0.35 + 0.65 * np.sin(arc)], 1)

    def line(x0, x1, y, n):
        return np.stack([np.linspace(x0, x1, n), np.full(n, y)], 1)

    def ring(x, y, rx, ry, n):
        t = np.linspace(np.pi, 3 * np.pi, n, endpoint=False)
        return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], 1)

    parts = [
        jaw,
        line(0.12, 0.42, 0.22, 5),
        line(0.58, 0.88, 0.22, 5),
        np.stack([np.full(4, 0.5), np.linspace(0.33, 0.55, 4)], 1),
        line(0.4, 0.6, 0.6, 5),
        ring(0.29, 0.35, 0.09, 0.04, 6),
        ring(0.71, 0.35, 0.09, 0.04, 6),
        ring(0.5, 0.77, 0.18, 0.07, 12),
        ring(0.5, 0.77, 0.12, 0.02, 8),
    ]
    unit = np.concatenate(parts).astype(np.float32)
    size = np.array([box[2] - box[0], box[3] - box[1]], np.float32)
    return unit * size + np.asarray(box[:2], np.float32)


def made_heatmap(box, *, side=56, crop_size=224, frame_index=0):
    """A ring of heat round the mouth and the jaw, in a crop of 1.25 times the box."""
    grid_y, grid_x = np.mgrid[0:side, 0:side].astype(np.float32) / (side - 1)
    distance = np.hypot((grid_x - 0.5) / 1.15, grid_y - 0.64)
    values = 0.95 * np.exp(-((distance - 0.14) ** 2) / 0.004) + 0.08 * np.exp(-((grid_y - 0.3) ** 2) / 0.01)
    extent = 1.25 * max(box[2] - box[0], box[3] - box[1])
    scale = extent / crop_size
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    matrix = np.array([[scale, 0, centre[0] - extent / 2], [0, scale, centre[1] - extent / 2]], np.float32)
    return Heatmap(values.astype(np.float32).clip(0, 1), matrix, crop_size, frame_index)


REGIONS = (
    RegionStrength("mouth", 0.71, 0.44),
    RegionStrength("jaw", 0.48, 0.27),
    RegionStrength("left_cheek", 0.23, 0.12),
    RegionStrength("right_cheek", 0.19, 0.09),
    RegionStrength("nose", 0.12, 0.05),
    RegionStrength("left_eye", 0.03, 0.01),
    RegionStrength("right_eye", 0.02, 0.01),
    RegionStrength("forehead", 0.02, 0.01),
)


def label_for(score):
    if score >= POINT.threshold:
        return VerdictLabel.FAKE
    return VerdictLabel.REAL if score < POINT.lower_threshold else VerdictLabel.UNCERTAIN


def made_verdict(score, reason=""):
    label = label_for(score)
    words = {
        VerdictLabel.FAKE: f"The score {score:.2f} is at or above the threshold 0.62.",
        VerdictLabel.REAL: f"No trace found: the score {score:.2f} is below 0.30.",
    }.get(label, f"The score {score:.2f} lies between 0.30 and 0.62.")
    return Verdict(label, score, reason or words, POINT)


def made_explanation(score):
    return Explanation(
        text=(
            f"SYNTHETIC explanation for a score of {score:.2f}. The heatmap is strongest on the mouth. "
            "This is a statistical judgement, not proof."
        ),
        source="template",
        supports=("The score is at or above the line.", "The heatmap fires on the mouth: mean heat 0.71 of 1."),
        against=("The face is small: about 92 pixels across, so little detail is left.",),
    )


def made_face(score=0.93, box=ASTRONAUT_BOX, track_id=1, *, frames=1, fired="blended", gap=(), explain=True):
    """One face; with ``frames`` > 1 a track with a timeline in which the indices in ``gap`` have no score."""
    rng = np.random.default_rng(track_id)
    box = np.asarray(box, np.float32)
    times = tuple(round(i * 10 / max(1, frames - 1), 3) for i in range(frames))
    scores = [float(np.clip(score + rng.normal(0, 0.06), 0.001, 0.999)) for _ in range(frames)]
    scores = tuple(float("nan") if i in gap else (score if frames == 1 else s) for i, s in enumerate(scores))
    key = frames // 2
    observations = tuple(
        FaceObservation(i * 10, times[i], box, made_landmarks(box), 0.98, None if i in gap else scores[i])
        for i in range(frames)
    )
    finding = Finding(
        "laa_net_lite",
        score,
        True,
        experts={"blended": score, "synthetic": round(score / 4, 3)},
        fired=fired if score >= POINT.threshold else "",
        heatmap=made_heatmap(box, frame_index=key * 10),
        regions=REGIONS if score > 0.3 else tuple(RegionStrength(r.name, r.strength / 5, r.share) for r in REGIONS),
        explanation=made_explanation(score) if explain else None,
        timeline=Timeline(times, scores) if frames > 1 else None,
        stability={"jpeg_q75": max(0.0, score - 0.04)},
    )
    return FaceTrack(track_id, observations, (finding,), made_verdict(score))


def made_report(score=0.93, *, path="portrait.jpg", faces=None, kind="image", warnings=(), size=(512, 512)):
    faces = (made_face(score),) if faces is None else tuple(faces)
    video = {"fps": 29.97, "duration_s": 10.0, "has_audio": True} if kind == "video" else {}
    return Report(
        media=MediaInfo(
            path, kind, "c0ffee" * 10 + "abcd", 48_211, *size, "mov,mp4" if kind == "video" else "JPEG", **video
        ),
        verdict=made_verdict(score) if faces else Verdict(VerdictLabel.NOT_SCORED, None, "No face was found."),
        faces=faces,
        protocol=Protocol(
            detector="laa_net_lite",
            mode="lite",
            weights="laa_net_lite.onnx",
            weights_sha256="5eed" * 16,
            frames=1 if kind == "image" else 32,
            sampling="one picture" if kind == "image" else "uniform n=32",
            crop="square, 1.25 times the mesh box, 224 px, shifted inside the frame",
            pooling="mean of the frames; the highest face decides the file",
            missing_face_rule="frames without a face are left out",
            versions={"facewitness": "0.1.0", "numpy": "2.3.0", "openvino": "2025.3"},
        ),
        timings_s={"decode": 0.012, "faces": 0.021, "detector": 0.034, "total": 0.067},
        warnings=tuple(warnings),
    )
