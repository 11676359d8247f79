"""Compare the latencies of networks whose widths are multiples of 2, 4 and 8: python divisors.py CONFIG.yaml [...].

16 architectures of each config's space, from small to large, are built with widths rounded to multiples of 2, 4 and 8,
and timed in the same bursts on the config's first device. Printed for each architecture and in the geometric mean:
multiply–accumulates and latencies, as ratios to those of the first divisor.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from nagevo.experiment.config import parse_config
from nagevo.measure.latency.timing import TimedDevice

DIVISORS, NETWORKS = (2, 4, 8), 16


def compared(path: str) -> pd.DataFrame:
    """Return the ratios for an experiment of the space `mobilenetv3`, an architecture in each row."""
    content = yaml.safe_load(Path(path).read_text())
    experiments = [parse_config(content | {"space": content["space"] | {"divisor": each}}) for each in DIVISORS]
    spaces = [experiment.create_space() for experiment in experiments]
    rows = spaces[0].sample_range(NETWORKS, rng=np.random.default_rng(0))
    macs = [space.costs(space.normal(rows))["macs"] for space in spaces]
    networks = [(space, row) for space in spaces for row in space.normal(rows)]
    builders = [partial(space.network, row) for space, row in networks]
    shapes = [space.input_shape_of(row) for space, row in networks]
    device = next(iter(experiments[0].devices.values())).create()
    assert isinstance(device, TimedDevice)
    timed = device.time_networks([builders[0], *builders], [shapes[0], *shapes], n_references=1)
    ms = timed["latency_ms"].to_numpy(float).reshape(len(DIVISORS), NETWORKS)
    columns = {f"macs {d}": values / macs[0] for d, values in zip(DIVISORS, macs, strict=True)}
    columns |= {f"ms {d}": values / ms[0] for d, values in zip(DIVISORS, ms, strict=True)}
    return pd.DataFrame(columns, index=[text.partition("@")[2] for text in spaces[0].to_text(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="+")
    for path in parser.parse_args().configs:
        table = compared(path)
        table.loc["mean"] = np.exp(np.log(table).mean())
        print(path, table.round(2).to_string(), sep="\n")


if __name__ == "__main__":
    main()
