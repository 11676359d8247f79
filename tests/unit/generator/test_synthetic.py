"""Devices that are made up: sums over known devices, costs and features."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nagevo.generator.synthetic import SyntheticDevices


def test_latencies_add_up_from_overhead_sources_and_features():
    devices = SyntheticDevices(
        log_mean=np.log([2.0]),
        low=np.array([1.0]),
        scale=np.array([4.0]),
        of_sources=np.array([[0.3]]),
        of_features=np.array([[0.5]]),
        overhead=np.array([0.2]),
    )
    # 0.2 + 0.3 * 6 / 2 + 0.5 * (3 - 1) / 4 = 0.2 + 0.9 + 0.25
    np.testing.assert_allclose(devices.latency_ms(np.array([[3.0]]), np.log([[6.0]])), [[1.35]], rtol=1e-5)


@given(st.integers(0, 1000))
def test_every_device_takes_a_millisecond_on_average_and_never_none(seed):
    rng = np.random.default_rng(seed)
    features, sources = rng.random((30, 5)), rng.normal(size=(30, 3))
    features[:, 0] = 7.0  # a feature that never varies costs nothing
    latency_ms = SyntheticDevices.draw(features, sources, 6, rng=rng).latency_ms(features, sources)
    assert latency_ms.shape == (6, 30)
    assert (latency_ms > 0).all()
    np.testing.assert_allclose(latency_ms.mean(axis=1), 1.0, rtol=1e-4)


def test_devices_differ_from_each_other():
    rng = np.random.default_rng(0)
    features, sources = rng.random((200, 5)), rng.normal(size=(200, 3))
    devices = SyntheticDevices.draw(features, sources, 12, rng=rng)
    correlation = np.corrcoef(devices.latency_ms(features, sources))
    assert np.median(correlation[np.triu_indices(12, 1)]) < 0.9
