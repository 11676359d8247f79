"""What the generator is told of a request and of a device."""

import numpy as np
import pytest

from nagevo.generator.conditions import DeviceView


@pytest.fixture
def view() -> DeviceView:
    return DeviceView(np.array([1.0, 4.0]), lower=np.array([2.0]), upper=np.array([8.0]))


def test_a_budget_becomes_its_logarithmic_place_on_the_frontier(view):
    conditions = view.conditions(np.array([[2.0], [4.0], [8.0]]))
    np.testing.assert_allclose(conditions[:, 0], [0.0, 0.5, 1.0], atol=1e-6)
    assert (conditions[:, 1] == 1.0).all()


def test_budgets_outside_of_the_range_count_as_its_ends(view):
    np.testing.assert_array_equal(view.conditions(np.array([[1e-300], [0.0], [1e308]]))[:, 0], [0.0, 0.0, 1.0])


def test_an_absent_limit_is_masked(view):
    np.testing.assert_array_equal(view.conditions(np.array([[np.nan]]))[0, :2], [0.0, 0.0])


def test_a_device_is_the_shape_of_its_probe_latencies_whatever_its_speed(view):
    twice_as_slow = DeviceView(view.probe_latency_ms * 2, view.lower, view.upper)
    request = np.array([[3.0]])
    np.testing.assert_allclose(view.conditions(request)[0, 2:], [-np.log(2), np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(view.conditions(request), twice_as_slow.conditions(request), rtol=1e-6)
