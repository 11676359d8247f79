from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.measure.latency import create_device, timing
from nagevo.measure.latency.condition import Reading
from nagevo.measure.latency.timing import TimedDevice, burst_of, readings_table, time_in_turn


class FakeTime:
    """A clock that moves only when told, and remembers the sleeps."""

    def __init__(self):
        self.now, self.sleeps = 100.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds

    def run_of(self, *durations_s):
        """Return a run that takes each duration in turn."""
        remaining = iter(durations_s)

        def run():
            self.now += next(remaining)

        return run


@dataclass(frozen=True, kw_only=True)
class Scripted(TimedDevice):
    """Report as ms what a network says of itself."""

    @contextmanager
    def opened(self):
        yield lambda network, shape: lambda: network.times


def test_a_burst_times_the_runs_after_the_warm_up():
    time = FakeTime()
    burst = burst_of(time.run_of(9.0, 8.0, 0.001, 0.002, 0.004), warmup=2, runs=3, clock=time.clock)
    assert burst() == pytest.approx([1.0, 2.0, 4.0])


def test_every_burst_runs_once_in_each_round_in_order():
    calls = []
    bursts = [lambda name=name: calls.append(name) or [1.0] for name in "abc"]
    outcomes = time_in_turn(bursts, rounds=3)
    assert "".join(calls) == "abcabcabc"
    assert [reading.runs.shape for reading in outcomes] == [(3, 1)] * 3


def test_rounds_begin_evenly_over_the_spread():
    # Four rounds over 8 s begin at 0, 2, 4 and 6 s. Each takes 0.5 s, so 1.5 s are left to wait before the next.
    time = FakeTime()

    def burst():
        time.now += 0.5
        return [1.0]

    time_in_turn([burst], rounds=4, spread_s=8.0, clock=time.clock, sleep=time.sleep)
    assert time.sleeps == pytest.approx([0.0, 1.5, 1.5, 1.5])


def test_rounds_that_take_longer_than_the_spread_follow_each_other():
    time = FakeTime()

    def burst():
        time.now += 3.0
        return [1.0]

    time_in_turn([burst], rounds=3, spread_s=6.0, clock=time.clock, sleep=time.sleep)
    assert time.sleeps == [0.0, 0.0, 0.0]


def test_a_burst_that_fails_is_not_run_again_and_the_others_go_on():
    calls = []

    def failing():
        calls.append("failing")
        raise RuntimeError("device\n  was unplugged")

    good, bad = time_in_turn([lambda: [1.0, 2.0], failing], rounds=3)
    assert good.runs.tolist() == [[1.0, 2.0]] * 3
    assert good.references.shape == (3, 0)
    assert bad == "RuntimeError: device was unplugged"
    assert calls == ["failing"]


def test_when_all_have_failed_no_more_time_is_spent():
    time = FakeTime()

    def failing():
        raise DeviceError("unplugged")

    assert time_in_turn([failing], rounds=20, spread_s=60.0, clock=time.clock, sleep=time.sleep) == ["unplugged"]
    assert sum(time.sleeps) == 0.0


@pytest.mark.parametrize("times", [[1.0, 0.0], [1.0, -2.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_a_time_that_is_none_is_a_failure(times):
    (outcome,) = time_in_turn([lambda: times], rounds=1)
    assert outcome.startswith("expected a number from 1e-12 to 1e+12 for each run, got")


def test_the_statistics_are_those_of_bursts_and_runs():
    # Medians of the bursts: 2 and 4, so min 2, mean 3, standard deviation 1. All runs: 1 2 3 4 4 10; median 3.5; the
    # 95th percentile lies at position 0.95 · 5 = 4.75: 4 + 0.75 · 6 = 8.5.
    times = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 10.0]])
    row = readings_table([Reading(times, np.empty((2, 0)))], "median").iloc[0]
    assert row["status"] == "ok"
    assert row["latency_ms"] == 3.5
    assert [row[c] for c in ("min", "median", "p95")] == pytest.approx([2.0, 3.5, 8.5])
    assert row["dispersion_percent"] == pytest.approx(100 / 3)


@pytest.mark.parametrize(("statistic", "latency_ms"), [("min", 2.0), ("median", 3.5), ("p95", 8.5)])
def test_the_statistic_says_which_is_the_latency(statistic, latency_ms):
    times = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 10.0]])
    assert readings_table([Reading(times, np.empty((2, 0)))], statistic)["latency_ms"].tolist() == [latency_ms]


class Network:
    def __init__(self, *times):
        self.times = times

    def eval(self):
        return self


