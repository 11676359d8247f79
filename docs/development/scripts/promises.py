"""Judge what an experiment promises: python promises.py FOLDER [FOLDER ...] [--config FILE] [--condition quiet].

Each folder is one run, made by Snakemake unless its generator is there; the seed is its place in the list. The answers
to the budgets of ``evaluation.json`` are timed by the loop below, which shares no code with nagevo, on several
occasions some minutes apart, with the smallest and the largest network in the same bursts. Printed are, for each run,
device and occasion, the budgets that were broken and used, and how disturbed the machine was. With ``--busy`` another
program keeps one core busy while the runs are made.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import torch
import yaml

import nagevo

ROOT = Path(__file__).resolve().parents[3]
BURSTS, RUNS, WARMUP, BETWEEN = 20, 10, 2, 8
"""Bursts of each network, timed and untimed runs in one, and networks between two passes of the references."""
QUIET = 1.1
"""Slowdown of the references up to which a burst is quiet."""
COMPARED = 30
"""Networks whose ratios to the references are compared between the first and the last occasion."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--config", type=Path, default=ROOT / "config.yaml")
    parser.add_argument("--condition", choices=["quiet", "observed"], default="quiet")
    parser.add_argument("--occasions", type=int, default=5)
    parser.add_argument("--pause", type=float, default=120.0, help="Seconds between occasions.")
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed, folder in enumerate(options.folders):
        make(folder, options.config, options.condition, seed, busy=options.busy)
    runs = {folder: prepared(folder) for folder in options.folders}
    rows, ratios = [], []
    for occasion in range(options.occasions):
        if occasion:
            time.sleep(options.pause)
        for folder, devices in runs.items():
            for device, answers in devices.items():
                found, ratio = judged(answers, options.condition)
                rows.append({"run": folder.name, "device": device, "occasion": occasion, **found})
                ratios.append({"run": folder.name, "device": device, "occasion": occasion, "ratio": ratio})
                print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows)
    print(table.groupby(["run", "device"])[["broken", "raw broken", "used", "answered", "disturbed"]].mean().round(1))
    shares = table.groupby("run")["broken"].mean()
    in_all, used = table["broken"].mean(), table["used"].mean()
    print(f"broken in all {in_all:.1f} %, in the worst run {shares.max():.1f} %; used {used:.1f} %")
    for (run, device), group in pd.DataFrame(ratios).groupby(["run", "device"]):
        first, last = group["ratio"].iloc[0], group["ratio"].iloc[-1]
        order = pd.Series(first).corr(pd.Series(last), method="spearman")
        print(f"{run} {device}: ratios of the first and the last occasion: Spearman {order:.4f}, "
              f"median difference {100 * np.median(np.abs(last / first - 1)):.1f} %")  # fmt: skip


def make(folder: Path, config: Path, condition: str, seed: int, *, busy: bool) -> None:
    """Run the experiment in a folder, unless its evaluation is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if list(folder.glob("results/*/evaluation.json")):
        return
    content = yaml.safe_load(config.read_text()) | {"seed": seed}
    for device in content["devices"].values():
        device["condition"] = condition
    (folder / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", str(os.cpu_count()), "all"]
    other = multiprocessing.Process(target=spin, daemon=True)
    if busy:
        other.start()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    began = time.monotonic()
    subprocess.run(command, check=True, env=os.environ | {"PATH": path}, capture_output=True)
    print(f"{folder.name}: {time.monotonic() - began:.0f} s")
    if busy:
        other.terminate()


def spin() -> None:
    while True:
        pass


def prepared(folder: Path) -> dict[str, dict]:
    """Return by device what is timed on each occasion: callables that run the references, the answers and others."""
    (path,) = folder.glob("results/*/evaluation.json")
    generator, evaluation = nagevo.load(path.parent / "generator"), json.loads(path.read_text())
    space, result = generator.space, {}
    others = space.to_text(space.sample_distinct(COMPARED, rng=np.random.default_rng(0)))
    for device, entry in evaluation["devices"].items():
        asked = [answer["budget"] for answer in entry["answers"] if answer["method"] == "generator"]
        answers = generator.answers(asked, device=device, confidence=evaluation["confidence"])
        given = [answer for answer in answers if not isinstance(answer, nagevo.InfeasibleBudget)]
        run_of = runner(generator, device)
        references = space.to_text(space.extremes())
        texts = list(dict.fromkeys([*(answer.architecture for answer in given), *others]))
        result[device] = {
            "references": [run_of(text) for text in references],
            "quiet": np.array(generator.networks.condition(device)["quiet"]),
            "runs": {text: run_of(text) for text in texts},
            "others": others,
            "given": [(answer.budget, answer.architecture) for answer in given],
            "answered": 100 * entry["metrics"]["generator"]["feasible_answered"],
        }
    return result


def runner(generator: nagevo.Generator, device: str) -> Callable[[str], Callable[[], object]]:
    """Return what makes the callable that runs an architecture: in onnxruntime as exported, else in eager torch."""
    from nagevo.deploy.export import onnx_for_timing

    space = generator.space

    def run_of(text: str) -> Callable[[], object]:
        network = generator.network(text, untrained=True)
        shape = space.input_shape_of(space.from_text([text])[0])
        if device != "onnxruntime":
            inputs = torch.zeros(1, *shape)
            return torch.inference_mode()(lambda: network(inputs))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(onnx_for_timing(network, shape), options)
        feed = {"inputs": np.zeros((1, *shape), dtype=np.float32)}
        return lambda: session.run(None, feed)

    return run_of


def judged(timed: dict, condition: str) -> tuple[dict[str, float], np.ndarray]:
    """Time the networks of a device once, and return what became of the promises, and the ratios of other networks."""
    bursts: dict[str, list] = {text: [] for text in timed["runs"]}
    beside: dict[str, list] = {text: [] for text in timed["runs"]}
    for _ in range(BURSTS):
        for place, (text, run) in enumerate(timed["runs"].items()):
            if place % BETWEEN == 0:
                references = [np.median(burst(reference)) for reference in timed["references"]]
            bursts[text].append(burst(run))
            beside[text].append(references)
    slow = {text: np.exp(np.log(np.array(beside[text]) / timed["quiet"]).mean(axis=1)) for text in bursts}
    plain = {text: float(np.median(bursts[text])) for text in bursts}
    values = {text: in_quiet(np.array(bursts[text]), slow[text]) for text in bursts}
    budgets = np.array([budget for budget, _ in timed["given"]])
    quiet, raw = (np.array([table[text] for _, text in timed["given"]]) for table in (values, plain))
    measured = quiet if condition == "quiet" else raw
    every = np.concatenate(list(slow.values()))
    found = {
        "broken": 100 * np.mean(measured > budgets),
        "raw broken": 100 * np.mean(raw > budgets),
        "used": 100 * np.mean(measured / budgets),
        "answered": timed["answered"],
        "disturbed": 100 * np.mean(every > QUIET),
    }
    scale = np.exp(np.log(timed["quiet"]).mean())
    return found, np.array([values[text] / scale for text in timed["others"]])


def burst(run: Callable[[], object]) -> list[float]:
    """Return the milliseconds of each timed run."""
    for _ in range(WARMUP):
        run()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - began))
    return times


def in_quiet(bursts: np.ndarray, slow: np.ndarray) -> float:
    """Return the median of the runs in quiet bursts, or, where these are less than a quarter, of all by their ratio."""
    calm = slow <= QUIET
    return float(np.median(bursts[calm] if calm.mean() >= 0.25 else bursts / slow[:, None]))


if __name__ == "__main__":
    main()
