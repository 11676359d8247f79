"""Search NAS-Bench-201 with cheap readings, and with full ones alone.

    python docs/development/scripts/cheap_readings.py pixel3 titanx_256 --seeds 0-7

For each device and seed it prints hypervolume ratio, mean regret and CPU seconds of searches at the cost of 100 full
readings with a part of 12 instead of 200 epochs (6 % of the cost), and of 100 and 200 full readings.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from nagevo.evaluate.comparison import search_metrics, true_frontiers
from nagevo.experiment.config import parse_config
from nagevo.experiment.search import search_experiment

CHEAP = {"cost": 0.06, "column": "cifar100_valid_accuracy_12_epochs"}
SEARCHES: dict[str, tuple[int, list[dict[str, Any]]]] = {"cheap": (100, [CHEAP]), "100": (100, []), "200": (200, [])}


def main() -> None:
    """Run the searches one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", nargs="+")
    parser.add_argument("--seeds", default="0-7", help="first and last")
    parser.add_argument("--searches", default=",".join(SEARCHES))
    parser.add_argument("--table", default="data/nasbench201.parquet", help="of accuracies and latencies of all cells")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    for seed in range(first, last + 1):
        for device in options.devices:
            for name in options.searches.split(","):
                evaluations, fidelities = SEARCHES[name]
                backend = {"backend": "table", "path": options.table, "column": f"latency_ms_{device}"}
                accuracy = {"evaluator": "table", "path": options.table, "column": "cifar100_valid_accuracy"}
                experiment = parse_config(
                    {
                        "seed": seed,
                        "space": {"name": "nasbench201", "classes": 100, "merge_equal": False},
                        "accuracy": {**accuracy, "fidelities": fidelities},
                        "devices": {device: {**backend, "extra_measurements": "all"}},
                        "search": {"evaluations": evaluations},
                    }
                )
                began = time.process_time()
                history = search_experiment(experiment)
                seconds = time.process_time() - began
                metrics = search_metrics(history, true_frontiers(experiment, experiment.create_space())).iloc[0]
                ratio, regret = metrics["hypervolume_ratio"], metrics["mean_regret"]
                print(device, seed, name, f"{ratio:.4f} {regret:.3f} {seconds:.0f}", flush=True)


if __name__ == "__main__":
    main()
