"""Energies that the counters of a machine tell."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nagevo.foundation.errors import ConfigError, DeviceError, MissingDependency
from nagevo.measure.latency import create_device, energy, quantity
from nagevo.measure.latency.energy import NVMLCounter, PowercapCounter, energy_burst

QUICK = {"measures": "energy_mj", "rounds": 2, "burst_s": 0.02, "spread_s": 0.0}
NETWORKS = np.array([[1], [0]], dtype=np.int8)


@pytest.fixture
def powercap(tmp_path):
    """Return a function that writes a zone of the kernel's folder, and the folder."""

    def zone(folder: str, name: str, energy_uj: int, largest_uj: int = 10_000):
        (tmp_path / folder).mkdir(exist_ok=True)
        for file, value in (("name", name), ("energy_uj", energy_uj), ("max_energy_range_uj", largest_uj)):
            (tmp_path / folder / file).write_text(f"{value}\n")
        return tmp_path / folder / "energy_uj"

    return zone, tmp_path


def test_packages_and_memory_are_added_up_and_nothing_twice(powercap):
    zone, folder = powercap
    first, second = zone("intel-rapl:0", "package-0", 100), zone("intel-rapl:1", "package-1", 200)
    memory, core = zone("intel-rapl:0:0", "dram", 5), zone("intel-rapl:0:1", "core", 50)
    platform, again = zone("intel-rapl:2", "psys", 900), zone("intel-rapl-mmio:0", "package-0", 100)
    counter = PowercapCounter(folder)
    assert counter() == 0.0
    for file, value in ((first, 1100), (second, 2200), (memory, 305), (core, 950), (platform, 9000), (again, 1100)):
        file.write_text(str(value))
    assert counter() == 3.3  # 1000 + 2000 + 300 µJ


def test_a_counter_that_begins_again_at_0_goes_on(powercap):
    zone, folder = powercap
    file = zone("intel-rapl:0", "package-0", 9_900)
    counter = PowercapCounter(folder)
    for value, expected_mj in ((150, 0.25), (9_950, 10.05), (50, 10.15)):  # 10,000 µJ in a round
        file.write_text(str(value))
        assert counter() == pytest.approx(expected_mj)


def test_a_machine_without_counters_says_so_in_one_line(powercap, monkeypatch, convolution_space):
    zone, folder = powercap
    with pytest.raises(DeviceError, match=r"energy: no counter of the processor in .*backend command\)$"):
        PowercapCounter(folder)
    zone("intel-rapl:0", "psys", 1)
    monkeypatch.setattr(energy, "POWERCAP", folder)
    for backend in ("torch", "onnxruntime"):
        with pytest.raises(DeviceError, match="energy: no counter of the processor"):
            create_device(backend, **QUICK).measure(convolution_space, NETWORKS)


def test_a_counter_that_only_root_may_read_says_how_to_change_that(powercap, monkeypatch):
    zone, folder = powercap
    file = zone("intel-rapl:0", "package-0", 1)
    read_text = Path.read_text

    def guarded(path):
        if path == file:
            raise PermissionError(13, "Permission denied")
        return read_text(path)

    monkeypatch.setattr(Path, "read_text", guarded)
    with pytest.raises(DeviceError, match=r"energy_uj may be read by root only: sudo chmod a\+r .*energy_uj"):
        PowercapCounter(folder)


class Machine:
    """A clock, and a counter that changes every 100 ms; an inference takes 10 ms and 3 mJ."""

    now_ms = 0

    def run(self):
        self.now_ms += 10

    def counter(self):
        return 30.0 * (self.now_ms // 100)

    def clock(self):
        return self.now_ms / 1000


def test_energy_is_counted_between_two_changes_of_the_counter():
    machine = Machine()
    burst = energy_burst(machine.run, machine.counter, warmup=3, runs=4, least_s=0.3, clock=machine.clock)
    # Looks after 40 ms each: the first change is seen at 110 ms (30 mJ), then one 320 ms later, at 430 ms (120 mJ):
    # 90 mJ for 32 inferences.
    assert burst() == [pytest.approx(90 / 32)]
    assert machine.now_ms == 430


def test_each_look_waits_for_the_inferences_that_were_begun():
    machine, waited = Machine(), []
    burst = energy_burst(
        machine.run,
        machine.counter,
        warmup=0,
        runs=10,
        least_s=0.15,
        settle=lambda: waited.append(machine.now_ms),
        clock=machine.clock,
    )
    assert burst() == [3.0]
    assert waited == [0, 100, 200, 300]


def test_a_counter_that_stands_still_fails_the_row():
    machine = Machine()
    burst = energy_burst(machine.run, lambda: 7.0, warmup=0, runs=1, least_s=0.1, clock=machine.clock)
    with pytest.raises(DeviceError, match="the energy counter did not change for 5 s"):
        burst()
    assert machine.now_ms == 5010


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_a_wider_network_takes_more_energy_where_power_is_even(backend, monkeypatch, convolution_space):
    import time

    class Even:
        """10 W: 10 mJ in a millisecond, changing every 1 ms."""

        def __call__(self):
            return 10.0 * int(1000 * time.perf_counter())

    for module in ("torch", "onnxruntime"):
        monkeypatch.setattr(f"nagevo.measure.latency.{module}.PowercapCounter", Even)
    rows = create_device(backend, batch=512, runs=1, **QUICK).measure(convolution_space, NETWORKS)
    assert rows["status"].tolist() == ["ok", "ok"]
    assert rows["energy_mj"][0] > 2 * rows["energy_mj"][1] > 0
    assert "latency_ms" not in rows
    assert set(map(len, rows["runs"])) <= {2, 4}  # a value for each burst; disturbed bursts are repeated once


def test_a_device_says_what_it_measures():
    assert quantity("torch", {"measures": "energy_mj"}) == "energy_mj"
    assert quantity("onnxruntime", {}) == "latency_ms"
    with pytest.raises(ConfigError, match="measures: expected one of latency_ms, energy_mj"):
        create_device("torch", measures="file_kb")
    with pytest.raises(ConfigError, match="expected provider CPUExecutionProvider, got CUDAExecutionProvider"):
        create_device("onnxruntime", measures="energy_mj", provider="CUDAExecutionProvider")


@pytest.fixture
def nvml(monkeypatch):
    """Return a stand-in for NVIDIA's library, with a GPU that has spent 5,000 mJ."""

    class NVMLError(Exception):
        pass

    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda name: {"GPU-01-ab": "gpu"}[name],
        nvmlDeviceGetTotalEnergyConsumption=lambda gpu: {"gpu": 5000}[gpu],
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid="01-ab"))
    return library


def test_the_counter_of_a_gpu_is_that_of_the_one_that_torch_uses(nvml):
    assert NVMLCounter()() == 5000.0


def test_a_gpu_without_a_counter_says_so_in_one_line(nvml):
    def refuse(gpu):
        raise nvml.NVMLError("Not Supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    with pytest.raises(DeviceError, match="energy: NVML does not report the energy of this GPU: Not Supported"):
        NVMLCounter()


def test_without_nvidias_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingDependency, match=r"nagevo\[energy\]"):
        NVMLCounter()
