"""The latency of a device that was measured a little: prediction, bound and probes, on devices that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import Matern

from nagevo.foundation import frontier
from nagevo.foundation.errors import DataError
from nagevo.learn import device_process
from nagevo.learn.device_process import (
    PRIORS,
    Basis,
    DeviceProcesses,
    Prior,
    learned_shares,
    log_evidence,
    posterior,
    relative_covariance,
)
from nagevo.learn.fitting import fit_latency
from nagevo.learn.probes import _Design, probe_order
from nagevo.learn.storage import load_surrogates, save_surrogates
from nagevo.learn.transfer import AdaptedLatency, MetaTrainingSet, adapt_latency

N, N_FEATURES, N_KNOWN = 120, 8, 5


class Family:
    """Devices whose latencies are sums over binary features, 1 % of noise on top."""

    def __init__(self, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.features = self.rng.integers(0, 2, (N, N_FEATURES)).astype(float)
        self.common = self.rng.random(N_FEATURES)
        self.known_ms = np.array([self.device() for _ in range(N_KNOWN)])
        self.described = np.column_stack([self.features, *np.log(self.known_ms)])
        self.accuracy = self.features.sum(axis=1) + self.rng.random(N)

    def device(self) -> np.ndarray:
        costs = self.common + 0.3 * self.rng.random(N_FEATURES)
        speed = np.exp(self.rng.normal())
        return speed * (0.5 + self.features @ costs) * np.exp(0.01 * self.rng.normal(size=N))

    def training_set(self, n: int = 10) -> MetaTrainingSet:
        order = probe_order(self.described, self.known_ms, self.accuracy, n)
        return MetaTrainingSet(self.described, self.known_ms, self.accuracy, order, N_KNOWN)


@pytest.fixture(scope="module")
def family() -> Family:
    return Family()


def adapted_to(family: Family, latency_ms: np.ndarray, n: int) -> AdaptedLatency:
    training = family.training_set(n)
    return adapt_latency(family.described[training.order], latency_ms[training.order], training)


def test_ten_probes_tell_the_latency_of_a_relative_of_known_devices(family):
    latency_ms = 1000.0 * family.device()
    predicted = adapted_to(family, latency_ms, 10).predict(family.described)
    assert np.median(np.abs(predicted / latency_ms - 1)) < 0.03  # speed alone: 7 % off in the median


@pytest.mark.slow
def test_more_probes_make_errors_smaller(family):
    errors = []
    for n in (3, 10, 40):
        new = [family.device() for _ in range(8)]
        predicted = [adapted_to(family, latency_ms, n).predict(family.described) for latency_ms in new]
        errors.append(np.mean(np.abs(np.log(np.array(predicted) / np.array(new)))))
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.slow
def test_the_bound_holds_as_often_as_it_says(family):
    held = []
    for _ in range(30):
        latency_ms = family.device()
        bounds = [adapted_to(family, latency_ms, 10).bound(family.described, c) for c in (0.5, 0.8)]
        assert (bounds[0] <= bounds[1]).all()
        held.append([(latency_ms <= bound).mean() for bound in bounds])
    assert np.abs(np.mean(held, axis=0) - [0.5, 0.8]).max() < 0.12  # calibrated on five devices


def test_probes_that_contradict_what_is_known_of_devices_widen_the_bound(family):
    latency_ms = family.device()
    strange = latency_ms * np.exp(0.3 * np.random.default_rng(1).normal(size=N))
    plain, wide = (adapted_to(family, values, 20) for values in (latency_ms, strange))
    assert wide.error_scale > 2 * plain.error_scale
    ratios = [fitted.bound(family.described, 0.8) / fitted.predict(family.described) for fitted in (plain, wide)]
    assert ratios[1].mean() > ratios[0].mean()


def test_so_many_devices_support_no_higher_confidence_than_their_rank(family):
    assert adapted_to(family, family.device(), 10).highest_confidence == N_KNOWN / (N_KNOWN + 1)


def test_one_known_device_is_enough_to_adapt_from(family):
    described = family.described[:, : N_FEATURES + 1]
    made_up = family.known_ms[1:3]
    order = probe_order(described, family.known_ms[:1], family.accuracy, 10)
    latencies = np.concatenate([family.known_ms[:1], made_up])
    adapted = adapt_latency(
        described[order],
        family.known_ms[3, order],
        MetaTrainingSet(described, latencies, family.accuracy, order, 1),
    )
    assert adapted.n_devices == 2
    assert np.median(np.abs(adapted.predict(described) / family.known_ms[3] - 1)) < 0.1


def test_one_measurement_is_refused(family):
    with pytest.raises(DataError, match="at least 2 latencies"):
        adapt_latency(family.described[:1], np.ones(1), family.training_set(2))


def test_what_was_adapted_reads_back_the_same(family, tmp_path):
    adapted = adapted_to(family, family.device(), 10)
    save_surrogates(tmp_path / "device.safetensors", {"device": adapted})
    loaded = load_surrogates(tmp_path / "device.safetensors")["device"]
    np.testing.assert_array_equal(loaded.bound(family.described, 0.7), adapted.bound(family.described, 0.7))
    np.testing.assert_array_equal(loaded.left_out, adapted.left_out)
    assert loaded.highest_confidence == adapted.highest_confidence


def test_the_first_probes_do_not_depend_on_how_many_are_asked_for(family):
    asked = (family.described, family.known_ms, family.accuracy)
    ten = probe_order(*asked, 10).tolist()
    assert len(set(ten)) == 10
    assert probe_order(*asked, 4).tolist() == ten[:4]
    assert probe_order(*asked, 3, first=ten[:7]).tolist() == ten[7:]


def test_probes_are_where_a_known_latency_makes_answers_better(family):
    """Answers on an unseen relative from the probed rows alone, whose latencies are exact then."""
    latency_ms = family.device()
    chosen = probe_order(family.described, family.known_ms, family.accuracy, 10)
    scattered = np.random.default_rng(0).permutation(N)[:10]
    true = np.column_stack([100 - family.accuracy, latency_ms])
    budgets = frontier.budgets(true)
    regrets = []
    for probes in (chosen, scattered):
        place = frontier.best_under(latency_ms[probes], family.accuracy[probes], budgets)
        answers = np.where(place[:, None] < 0, np.nan, true[probes[place]])
        regrets.append(frontier.regret(answers, budgets, true).mean())
    assert regrets[0] < 0.5 * regrets[1]


def test_devices_on_which_everything_failed_leave_the_choice_to_the_others(family):
    failed = np.array([*family.known_ms[:-1], np.full(N, np.nan)])
    assert len(set(probe_order(family.described, failed, family.accuracy, 6).tolist())) == 6
    nothing = np.full((N_KNOWN, N), np.nan)
    assert len(set(probe_order(family.described, nothing, family.accuracy, 6).tolist())) == 6


def test_architectures_are_described_by_latencies_relative_to_the_mean():
    # One feature, two devices that take (1, 3) and (10, 10) ms: relative to their means (0.5, 1.5) and (1, 1).
    described = np.column_stack([[0.0, 1.0], np.log([1.0, 3.0]), np.log([10.0, 10.0])])
    bases = Basis.of(described, 2).scaled(described).bases()
    np.testing.assert_allclose(bases, [[0.75, 1.25], [0.5, 1.5], [1.0, 1.0], [1.0, 1.0]])  # mean, each device, constant


def test_the_evidence_of_a_base_and_a_prior_is_that_of_scipy(family, monkeypatch):
    """A normal distribution of the relative latencies, in the density of their logarithms."""
    monkeypatch.setattr(device_process, "ENTRIES_AT_ONCE", 10 * 6**2)  # ten priors at a time
    basis, latency_ms = Basis.of(family.described, N_KNOWN), family.device()[:6]
    evidence = log_evidence(basis, family.described[:6], latency_ms)
    assert evidence.shape == (N_KNOWN + 2, len(PRIORS))
    features = basis.scaled(family.described[:6]).features
    known = (family.known_ms / family.known_ms.mean(axis=1, keepdims=True)).T[:6]
    smooth = 0.05**2 * Matern(2.0, nu=2.5)(features)
    for base, on_base in ((0, known.mean(axis=1)), (3, known[:, 2]), (N_KNOWN + 1, np.ones(6))):
        deviations = known - on_base[:, None]
        relative = latency_ms / np.exp(np.log(latency_ms / on_base).mean())
        for number in (0, 37, 127):
            devices, of_features, overhead, noise = PRIORS[number]
            covariance = devices**2 * deviations @ deviations.T + of_features**2 * features @ features.T + smooth
            covariance += overhead**2 + np.diag((noise * relative) ** 2)
            expected = multivariate_normal(on_base, covariance).logpdf(relative) + np.log(relative).sum()
            assert evidence[base, number] + 3 * np.log(1 / (2 * np.pi)) == pytest.approx(expected)


def test_many_probes_are_judged_by_some_that_are_spread_over_all(family, monkeypatch):
    basis, latency_ms = Basis.of(family.described, N_KNOWN), family.device()
    monkeypatch.setattr(device_process, "EVIDENCE_PROBES", 3)
    some = log_evidence(basis, family.described[:5], latency_ms[:5])
    np.testing.assert_array_equal(some, log_evidence(basis, family.described[:5:2], latency_ms[:5:2]))


def test_a_device_that_is_a_known_one_at_another_speed_is_predicted_from_it():
    """Known latencies that have nothing to do with features or with each other; ten probes with 1 % of noise."""
    rng = np.random.default_rng(0)
    known_ms = np.exp(rng.normal(size=(4, N)))
    described = np.column_stack([rng.random((N, 3)), *np.log(known_ms)])
    latency_ms = 7.0 * known_ms[2] * np.exp(0.01 * rng.normal(size=N))
    basis, probes = Basis.of(described, 4), (described[:10], latency_ms[:10])
    equal = np.full((3, len(PRIORS)), 1 / (3 * len(PRIORS)))
    process = DeviceProcesses.of(basis, *probes, posterior(log_evidence(basis, *probes), equal))
    assert process.share[process.base == 3].sum() > 0.9
    assert np.median(np.abs(process.predict(described)[0] / latency_ms - 1)) < 0.02


def test_shares_are_learned_from_the_bases_that_devices_follow():
    evidence = np.full((4, len(PRIORS)), -100.0)
    evidence[1, 5] = 0.0  # the first of two known devices, the sixth prior
    shares = learned_shares([evidence] * 30)
    assert shares.shape == (3, len(PRIORS))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[1, 5] == pytest.approx(30 / 40, abs=0.01)  # 30 devices beside a prior of 10
    probability = posterior(np.zeros((4, len(PRIORS))), shares)
    assert probability.sum() == pytest.approx(1.0)
    assert probability[1, 5] == probability[2, 5] == pytest.approx(shares[1, 5] / 2)


def test_half_of_the_logarithm_of_the_evidence_counts():
    evidence = np.zeros((3, len(PRIORS)))
    evidence[0] = np.log(9.0)
    probability = posterior(evidence, np.full((3, len(PRIORS)), 1 / (3 * len(PRIORS))))
    assert probability.sum(axis=1) == pytest.approx([0.6, 0.2, 0.2])


def only(base: int, prior: int, share: float = 1.0) -> np.ndarray:
    probability = np.zeros((N_KNOWN + 2, len(PRIORS)))
    probability[base, prior] = share
    return probability


def test_a_left_out_probe_is_predicted_as_by_the_others(family):
    """One process: its mean and deviation at a probe without that probe, at the same speed."""
    basis, latency_ms = Basis.of(family.described, N_KNOWN), family.device()[:8]
    process = DeviceProcesses.of(basis, family.described[:8], latency_ms, only(0, 100))
    covariance = np.linalg.inv(process.whitener[0].T @ process.whitener[0])
    relative = latency_ms / process.speed_ms[0]
    on_base = process.relative.mean(axis=1)
    rest = np.arange(1, 8)
    weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, 0])
    mean = on_base[0] + weights @ (relative - on_base)[rest]
    variance = covariance[0, 0] - weights @ covariance[rest, 0]
    predicted, std = process.left_out(latency_ms)
    assert predicted[0] == pytest.approx(process.speed_ms[0] * mean)
    assert std[0] == pytest.approx(np.sqrt(np.log1p(variance / mean**2)))


def test_a_prediction_is_the_conditional_normal_distribution(family):
    basis, latency_ms = Basis.of(family.described, N_KNOWN), family.device()[:8]
    process = DeviceProcesses.of(basis, family.described[:8], latency_ms, only(0, 37))
    prior = Prior(*PRIORS[37])
    mean, covariance = relative_covariance(basis, family.described, prior)
    covariance = covariance - np.outer(mean, mean)  # here the speed is known
    relative = latency_ms / process.speed_ms[0]
    of_probes = covariance[:8, :8] + np.diag((prior.noise * relative) ** 2)
    weights = np.linalg.solve(of_probes, covariance[:8])
    expected = mean + weights.T @ (relative - mean[:8])
    variance = np.diag(covariance) - (weights * covariance[:8]).sum(axis=0)
    predicted, std = process.predict(family.described)
    np.testing.assert_allclose(predicted, process.speed_ms[0] * expected)
    np.testing.assert_allclose(std**2, np.log1p(variance / expected**2 + prior.noise**2), atol=1e-9)


def test_processes_that_differ_make_the_average_uncertain(family):
    """The variance of logarithms is that within the processes and that between them: half the difference, squared."""
    basis, latency_ms = Basis.of(family.described, N_KNOWN), family.device()[:4]
    parts = [only(1, 100), only(N_KNOWN + 1, 100)]
    probes = family.described[:4], latency_ms
    (first, first_std), (second, second_std) = (
        DeviceProcesses.of(basis, *probes, part).predict(family.described) for part in parts
    )
    predicted, std = DeviceProcesses.of(basis, *probes, 0.5 * (parts[0] + parts[1])).predict(family.described)
    np.testing.assert_allclose(predicted, np.sqrt(first * second))
    between = (np.log(first / second) / 2) ** 2
    np.testing.assert_allclose(std**2, (first_std**2 + second_std**2) / 2 + between)


def test_improbable_processes_are_left_out(family):
    probability = only(0, 3, 0.5) + only(2, 7, 0.45) + only(3, 9, 0.05)
    process = DeviceProcesses.of(Basis.of(family.described, N_KNOWN), family.described[:4], np.ones(4), probability)
    assert process.base.tolist() == [0, 2]
    assert process.share == pytest.approx([0.5 / 0.95, 0.45 / 0.95])


def test_a_known_device_on_which_most_probes_failed_tells_nothing(family):
    training = family.training_set(3)
    latency_ms = training.latency_ms.copy()
    latency_ms[2, training.order[1:]] = np.nan
    held_out = replace(training, latency_ms=latency_ms).held_out(3)
    assert len(held_out) == N_KNOWN - 1


def test_two_evaluated_architectures_are_enough_to_adapt_from(family):
    """Each held-out device has one probe then: half of them, so that the others tell how large errors are."""
    training = family.training_set(1)
    assert adapt_latency(family.described[:2], family.known_ms[0, :2], training).n_devices == N_KNOWN


def test_a_probe_explains_what_goes_along_with_it():
    design = _Design(np.array([1.0, 2.0]), np.array([[1.0, 1.0], [1.0, 4.0]]), np.array([1.0, 0.0]), 2.0)
    # relative covariances (1, 0.5; 0.5, 1): (1 + 0.25) of a relative variance of 2 with noise 1, and without noise
    assert design.gain() == pytest.approx([1.25 / 2 / 2, 1.25 / 2])
    np.testing.assert_allclose(design.measured(1).covariance, [[0.75, 0.0], [0.0, 0.0]])


def test_a_fitted_architecture_is_unseen_by_the_model_of_its_own_fold():
    rng = np.random.default_rng(0)
    features = rng.random((40, 4)).astype(np.float32)
    latency_ms = 1 + features.sum(axis=1) + 0.2 * rng.random(40)
    surrogate = fit_latency(features[:30], latency_ms[:30])
    unseen = surrogate.predict_unseen(features[::-1])[::-1]
    np.testing.assert_array_equal(unseen[:30], surrogate.left_out[1])
    np.testing.assert_allclose(unseen[30:], surrogate.predict(features[30:]))
