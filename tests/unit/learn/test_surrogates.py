"""Surrogates: what they predict, how sure they are, and how they are kept."""

import subprocess
import sys

import moocore
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from separable import SeparableSpace, accuracy, latency_ms
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from nagevo.foundation.errors import BundleError, DataError
from nagevo.learn import fitting, regression, trees
from nagevo.learn.conformal import Residuals, chosen_weights, near_frontier, weighted
from nagevo.learn.fitting import best_shares, fit_accuracy, fit_latency, make_folds
from nagevo.learn.storage import load_surrogates, save_surrogates
from nagevo.learn.surrogate import ErrorScale

SPACE = SeparableSpace()
CHOICES = SPACE.sample_distinct(80, rng=np.random.default_rng(0))
FEATURES = SPACE.features(CHOICES)
OTHERS = SPACE.features(SPACE.sample_distinct(100, rng=np.random.default_rng(1), exclude=CHOICES))
OTHER_CHOICES = SPACE.sample_distinct(100, rng=np.random.default_rng(1), exclude=CHOICES)


@pytest.fixture(scope="module")
def accuracy_surrogate():
    return fit_accuracy(FEATURES, accuracy(CHOICES))


@pytest.fixture(scope="module")
def latency_surrogate():
    return fit_latency(FEATURES, latency_ms(CHOICES), accuracy=accuracy(CHOICES))


def test_sums_over_the_choices_are_learned(accuracy_surrogate, latency_surrogate):
    assert np.abs(accuracy_surrogate.predict(OTHERS) - accuracy(OTHER_CHOICES)).mean() < 1.0  # of a range of 38
    assert np.abs(latency_surrogate.predict(OTHERS) / latency_ms(OTHER_CHOICES) - 1).mean() < 0.03


def test_a_mix_lies_between_its_members():
    noise = np.exp(np.random.default_rng(1).normal(scale=0.1, size=len(CHOICES)))
    fitted = fit_latency(FEATURES, latency_ms(CHOICES) * noise)
    mixed = fitted.predict(OTHERS)
    members = np.exp([member.predict(OTHERS) for member in fitted.members])
    assert members.shape == (3, len(OTHERS))
    assert (members.min(axis=0) <= mixed * (1 + 1e-9)).all()
    assert (mixed <= members.max(axis=0) * (1 + 1e-9)).all()


def test_noise_is_seen_and_what_is_known_is_less_uncertain_than_what_is_not():
    rng = np.random.default_rng(0)
    noisy = fit_accuracy(FEATURES, accuracy(CHOICES) + rng.normal(scale=2.0, size=len(CHOICES)))
    _, known = noisy.predict_with_std(FEATURES, noise=False)
    _, unknown = noisy.predict_with_std(OTHERS, noise=False)
    mean, with_noise = noisy.predict_with_std(OTHERS)
    assert known.mean() < unknown.mean() < with_noise.mean()
    covered = np.abs(accuracy(OTHER_CHOICES) + rng.normal(scale=2.0, size=len(OTHERS)) - mean) < 2 * with_noise
    assert covered.mean() > 0.85  # 0.954 were it exactly normal
    np.testing.assert_allclose(noisy.lower_bound(OTHERS), mean - with_noise)


def test_failed_measurements_are_left_out():
    values = accuracy(CHOICES)
    values[::4] = np.nan
    kept = np.isfinite(values)
    np.testing.assert_array_equal(
        fit_accuracy(FEATURES, values).predict(OTHERS), fit_accuracy(FEATURES[kept], values[kept]).predict(OTHERS)
    )


def test_too_few_measurements_are_refused_in_words():
    with pytest.raises(DataError, match="at least 2 accuracies, got 1"):
        fit_accuracy(FEATURES[:3], np.array([70.0, np.nan, np.nan]))


@pytest.mark.parametrize("n", [2, 3, 6])
def test_very_few_and_equal_measurements_are_enough_for_a_guess(n):
    assert fit_accuracy(FEATURES[:n], np.full(n, 70.0)).predict(OTHERS) == pytest.approx(70.0, abs=0.01)
    assert fit_latency(FEATURES[:n], np.full(n, 5.0)).predict(OTHERS) == pytest.approx(5.0, rel=0.01)