def test_rows_come_in_order_and_a_network_that_cannot_be_built_is_a_status():
    def unbuildable():
        raise MemoryError("out of memory")

    device = Scripted(rounds=2, spread_s=0.0)
    table = device.time_networks([lambda: Network(3.0), unbuildable, lambda: Network(5.0)], [(1,)] * 3)
    np.testing.assert_array_equal(table["latency_ms"], [3.0, np.nan, 5.0])
    assert table["status"].tolist() == ["ok", "MemoryError: out of memory", "ok"]


def test_more_networks_than_are_held_at_once_are_timed_group_after_group(monkeypatch):
    monkeypatch.setattr(timing, "GROUP_SIZE", 2)
    builders = [lambda ms=ms: Network(ms) for ms in (1.0, 2.0, 3.0, 4.0, 5.0)]
    table = Scripted(rounds=1, spread_s=0.0).time_networks(builders, [(1,)] * 5)
    assert table["latency_ms"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_no_networks_make_a_table_without_rows():
    assert Scripted().time_networks([], []).shape == (0, 14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds: expected at least 1, got 0"),
        ({"statistic": "mean"}, "statistic: expected one of median"),
    ],
)
def test_options_out_of_range_are_errors(options, message):
    with pytest.raises(ConfigError, match=message):
        create_device("torch", **options)


def test_references_are_timed_before_every_few_networks_and_after_the_last():
    calls = []

    def called(name, ms):
        return lambda: calls.append(name) or [ms, ms, ms]

    bursts = [called(f"n{i}", 1.0) for i in range(timing.REFERENCE_INTERVAL + 1)]
    outcomes = time_in_turn(bursts, [called("small", 2.0), called("large", 8.0)], rounds=1)
    names = [f"n{i}" for i in range(timing.REFERENCE_INTERVAL)]
    passes = ["small", "large"]
    assert calls == [*passes, *names, *passes, f"n{timing.REFERENCE_INTERVAL}", *passes]
    np.testing.assert_allclose([reading.references for reading in outcomes], [[[2.0, 8.0]]] * len(bursts))


def test_references_run_untimed_after_a_pause_and_are_timed_then():
    time, speeds = FakeTime(), iter([1.0, 1.0, 9.0, 1.0, 1.0])  # the first one after a pause is slow
    device = {"rounds": 2, "spread_s": 4.0, "clock": time.clock, "sleep": time.sleep}
    (reading,) = time_in_turn([lambda: [1.0]], [lambda: [next(speeds)]], **device)
    np.testing.assert_allclose(reading.references, [[1.0], [1.0]])


def test_a_burst_lies_between_the_references_before_and_after():
    speeds = iter([1.0, 4.0])
    (reading,) = time_in_turn([lambda: [1.0]], [lambda: [next(speeds)]], rounds=1)
    np.testing.assert_allclose(reading.references, [[2.0]])  # the geometric mean


def test_a_reference_that_fails_is_left_out():
    def failing():
        raise RuntimeError("too large")

    (reading,) = time_in_turn([lambda: [1.0]], [lambda: [3.0], failing], rounds=2)
    np.testing.assert_allclose(reading.references, [[3.0, np.nan]] * 2)


@dataclass(frozen=True, kw_only=True)
class Disturbed(TimedDevice):
    """The first rounds but two are disturbed: references take twice as long then, other networks three times."""

    rounds: int = 8
    spread_s: float = 0.0

    @contextmanager
    def opened(self):
        yield lambda network, shape: partial(self.burst, network, iter(range(100)))

    def burst(self, network, counted):
        disturbed = 2 <= next(counted) // (2 if network.reference else 1) < self.rounds  # references run twice a round
        return [network.times[0] * ((2.0 if network.reference else 3.0) if disturbed else 1.0)]


@pytest.mark.parametrize(("condition", "bursts", "latency_ms"), [("quiet", 16, 4.0), ("observed", 8, 12.0)])
def test_bursts_are_repeated_where_too_few_are_quiet(condition, bursts, latency_ms):
    networks = [Network(1.0), Network(8.0), Network(4.0)]
    for number, network in enumerate(networks):
        network.reference = number < 2
    builders = [lambda network=network: network for network in networks]
    table = Disturbed(condition=condition).time_networks(builders, [(1,)] * 3, n_references=2)
    assert table["bursts"].tolist() == [bursts]
    assert table["median"].iloc[0] == (4.0 if condition == "quiet" else latency_ms)
    if condition == "quiet":
        assert table["latency_ms"].iloc[0] == pytest.approx(latency_ms)


def test_runs_rise_to_what_a_percentile_needs():
    assert [Scripted(statistic=name).rounds for name in ("median", "p95", "p99")] == [20, 100, 500]
    assert create_device("onnxruntime", statistic="p99").rounds == 50  # of ten runs each


def test_calls_too_few_for_a_percentile_are_refused():
    with pytest.raises(ConfigError, match=r"statistic p95 needs at least 100 runs, .* rounds of at least 100, got 3"):
        create_device("command", command="time {model}", statistic="p95")
