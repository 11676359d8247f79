"""Print perplexities of recurrent cells that AutoShrink shrinks, of randomly shrunk ones and of LSTMs, by their edges.

    python docs/development/scripts/shrunk_cells.py --seeds 3

For each seed, AutoShrink removes edges from the full cell, one after the other, by the perplexities of trained cells
and their multiply–accumulates. As many cells with the same numbers of edges come from the full cell by removing edges
at random. At each number of edges either side's best cell on the validation split is read on the test split. An LSTM
with as many parameters is trained by the same recipe, with the best of three learning rates on the validation split.

The text is that of the dataset `text` without a path. Every training is an evaluation; nothing is shared between them.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import nn

from nagevo.measure.accuracy.dataset import readings
from nagevo.measure.accuracy.training import TrainingEvaluator
from nagevo.measure.measurements import Measurements
from nagevo.search.methods.autoshrink import AutoShrink
from nagevo.spaces.base import among
from nagevo.spaces.rnn_dag.space import RNNDAGSpace
from nagevo.training.loop import cross_entropy_step, fit

RATES = (1 / 3, 1.0, 3.0)
"""Learning rates of LSTMs, as shares of the cells' one."""


def main() -> None:
    """Print the perplexities at each number of edges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="searches of either kind")
    parser.add_argument("--candidates", type=int, default=4, help="removals that are tried at each step")
    parser.add_argument("--width", type=int, default=16, help="units of a node")
    parser.add_argument("--vocabulary", type=int, default=48, help="different characters")
    parser.add_argument("--length", type=int, default=16, help="characters in a sequence")
    parser.add_argument("--train", type=int, default=4000, help="sequences for training")
    parser.add_argument("--epochs", type=int, default=2, help="passes over them")
    parser.add_argument("--batch-size", type=int, default=64, help="sequences in a step")
    parser.add_argument("--learning-rate", type=float, default=6.0, help="its peak")
    parser.add_argument("--output", help="CSV file of all readings")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time")
    options = parser.parse_args()
    tables: list[pd.DataFrame] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for table in pool.map(partial(compared, options), range(options.seeds)):
            tables.append(table)
            if options.output:
                pd.concat(tables).to_csv(options.output, index=False)
    report(pd.concat(tables, ignore_index=True))


def compared(options: argparse.Namespace, seed: int) -> pd.DataFrame:
    """Return the readings of one seed: ``seed, kind, edges, parameters, validation, test`` (perplexities)."""
    space = RNNDAGSpace(width=options.width, vocabulary=options.vocabulary, length=options.length)
    sequences = {"train": options.train, "validation": 1000, "test": 2000}
    evaluator = TrainingEvaluator(
        space,
        seed=seed,
        dataset={"name": "text", "length": options.length, "vocabulary": options.vocabulary, **sequences},
        training={
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.learning_rate,
            "warmup_epochs": 0.2,
            "label_smoothing": 0.0,
            "weight_decay": 0.0,
            "clip": 0.25,
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        evaluator.keep(folder)
        shrunk = shrink(space, evaluator, options.candidates, seed)
        drawn = at_random(space, shrunk[1:], rng=np.random.default_rng(seed))
        tables = [cells(space, evaluator, kind, rows) for kind, rows in {"shrunk": shrunk, "random": drawn}.items()]
    sizes = space.costs(np.tril(np.ones((space.n_choices,) * 2, dtype=np.int8)))["parameters"]  # of 1, 2, … edges
    tables.append(lstms(evaluator, options, dict(enumerate(sizes.tolist(), start=1)), seed))
    return pd.concat(tables).assign(seed=seed)


def shrink(space: RNNDAGSpace, evaluator: TrainingEvaluator, candidates: int, seed: int) -> np.ndarray:
    """Return all cells that AutoShrink has trained when its path has no edge left, the full cell first."""
    strategy = AutoShrink(
        space, ["macs"], seed=seed, candidates=candidates, removals=1, quality="perplexity", cost="macs"
    )
    table, left = Measurements.empty(space, ["macs"]), space.n_choices
    while left > 1:
        proposed = strategy.ask(min(candidates, left) + (not len(table)))
        scores = evaluator.evaluate(proposed)
        table = table.extended(
            Measurements(
                proposed,
                np.full(len(proposed), table.n_rounds),
                scores["accuracy"].to_numpy(),
                {"macs": space.costs(proposed)["macs"].astype(float)},
                readings={"perplexity": scores["perplexity"].to_numpy()},
            )
        )
        strategy.tell(table)
        left = int(strategy.path("macs")[-1].sum())
    return table.choices


def at_random(space: RNNDAGSpace, like: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Return different cells with as many edges as those given, made by removing random edges from the full cell."""
    drawn = np.empty((0, space.n_choices), dtype=np.int8)
    for edges in like.sum(axis=1):
        for _ in range(100):  # until there is one that is new
            cell = space.extremes()[1]
            while cell.sum() > edges:
                cell[rng.choice(np.flatnonzero(cell))] = 0
                cell = space.canonical(cell[None])[0]
            if cell.sum() == edges and not among(cell[None], drawn)[0]:
                drawn = np.concatenate([drawn, cell[None]])
                break
    return drawn