def test_the_cost_stays_bounded(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_MEASUREMENTS", 60)
    features = np.random.default_rng(0).integers(0, 2, size=(180, 4)).astype(np.float32)
    surrogate = fit_latency(features, 1.0 + features.sum(axis=1))
    assert len(surrogate.fitted) == 60


def test_the_error_scale_stretches_the_best_and_is_undone():
    scale, values = ErrorScale(75.0), np.array([10.0, 60.0, 69.0, 70.0])
    steps = np.diff(scale.transformed(values))
    assert steps[2] > 0.1 * steps[0]  # one point among the best against fifty among the worst
    np.testing.assert_allclose(scale.restored(scale.transformed(values)), values)


def test_the_process_agrees_with_scikit_learn():
    target = accuracy(CHOICES)
    fitted, _, _ = regression.fit_smooth(FEATURES, target, make_folds(len(target), 0))
    kernel = (
        ConstantKernel(fitted.process.kernel.linear[0]) * DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
        + ConstantKernel(fitted.process.kernel.variance) * Matern(fitted.process.kernel.lengths, nu=2.5)
        + WhiteKernel(fitted.noise)
    )
    independent = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
    independent.fit(fitted.scaled(FEATURES), (target - fitted.target_center) / fitted.target_spread)
    mean, std = independent.predict(fitted.scaled(OTHERS), return_std=True)
    ours = fitted.predict_with_std(OTHERS)
    np.testing.assert_allclose(ours[0], fitted.target_center + fitted.target_spread * mean, rtol=1e-6)
    np.testing.assert_allclose(ours[1], fitted.target_spread * std, rtol=1e-4)
    np.testing.assert_allclose(fitted.predict(OTHERS), ours[0])


def test_predictions_of_a_fold_left_out_are_those_of_a_process_without_it():
    target, folds = accuracy(CHOICES), make_folds(len(CHOICES), 0)
    fitted, out_of_fold, _ = regression.fit_smooth(FEATURES, target, folds)
    fold, rest = folds[0], np.delete(np.arange(len(target)), folds[0])
    points, lengths = fitted.process.points, fitted.process.kernel.lengths
    root = np.sqrt(5 * (((points / lengths)[:, None] - points / lengths) ** 2).sum(axis=2))
    smooth = fitted.process.kernel.variance * (1 + root + root**2 / 3) * np.exp(-root)
    kernel = fitted.process.kernel.linear[0] * points @ points.T + smooth
    standardized = (target[rest] - fitted.target_center) / fitted.target_spread
    inner = kernel[np.ix_(rest, rest)] + fitted.noise * np.eye(len(rest))
    expected = kernel[np.ix_(fold, rest)] @ np.linalg.solve(inner, standardized)
    np.testing.assert_allclose(out_of_fold[fold], fitted.target_center + fitted.target_spread * expected, rtol=1e-5)


def test_the_gradient_of_the_fit_is_right():
    rng = np.random.default_rng(0)
    points, target = rng.normal(size=(20, 3)), rng.normal(size=20)
    at, center, spread, known = rng.normal(size=6) * 0.3, np.zeros(6), np.ones(6), rng.random(20)

    def loss(parameters):
        return regression.loss(parameters, points, target, known, center, spread)

    steps = 1e-5 * np.eye(6)
    numeric = [(loss(at + step)[0] - loss(at - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(loss(at)[1], numeric, rtol=1e-5)


def test_numpy_predicts_trees_as_xgboost_does():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 6)).astype(np.float32)
    target = features[:, 0] * features[:, 1] + rng.normal(size=200)
    booster = xgboost.train(trees.PARAMETERS, xgboost.DMatrix(features, target), trees.N_TREES)
    arrays = (array[None] for array in trees.complete_trees(booster))
    ours = trees.BoostedTrees(*arrays, target_center=0.0, target_spread=1.0, noise=1.0).predict(features)
    np.testing.assert_allclose(ours, booster.inplace_predict(features), rtol=1e-5, atol=1e-6)


def test_a_tree_that_is_a_single_leaf_is_a_constant():
    booster = xgboost.train(trees.PARAMETERS, xgboost.DMatrix(np.ones((4, 2)), np.full(4, 3.0)), 1)
    arrays = (array[None] for array in trees.complete_trees(booster))
    ours = trees.BoostedTrees(*arrays, target_center=0.0, target_spread=1.0, noise=1.0)
    np.testing.assert_allclose(ours.predict(np.zeros((1, 2))), booster.inplace_predict(np.zeros((1, 2))), rtol=1e-6)


def test_shares_find_the_member_that_is_right():
    truth = np.random.default_rng(0).normal(size=50)
    assert best_shares(np.array([truth + 1, truth, -truth]), truth).tolist() == [0.0, 1.0, 0.0]


@given(st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
@settings(max_examples=30)
def test_a_margin_covers_its_share_of_exchangeable_residuals(n, confidence):
    # Of n + 1 exchangeable values the last is one of the n others' ranks with equal probability: the margin taken from
    # the others covers ⌈confidence (n + 1)⌉ of the n + 1 places, the promise of split-conformal prediction.
    values = np.random.default_rng(n).normal(size=n + 1)
    residuals = [Residuals(np.sort(np.delete(values, i))) for i in range(n + 1)]
    covered = np.mean([values[i] <= residuals[i].margin(confidence) for i in range(n + 1)])
    if confidence <= residuals[0].highest_confidence:
        assert covered >= confidence - 1e-9
    else:
        assert covered >= residuals[0].highest_confidence - 1e-9


def test_the_layers_nearest_to_the_frontier_calibrate():
    objectives = np.random.default_rng(0).random((60, 2))
    chosen = near_frontier(objectives, 20)
    ranks = moocore.pareto_rank(objectives)
    assert len(chosen) >= 20
    assert ranks[chosen].max() < np.delete(ranks, chosen).min()


def test_what_others_dominate_is_chosen_ever_less_often():
    # In a sample with replacement of n architectures one is present and k others are not with a chance that tends to
    # exp(−k) (1 − 1 / e). Here as 0, 1 and 2 others dominate the three.
    line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    np.testing.assert_allclose(chosen_weights(line), np.exp([0.0, -1.0, -2.0]))
    rng, n = np.random.default_rng(0), 40
    objectives = rng.random((n, 2))
    chosen = np.zeros(n)
    for _ in range(4000):
        drawn = np.unique(rng.integers(0, n, n))
        chosen[drawn[moocore.is_nondominated(objectives[drawn])]] += 1 / 4000
    np.testing.assert_allclose(chosen, (1 - np.exp(-1)) * chosen_weights(objectives), atol=0.05)


def test_a_margin_of_weighted_residuals_computed_by_hand():
    # Of the weight 4, half a quarter, and one, two and three quarters more, are reached at 1, 1, 2 and 5.
    values = weighted(np.array([5.0, 1.0, 9.0, 2.0, 7.0]), np.array([1.0, 2.0, 0.0, 0.9, 0.1]))
    assert values.tolist() == [1.0, 1.0, 2.0, 5.0]
    assert Residuals(values).margin(0.6) == 2.0  # rank ⌈0.6 · 5⌉ = 3


def broken(margin: float, accuracy: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of the answers to all budgets whose logarithm of the latency exceeds its bound."""
    answers = moocore.is_nondominated(np.column_stack([-accuracy, predicted]))
    return float((truth > predicted + margin)[answers].mean())


def test_bounds_hold_for_what_is_chosen_and_not_only_on_average():
    # The error of half of the predictions is ten times that of the others, and accuracy grows with true latency: what
    # is accurate for its predicted latency was often underestimated.
    rng, shares = np.random.default_rng(0), []

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        truth = rng.normal(size=n)
        predicted = truth + np.where(rng.random(n) < 0.5, 0.3, 0.03) * rng.normal(size=n)
        return truth + 0.2 * rng.normal(size=n), predicted, truth

    for _ in range(100):
        accuracy, predicted, truth = drawn(200)
        weights = chosen_weights(np.column_stack([-accuracy, predicted]))
        margins = [Residuals(weighted(truth - predicted, by)).margin(0.9) for by in (np.ones(200), weights)]
        candidates = drawn(200)
        shares.append([broken(margin, *candidates) for margin in margins])
    plain, selected = np.mean(shares, axis=0)
    assert plain > 0.2
    assert selected < 0.14


def test_a_bound_at_higher_confidence_is_never_lower(latency_surrogate):
    bounds = np.array([latency_surrogate.bound(OTHERS, confidence) for confidence in (0.5, 0.8, 0.9, 0.999)])
    assert (np.diff(bounds, axis=0) >= 0).all()
    np.testing.assert_allclose(bounds[2], latency_surrogate.predict(OTHERS) * latency_surrogate.margin(0.9))


def test_surrogates_are_read_as_they_were_written(accuracy_surrogate, latency_surrogate, tmp_path):
    path = tmp_path / "surrogates.safetensors"
    save_surrogates(path, {"accuracy": accuracy_surrogate, "latency_phone": latency_surrogate})
    read = load_surrogates(path)
    assert list(read) == ["accuracy", "latency_phone"]
    np.testing.assert_array_equal(read["accuracy"].lower_bound(OTHERS), accuracy_surrogate.lower_bound(OTHERS))
    np.testing.assert_array_equal(read["latency_phone"].bound(OTHERS, 0.9), latency_surrogate.bound(OTHERS, 0.9))
    np.testing.assert_array_equal(read["latency_phone"].left_out, latency_surrogate.left_out)
    assert [path.name for path in tmp_path.iterdir()] == ["surrogates.safetensors"]


@pytest.mark.parametrize("metadata", [None, {"surrogates": "{"}, {"surrogates": '{"a": {"class": "Kernel"}}'}])
def test_files_that_hold_no_surrogates_are_refused(metadata, tmp_path):
    save_file({"weights": np.ones(2)}, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(BundleError, match=r"(is not|cannot be read as) a file of surrogates"):
        load_surrogates(tmp_path / "other.safetensors")


def test_damaged_and_absent_files_of_surrogates_are_refused(tmp_path):
    (tmp_path / "damaged.safetensors").write_bytes(b"damaged")
    for name in ("damaged.safetensors", "absent.safetensors"):
        with pytest.raises(BundleError, match=f"{name} cannot be read as a file of surrogates"):
            load_surrogates(tmp_path / name)


def test_predicting_imports_no_more_than_numpy(accuracy_surrogate, tmp_path):
    save_surrogates(tmp_path / "one.safetensors", {"accuracy": accuracy_surrogate})
    np.save(tmp_path / "features.npy", OTHERS)
    code = (
        "import sys, numpy as np; from nagevo.learn.storage import load_surrogates;"
        f"surrogate = load_surrogates({str(tmp_path / 'one.safetensors')!r})['accuracy'];"
        f"surrogate.predict(np.load({str(tmp_path / 'features.npy')!r}));"
        "print(sorted({'xgboost', 'sklearn', 'torch', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_validation_table_holds_what_is_computed_by_hand():
    from nagevo.learn.conformal import Residuals
    from nagevo.learn.validation import validation_table

    # Of three pairs one is in the wrong order: tau = (2 - 1) / 3. Errors are 10, 50 and 0 percent.
    truth, predicted = np.array([10.0, 20.0, 30.0]), np.array([11.0, 30.0, 30.0 - 1e-9])
    table = validation_table(np.array([truth, predicted]), Residuals(np.array([0.0, 1.0, 2.0, 3.0])))
    values = table.set_index("metric")["value"]
    assert values["kendall_tau"] == pytest.approx(1 / 3)
    assert values["median_absolute_percentage_error"] == pytest.approx(10.0)
    # Of the others' three residuals the margin at 0.5 is the second: it holds 0 and 1, and neither 2 nor 3.
    assert values["coverage_0.5"] == 0.5


def test_the_drift_between_occasions_comes_on_top_of_the_spread_within_them():
    # Shifts 0 and 0.2 deviate by 0.1 √2; the quantile 0.75 of Student's t with one degree of freedom is tan(π/4) = 1.
    left_out = np.array([-0.1, 0.0, 0.1, 0.1, 0.2, 0.3])
    residuals = Residuals.of(left_out, np.array([3, 3, 3, 5, 5, 5]), np.array([1, 1, 0, 0, 0, 1]))
    np.testing.assert_allclose(residuals.values, [-0.1, 0.0, 0.1])
    assert residuals.drift(0.75) == pytest.approx(0.1 * 2**0.5, rel=1e-3)
    assert residuals.margin(0.75) == pytest.approx(0.1 + 0.1 * 2**0.5, rel=1e-3)  # rank ⌈0.75 · 4⌉ = 3
    assert Residuals.of(left_out, np.zeros(6), np.array([1, 1, 0, 0, 0, 1])).margin(0.75) == 0.3


def test_a_bound_with_drift_holds_on_new_occasions():
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        drifts = rng.normal(0, 0.05, 7)
        measured = drifts[:, None] + rng.normal(0, 0.02, (7, 10))
        known = measured[:6]
        left_out = known - (known.sum(axis=0) - known).mean() / 5  # less the mean of the other occasions
        residuals = Residuals.of(left_out.ravel(), np.repeat(np.arange(6), 10))
        held.append(measured[6] - known.mean() <= residuals.margin(0.9))
    assert 0.9 <= np.mean(held) < 0.99


def test_an_occasion_is_left_out_as_a_whole():
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    occasions = np.repeat([0, 1, 2], 20)
    latency_ms = np.exp(0.1 * features[:, 0] + np.array([0.0, 0.2, 0.4])[occasions])
    apart = fit_latency(features, latency_ms, occasions=occasions)
    mixed = fit_latency(features, latency_ms)
    assert apart.margin(0.9) > mixed.margin(0.9) > 1.0


def test_no_architectures_have_no_predictions(accuracy_surrogate, latency_surrogate):
    nothing = FEATURES[:0]
    assert all(member.predict(nothing).shape == (0,) for member in accuracy_surrogate.members)
    assert accuracy_surrogate.predict(nothing).shape == latency_surrogate.predict(nothing).shape == (0,)


def test_pairs_of_choices_are_learned_from_few_rows():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 2, (360, 12)).astype(float)
    signs = 1 - 2 * features
    target = sum(signs[:, i] * signs[:, j] for i in range(12) for j in range(i) if (i + j) % 2)
    known, unknown = slice(0, 160), slice(160, None)
    folds = make_folds(160, 0)
    errors = {}
    for fit in (regression.fit_smooth, regression.fit_pairs):
        fitted, _, _ = fit(features[known], target[known], folds)
        errors[fit.__name__] = np.std(fitted.predict(features[unknown]) - target[unknown])
    assert errors["fit_pairs"] < 0.5 * errors["fit_smooth"]


def test_the_gradient_of_the_variances_of_kernels_is_right():
    rng = np.random.default_rng(0)
    rows, target = rng.normal(size=(3, 20, 4)), rng.normal(size=20)
    parts = np.stack([*(each @ each.T for each in rows), np.eye(20)])
    at, steps, known = rng.normal(size=4) * 0.3, 1e-5 * np.eye(4), rng.random(20)
    losses = [regression.additive_loss(at + sign * step, parts, target, known)[0] for step in steps for sign in (1, -1)]
    numeric = -np.diff(np.reshape(losses, (4, 2)), axis=1).ravel() / 2e-5
    np.testing.assert_allclose(regression.additive_loss(at, parts, target, known)[1], numeric, rtol=1e-5)


@pytest.mark.parametrize("fit", [regression.fit_smooth, regression.fit_pairs])
def test_what_is_known_to_be_noisy_counts_less(fit):
    # A quarter of the rows is off by some 3; a process that is told so is nearer to the function there.
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 3))
    function = features @ [1.0, 0.5, 0.2]
    std = np.where(np.arange(80) % 4 == 0, 3.0, 0.05)
    target, folds = function + std * rng.normal(size=80), make_folds(80, 0)
    told, _, _ = fit(features, target, folds, std**2)
    untold, _, _ = fit(features, target, folds)
    errors = [np.abs(fitted.predict(features) - function).mean() for fitted in (told, untold)]
    assert errors[0] < 0.5 * errors[1]
    assert told.noise * told.target_spread**2 >= (std**2).mean()


@pytest.mark.parametrize("surrogate", ["mix", "pairs"])
def test_the_scale_of_accuracies_is_the_one_on_which_they_add_up(surrogate):
    added = 50.0 + 4.0 * accuracy(CHOICES) / 10
    multiplied = 90.0 - 60.0 * np.exp(-accuracy(CHOICES) / 20 + 2.5)
    rng = np.random.default_rng(0)
    noise = np.exp(0.05 * rng.normal(size=len(CHOICES)))
    percent, logarithm = (
        fit_accuracy(FEATURES, values, surrogate=surrogate)
        for values in (added + 0.5 * rng.normal(size=len(CHOICES)), 90.0 - (90.0 - multiplied) * noise)
    )
    assert percent.scale.ceiling is None
    assert logarithm.scale.ceiling is not None


def test_the_better_half_of_accuracies_decides_the_scale():
    added = (accuracy(CHOICES) - np.median(accuracy(CHOICES))) / np.ptp(accuracy(CHOICES))
    noise = np.random.default_rng(0).normal(size=len(CHOICES))
    # below 60 % accuracies add up, above they approach 70 %; percent have the higher density of all together
    values = np.where(added < 0, 60.0 + 30.0 * added + 0.1 * noise, 70.0 - 10.0 * np.exp(-6.0 * added + 0.05 * noise))
    assert fit_accuracy(FEATURES, values).scale.ceiling is not None


def test_percent_are_a_scale_that_changes_nothing():
    values = np.array([10.0, 60.0])
    percent, logarithm = ErrorScale(), ErrorScale(75.0)
    assert percent.restored(percent.transformed(values)).tolist() == values.tolist()
    assert percent.slope(values).tolist() == [1.0, 1.0]
    # d(−log(75 − a)) = da / (75 − a): a step on the scale is 65 or 15 points
    assert logarithm.slope(values).tolist() == [65.0, 15.0]


def test_evidence_learns_sums_over_the_choices():
    fitted = fit_accuracy(FEATURES, accuracy(CHOICES), surrogate="evidence")
    assert np.abs(fitted.predict(OTHERS) - accuracy(OTHER_CHOICES)).mean() < 1.0  # of a range of 38


def test_evidence_mixes_all_predictors_and_is_read_as_written(tmp_path):
    noisy = accuracy(CHOICES) + np.random.default_rng(1).normal(scale=3.0, size=len(CHOICES))
    fitted = fit_accuracy(FEATURES, noisy, surrogate="evidence")
    assert len(fitted.members) == 3
    save_surrogates(tmp_path / "one.safetensors", {"accuracy": fitted})
    read = load_surrogates(tmp_path / "one.safetensors")["accuracy"]
    np.testing.assert_array_equal(read.lower_bound(OTHERS), fitted.lower_bound(OTHERS))


@pytest.mark.parametrize("name", ["mix", "evidence"])
def test_what_is_known_of_a_related_space_replaces_measurements(name, tmp_path):
    related = fit_accuracy(FEATURES, 20.0 + 0.5 * accuracy(CHOICES))
    few, truth = slice(0, 12), accuracy(OTHER_CHOICES)
    alone = fit_accuracy(FEATURES[few], accuracy(CHOICES[few]), surrogate=name)
    informed = fit_accuracy(FEATURES[few], accuracy(CHOICES[few]), surrogate=name, prior=related)
    errors = [np.abs(fitted.predict(OTHERS) - truth).mean() for fitted in (alone, informed)]
    assert errors[1] < 0.5 * errors[0]
    save_surrogates(tmp_path / "one.safetensors", {"accuracy": informed})
    read = load_surrogates(tmp_path / "one.safetensors")["accuracy"]
    np.testing.assert_array_equal(read.predict(OTHERS), informed.predict(OTHERS))
    mean, std = read.predict_with_std(OTHERS)
    np.testing.assert_allclose(mean, informed.predict(OTHERS))
    assert (std > 0).all()


def test_a_prior_that_says_nothing_is_dropped():
    unrelated = fit_accuracy(FEATURES, np.random.default_rng(1).uniform(50, 90, len(CHOICES)))
    assert fit_accuracy(FEATURES, accuracy(CHOICES), prior=unrelated).prior is None


@pytest.mark.parametrize("fit", [regression.fit_smooth, regression.fit_pairs])
def test_a_feature_alone_has_variance_one_and_leaves_the_others_their_scale(fit):
    features = np.column_stack([FEATURES, 5.0 * accuracy(CHOICES)])
    target, folds = accuracy(CHOICES), make_folds(len(CHOICES), 0)
    with_one, without_it = fit(features, target, folds, n_prior=1)[0], fit(FEATURES, target, folds)[0]
    np.testing.assert_allclose(with_one.scaled(features)[:, :-1], without_it.scaled(FEATURES))
    assert with_one.scaled(features)[:, -1].std() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["pairs", "xgboost"])
def test_one_predictor_alone_predicts_both_quantities_with_uncertainty(name):
    fitted = fit_accuracy(FEATURES, accuracy(CHOICES), surrogate=name)
    latency = fit_latency(FEATURES, latency_ms(CHOICES), surrogate=name)
    assert len(fitted.members) == len(latency.members) == 1
    assert isinstance(fitted.members[0], trees.BoostedTrees) == (name == "xgboost")
    mean, std = fitted.predict_with_std(OTHERS)
    assert (std > 0).all()
    assert np.abs(mean - accuracy(OTHER_CHOICES)).mean() < 3.0  # of a range of 38
    assert np.abs(latency.predict(OTHERS) / latency_ms(OTHER_CHOICES) - 1).mean() < 0.1
