"""What is reported of answers that were measured again."""

import numpy as np
import pandas as pd
import pytest
from made_up import learned, measured

from nagevo.evaluate.answers import METHODS, answers, measured_again, summary
from nagevo.evaluate.verdict import verdicts
from nagevo.experiment.sections import EvaluationConfig


@pytest.fixture
def again() -> pd.DataFrame:
    """Two budgets on one device; the generator breaks the second one, the other refuses the first."""
    given = pd.DataFrame(
        [
            ("d", 0.9, 2.0, "generator", "small"),
            ("d", 0.9, 4.0, "generator", "large"),
            ("d", 0.9, 2.0, "best_measured", None),
            ("d", 0.9, 4.0, "best_measured", "middle"),
        ],
        columns=["device", "confidence", "budget", "method", "architecture"],
    )
    accuracies = pd.DataFrame({"architecture": ["small", "middle", "large"], "accuracy": [60.0, 70.0, 80.0]})
    latencies = pd.DataFrame(
        {
            "architecture": ["small", "middle", "large"] * 3,
            "device": "d",
            "measured": [1.0, 2.0, 5.0, 0.9, 3.0, 3.9, 8.0, 3.1, 5.5],  # medians of three occasions: 1, 3 and 5
            "raw": [1.1, 3.1, 5.1] * 3,
        }
    )
    return measured_again(given, accuracies, latencies)


def test_every_answer_gets_the_accuracy_and_latency_of_its_network(again):
    assert again["test_accuracy"].fillna(-1).tolist() == [60.0, 80.0, -1.0, 70.0]
    assert again["measured"].fillna(-1).tolist() == [1.0, 5.0, -1.0, 3.0]
    assert again["occasions"].tolist()[:2] == [[1.0, 0.9, 8.0], [5.0, 3.9, 5.5]]


def test_the_metrics_of_each_method_are_those_computed_by_hand(again):
    report = summary(again, 200, EvaluationConfig(budgets=2, confidence=0.9, reference_point=(1.1, 1.1)))
    metrics = report["devices"]["d"]["metrics"]
    assert set(metrics) == set(METHODS)
    # Best known: small (60 %, 1 ms), middle (70 %, 3 ms), large (80 %, 5 ms): 60 % is best under 2 ms, 70 % under 4 ms.
    assert metrics["generator"]["violation_rate"] == 0.5  # large takes 5 ms of 4 ms: one of two answers
    assert metrics["generator"]["mean_regret"] == 5.0  # 0, and 70 - 60 since a violator counts as the fastest
    assert metrics["best_measured"]["budget_use"] == pytest.approx(3 / 4)
    assert metrics["best_measured"]["feasible_answered"] == 0.5


def test_a_refused_budget_is_written_without_an_architecture(again):
    report = summary(again, 200, EvaluationConfig(budgets=2, confidence=0.9, reference_point=(1.1, 1.1)))
    refused = [row for row in report["devices"]["d"]["answers"] if row["architecture"] is None]
    assert [(row["method"], row["budget"], row["measured"]) for row in refused] == [("best_measured", 2.0, None)]


def test_a_device_with_few_measurements_is_asked_at_what_they_support(tmp_path):
    searched = measured(40, "noisy")
    searched.values["noisy"][8:] = np.nan  # failed: 8 of 40 are known, which support a confidence of 8 / 9
    config = EvaluationConfig(budgets=3, confidence=0.9, reference_point=(1.1, 1.1))
    given = answers(learned(searched, tmp_path / "generator"), searched, config)
    assert given["confidence"].tolist() == [8 / 9] * 6
    values = given[["architecture", "device"]].dropna().assign(measured=given["expected"], raw=given["expected"])
    report = summary(measured_again(given, given.dropna().drop_duplicates("architecture"), values), 40, config)
    assert (report["confidence"], report["devices"]["noisy"]["confidence"]) == (0.9, 8 / 9)
    assert "asked for was the highest that is supported, 0.8889" in verdicts(report)[0]


def test_a_device_that_supports_the_confidence_has_none_of_its_own(again):
    report = summary(again, 200, EvaluationConfig(budgets=2, confidence=0.9, reference_point=(1.1, 1.1)))
    assert set(report["devices"]["d"]) == {"metrics", "answers"}
