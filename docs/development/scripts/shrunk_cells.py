"""Print perplexities of recurrent cells that AutoShrink shrinks, of randomly shrunk ones and of LSTMs, by their edges.

    python docs/development/scripts/shrunk_cells.py --seeds 3

For each seed, AutoShrink removes edges from the full cell, one after the other, by the perplexities of trained cells
and their multiply–accumulates. As many cells with the same numbers of edges come from the full cell by removing edges
at random. At each number of edges either side's best cell on the validation split is read on the test split. An LSTM
with as many parameters is trained by the same recipe, with the best of three learning rates on the validation split.

The text is that of the dataset `text` without a path. Every training is an evaluation, and nothing is shared between
them: cells are trained side by side, which saves time and changes nothing else.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch
from torch import nn

from nagevo.measure.accuracy.dataset import readings
from nagevo.measure.accuracy.training import TrainingEvaluator
from nagevo.measure.measurements import Measurements
from nagevo.search.methods.autoshrink import AutoShrink
from nagevo.spaces.base import RowIndex, among, without
from nagevo.spaces.rnn_dag.network import FUNCTIONS, RNNDAGNetwork, leaves_of, sources_of
from nagevo.spaces.rnn_dag.space import RNNDAGSpace
from nagevo.training.loop import cross_entropy, cross_entropy_step, fit

MOST = 12
"""Cells that are trained side by side."""
SHARED = ("embedding.weight", "token", "state", "bias")
"""Weights that all cells have."""
LSTM_EDGES = (1, 3, 6, 9, 12, 15)
"""Edges of the cells that LSTMs are as large as."""
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
    evaluator = SideBySide(
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
    shrunk = shrink(space, evaluator, options.candidates, seed)
    drawn = at_random(space, shrunk[1:], rng=np.random.default_rng(seed))
    tables = [cells(space, evaluator, kind, rows) for kind, rows in {"shrunk": shrunk, "random": drawn}.items()]
    first = np.arange(space.n_choices) < np.array(LSTM_EDGES)[:, None]  # a cell with so many edges
    sizes = dict(zip(LSTM_EDGES, space.costs(first.astype(np.int8))["parameters"].tolist(), strict=True))
    tables.append(lstms(evaluator, options, sizes, seed))
    return pd.concat(tables).assign(seed=seed)


class SideBySide(TrainingEvaluator):
    """Train each cell by itself, several at a time."""

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        """Return the readings of cells, those that are new trained now."""
        new = without(choices, self._choices)
        for part in np.array_split(new, -(-len(new) // MOST)) if len(new) else []:
            self._networks += self._train([self._untrained(row) for row in part])
        self._choices = np.concatenate([self._choices, new])
        return super().evaluate(choices, split=split)

    def trained(self, choices: np.ndarray) -> nn.Module:
        """Return a cell that was trained."""
        return self._networks[RowIndex(self._choices).rows(choices[None])[0]]

    @cached_property
    def _choices(self) -> np.ndarray:
        return np.empty((0, self.space.n_choices), dtype=np.int8)

    @cached_property
    def _networks(self) -> list[nn.Module]:
        return []

    def _train(self, networks: list[nn.Module]) -> list[nn.Module]:
        """Return networks after their training by the recipe."""
        torch.set_num_threads(1)
        together = Together(networks)

        def step(x: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> None:
            logits = together(x)
            (cross_entropy(logits.flatten(0, 1), labels.repeat(len(networks), 1)) * len(networks)).backward()
            together.clip(self.recipe.clip)

        fit(together, step, self.examples("train"), replace(self.recipe, clip=None), seed=self.seed)
        return together.networks()


class Together(nn.Module):
    """Cells of the same size, computed at the same time: edges that others have are there and count nothing.

    Parameters
    ----------
    networks : list of RNNDAGNetwork, length n
    """

    def __init__(self, networks: list[RNNDAGNetwork]):
        super().__init__()
        self.alone = networks
        reads = np.stack([network.reads for network in networks])  # (n, nodes, nodes)
        self.activations, self.width = networks[0].activations, networks[0].width
        self.sources = sources_of(reads.any(axis=0))
        self.shared = nn.ParameterDict(
            {
                name.partition(".")[0]: torch.stack([network.get_parameter(name).detach() for network in networks])
                for name in SHARED
            }
        )
        edges = {str(node): torch.stack([self._edges(each, node) for each in networks], 1) for node in self.sources}
        self.edges = nn.ParameterDict(edges)  # each (sources, n, width, 2 width)
        means = reads / np.maximum(reads.sum(axis=2, keepdims=True), 1)
        self.means = {
            node: torch.from_numpy(means[:, node, sources]).float().T[..., None, None]  # (sources, n, 1, 1)
            for node, sources in self.sources.items()
        }
        leaves = np.array([[node in leaves_of(each) for node in (0, *self.sources)] for each in reads])
        self.leaves = torch.from_numpy(leaves / leaves.sum(axis=1, keepdims=True)).float().T[..., None, None]

    def _edges(self, network: RNNDAGNetwork, node: int) -> torch.Tensor:
        """Return the weights of edges into a node, zero where there are none, shape (sources, width, 2 width)."""
        weights = torch.zeros(len(self.sources[node]), self.width, 2 * self.width)
        own = network.sources.get(node, [])
        if own:
            weights[[self.sources[node].index(source) for source in own]] = network.edges[str(node)].detach()
        return weights

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits of all cells, shape (n, batch, length, vocabulary)."""
        embedding = self.shared["embedding"]
        n, (batch, length) = len(embedding), tokens.shape
        given = torch.bmm(embedding[:, tokens.flatten()], self.shared["token"]).view(n, batch, length, -1)
        state = given.new_zeros(n, batch, self.width)
        states = []
        for at in range(length):
            gate, candidate = (given[:, :, at] + torch.bmm(state, self.shared["state"])).chunk(2, -1)
            values = {0: torch.lerp(state, candidate.tanh(), gate.sigmoid())}  # each (n, batch, width)
            for node, sources in self.sources.items():
                read = torch.stack([values[source] for source in sources])
                brought = torch.bmm(read.flatten(0, 1), self.edges[str(node)].flatten(0, 1))
                gate, candidate = brought.view(len(sources), n, batch, -1).chunk(2, -1)
                function = FUNCTIONS[self.activations[node - 1]]
                values[node] = (torch.lerp(read, function(candidate), gate.sigmoid()) * self.means[node]).sum(0)
            state = (torch.stack(list(values.values())) * self.leaves).sum(0)
            states.append(state)
        logits = torch.bmm(torch.stack(states, 2).flatten(1, 2), embedding.mT) + self.shared["bias"][:, None]
        return logits.view(n, batch, length, -1)

    def clip(self, most: float) -> None:
        """Shorten the gradient of each cell to this length."""
        gradients = [parameter.grad for parameter in self.shared.values()]
        gradients += [parameter.grad.transpose(0, 1) for parameter in self.edges.values()]
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)  # (n,)
        factors = (most / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    def networks(self) -> list[nn.Module]:
        """Return the cells with their weights, in evaluation mode."""
        for number, network in enumerate(self.alone):
            weights = {name: self.shared[name.partition(".")[0]][number] for name in SHARED}
            for node, sources in network.sources.items():
                places = [self.sources[node].index(source) for source in sources]
                weights[f"edges.{node}"] = self.edges[str(node)][places, number]
            network.load_state_dict(weights)
            network.eval()
        return self.alone


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
