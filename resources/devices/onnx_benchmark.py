"""Print the latency of an ONNX file in onnxruntime on this machine, in milliseconds: a program for device `command`.

    devices:
      board: {backend: command, command: "python resources/devices/onnx_benchmark.py {model}"}

It needs nothing but numpy and onnxruntime, so that it can be copied to the board that is to be measured.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import onnxruntime


def main() -> None:
    """Time one file and print the smallest median of the bursts of runs."""
    parser = argparse.ArgumentParser(description="Print the latency of an ONNX file in milliseconds.")
    parser.add_argument("model", help="ONNX file with a fixed input shape")
    parser.add_argument("--threads", type=int, default=1, help="threads within an operation")
    parser.add_argument("--bursts", type=int, default=20, help="bursts of runs")
    parser.add_argument("--runs", type=int, default=10, help="timed runs in a burst; two untimed ones go before")
    options = parser.parse_args()

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    dtypes = {"tensor(int64)": np.int64}  # tokens; all else is float32
    feed = {entry.name: np.zeros(entry.shape, dtypes.get(entry.type, np.float32)) for entry in session.get_inputs()}
    print(min(burst_ms(session, feed, options.runs) for _ in range(options.bursts)), "ms")


def burst_ms(session: onnxruntime.InferenceSession, feed: dict[str, np.ndarray], runs: int) -> float:
    """Return the median of a burst of runs, in ms."""
    times = []
    for _ in range(2 + runs):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(1000.0 * (time.perf_counter() - start))
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