def cells(space: RNNDAGSpace, evaluator: TrainingEvaluator, kind: str, choices: np.ndarray) -> pd.DataFrame:
    """Return the readings of cells."""
    columns = {split: evaluator.evaluate(choices, split=split)["perplexity"] for split in ("validation", "test")}
    parameters = space.costs(choices)["parameters"]
    return pd.DataFrame({"kind": kind, "edges": choices.sum(axis=1), "parameters": parameters, **columns})


class LSTM(nn.Module):
    """Embedding, one LSTM, classifier of the next token."""

    def __init__(self, vocabulary: int, width: int, hidden: int):
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.lstm(self.embedding(tokens))[0])  # (batch, length, vocabulary)


def lstms(
    evaluator: TrainingEvaluator, options: argparse.Namespace, sizes: Mapping[int, int], seed: int
) -> pd.DataFrame:
    """Return the readings of LSTMs with the most units that these numbers of parameters, by edges, allow."""
    rows = []
    for edges, most in sizes.items():
        build = partial(LSTM, options.vocabulary, options.width)
        hidden = max(n for n in range(1, 200) if count(build(n)) <= most)
        tried = [trained(partial(build, hidden), evaluator, options.learning_rate * rate, seed) for rate in RATES]
        best = min(tried, key=lambda perplexities: perplexities[0])
        rows.append(("lstm", edges, count(build(hidden)), *best))
    return pd.DataFrame(rows, columns=["kind", "edges", "parameters", "validation", "test"])


def count(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def trained(build: Callable[[], nn.Module], evaluator: TrainingEvaluator, rate: float, seed: int) -> list[float]:
    """Train a network by the evaluator's recipe at another rate; return its validation and its test perplexity."""
    torch.manual_seed(seed)
    network, recipe = build(), replace(evaluator.recipe, learning_rate=rate)
    fit(network, cross_entropy_step(network, recipe), evaluator.examples("train"), recipe, seed=seed)
    network.eval()
    return [math.exp(readings(network, evaluator.examples(split))[2]) for split in ("validation", "test")]


def report(table: pd.DataFrame) -> None:
    """Print test perplexities at each number of edges, as means over seeds, and in how many seeds shrunk is lowest."""
    table = table.assign(kind=table["kind"].str.replace("random", "best of random"))
    best = table.loc[table.groupby(["edges", "seed", "kind"])["validation"].idxmin()]
    chosen = best.set_index(["edges", "seed", "kind"])["test"].unstack()
    drawn = table[table["kind"] == "best of random"].groupby(["edges", "seed"])["test"].mean()
    chosen["mean of random"] = drawn
    shown = chosen.groupby("edges").mean()
    for kind in ("best of random", "mean of random", "lstm"):
        lower = (chosen["shrunk"] < chosen[kind]).where(chosen[["shrunk", kind]].notna().all(axis=1))
        shown[f"seeds below {kind}"] = lower.groupby("edges").sum()
    cells = table[table["kind"] == "shrunk"]
    shown.insert(0, "parameters", cells.groupby("edges")["parameters"].first())
    shown.insert(1, "trained", cells.groupby("edges").size())
    print(shown[::-1].to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
