"""The spectrum against known signals, logistic regression against scikit-learn, folds that keep people together."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from facewitness.errors import ConfigError
from facewitness.evaluation.controls import (
    cross_validated_logits,
    fit_logistic,
    folds_by_id,
    radial_power_spectrum,
    spectrum_scores,
)
from facewitness.evaluation.metrics import roc_auc
from facewitness.jpeg import jpeg_again


def grey(values):
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("side", [48, 49])
@pytest.mark.parametrize("cycles", [3, 11, 20])
def test_a_wave_peaks_at_its_frequency(side, cycles):
    x = np.arange(side) / side
    across = grey(128 + 90 * np.cos(2 * np.pi * cycles * x)[None, :].repeat(side, 0))
    spectra = radial_power_spectrum([across, across.transpose(1, 0, 2)])
    assert spectra.shape == (2, side // 2)
    assert spectra.argmax(axis=1).tolist() == [cycles - 1] * 2
    np.testing.assert_allclose(spectra[0], spectra[1], atol=1e-4)  # turning changes nothing


def test_noise_is_flat_at_its_variance():
    rng = np.random.default_rng(0)
    noise = [grey(rng.normal(128, 12, (96, 96))) for _ in range(20)]
    mean = np.exp(radial_power_spectrum(noise).astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(mean[10:], 144, rtol=0.1)  # lower rings hold too few waves for a mean of logs


def test_half_spectrum_equals_the_whole_one():
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    hann = np.hanning(33)[:-1]
    luma = np.rint(picture @ [0.299, 0.587, 0.114])
    power = np.abs(np.fft.fft2((luma - luma.mean()) * np.outer(hann, hann))) ** 2 / 32**2 / (hann**2).mean() ** 2
    frequency = np.fft.fftfreq(32, 1 / 32)
    radius = np.rint(np.hypot(frequency[:, None], frequency[None]))
    expected = [np.log(power[radius == k].mean()) for k in range(1, 17)]
    np.testing.assert_allclose(radial_power_spectrum([picture])[0], expected, atol=0.02)


def test_spectrum_refuses_other_shapes():
    for crops in ([], [np.zeros((16, 18, 3), np.uint8)], [np.zeros((n, n, 3), np.uint8) for n in (16, 18)]):
        with pytest.raises(ConfigError, match="one size"):
            radial_power_spectrum(crops)


@pytest.mark.parametrize("l2", [0.1, 1.0, 30.0])
def test_logistic_equals_sklearn(l2):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 300)
    features = rng.normal(size=(300, 6)) * [1, 10, 0.1, 1, 1, 0] + labels[:, None] * [1, 2, 0, 0, 0.5, 0] + 7
    scaled = StandardScaler().fit(features)
    oracle = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=10_000).fit(scaled.transform(features), labels)
    model = fit_logistic(features, labels, l2=l2)
    np.testing.assert_allclose(
        model.logits(features), oracle.decision_function(scaled.transform(features)), atol=2e-4, rtol=2e-4
    )


def test_separable_features_stay_finite():
    model = fit_logistic([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1], l2=1e-3)
    assert np.isfinite(model.weights).all()
    assert model.logits([[0.0], [11.0]])[0] < -3
    with pytest.raises(ConfigError, match="l2"):
        fit_logistic([[0.0], [1.0]], [0, 1], l2=0.0)
    with pytest.raises(ConfigError, match="finite"):
        fit_logistic([[np.nan], [1.0]], [0, 1])
    with pytest.raises(ConfigError, match="both classes"):
        fit_logistic([[0.0], [1.0]], [1, 1])


def test_folds_keep_ids_together_and_are_even():
    ids = [f"p{i // 3}" for i in range(60)]
    folds = folds_by_id(ids, 5, np.random.default_rng(0))
    assert all(len(set(folds[i : i + 3])) == 1 for i in range(0, 60, 3))
    assert np.bincount(folds).tolist() == [12] * 5
    assert (folds == folds_by_id(ids, 5, np.random.default_rng(0))).all()
    with pytest.raises(ConfigError, match="as many ids"):
        folds_by_id(["a", "b"], 5, np.random.default_rng(0))


def test_remembered_people_do_not_help():
    """Labels at random per person, features that name the person: chance by identity, near perfect by item."""
    by_person, by_item = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        people = np.repeat(np.arange(60), 4)
        labels = rng.integers(0, 2, 60)[people]
        features = rng.normal(size=(60, 40))[people] + 0.05 * rng.normal(size=(240, 40))
        for found, names in ((by_person, people), (by_item, range(240))):
            logits = cross_validated_logits(features, labels, [str(n) for n in names], rng=np.random.default_rng(0))
            found.append(roc_auc(logits, labels))
    assert np.mean(by_person) == pytest.approx(0.5, abs=0.12)
    assert np.mean(by_item) > 0.9
    with pytest.raises(ConfigError, match="one length"):
        cross_validated_logits(features, labels, ["a"], rng=np.random.default_rng(0))


def test_spectrum_tells_codings_apart_and_nothing_else():
    rng = np.random.default_rng(4)
    pictures = []
    for _ in range(160):
        coarse = rng.normal(128, 40, (16, 16)).repeat(4, 0).repeat(4, 1)
        pictures.append(grey(coarse + rng.normal(0, 10, (64, 64))))
    labels = np.arange(160) % 2
    ids = [str(i) for i in range(160)]
    leaking = [jpeg_again(p, 95 if label else 30) for p, label in zip(pictures, labels, strict=True)]
    assert roc_auc(spectrum_scores(leaking, labels, ids, rng=np.random.default_rng(0)), labels) > 0.95
    alike = [jpeg_again(p, 30) for p in pictures]
    assert roc_auc(spectrum_scores(alike, labels, ids, rng=np.random.default_rng(0)), labels) < 0.7
