"""Measurements that are kept between workflows: taken where everything is the same, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import contents, snakemake, table_experiment, write_config

SEARCH = {"evaluations": 6, "rounds": 1, "shards": 1}
PER_RUN = 3
"""One table of accuracies and one of latencies for each of two devices."""


class Cache:
    """A cache, and folders in which an experiment runs with it."""

    def __init__(self, folder: Path):
        self.folder, self.kept = folder, folder / "cache"
        self.kept.mkdir()

    def prepare(self, name: str, **sections) -> Path:
        """Return a new folder with the tables and the config."""
        config = (
            table_experiment(self.folder / name)
            | {"search": SEARCH, "experiment": name, "evaluation": {"confidence": 0.5}}
            | sections
        )
        write_config(self.folder / name, config)
        return self.folder / name

    def run(self, folder: Path, table: str = "measurements") -> bytes:
        """Run the workflow up to a table; return its content."""
        target = f"results/{folder.name}/{table}.parquet"
        snakemake(folder, "--cores", "2", target, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(self.kept))
        return contents(folder, target)[target]

    def __len__(self) -> int:
        return len(list(self.kept.iterdir()))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Iterator[tuple[Cache, bytes]]:
    """Return a cache with the measurements of one run, and these."""
    made = Cache(tmp_path_factory.mktemp("cache"))
    measured = made.run(made.prepare("first"))
    assert len(made) == PER_RUN
    return made, measured


def test_another_experiment_takes_equal_measurements_from_the_cache(cache):
    made, measured = cache
    before = len(made)
    folder = made.prepare("second", generator={"steps": 7})
    assert made.run(folder) == measured
    assert len(made) == before
    assert (folder / "results/second/rounds/0/validation/0.parquet").is_symlink()


def test_a_table_with_other_content_under_the_same_path_is_read(cache):
    made, measured = cache
    before, folder = len(made), made.prepare("third")
    table = pd.read_parquet(folder / "table.parquet")
    table.assign(accuracy=table["accuracy"] / 2).to_parquet(folder / "table.parquet")
    assert made.run(folder) != measured
    accuracies = [
        pd.read_parquet(made.folder / f"{name}/results/{name}/measurements.parquet")["accuracy"]
        for name in ("first", "third")
    ]
    pd.testing.assert_series_equal(accuracies[1], accuracies[0] / 2)
    assert len(made) == before + PER_RUN


def test_other_proposals_made_in_the_same_way_are_measured(cache):
    made, _ = cache
    before, folder = len(made), made.prepare("fourth")
    made.run(folder, "rounds/0/proposals")
    path = folder / "results/fourth/rounds/0/proposals.parquet"
    other = pd.DataFrame({"architecture": pd.read_parquet(folder / "table.parquet")["architecture"][100:106].tolist()})
    other.to_parquet(path)  # as if latencies of an earlier round, which differ each time, had led elsewhere
    made.run(folder)
    measured = pd.read_parquet(folder / "results/fourth/measurements.parquet")
    assert measured["architecture"].tolist() == other["architecture"].tolist()
    assert measured["accuracy"].notna().all()
    assert len(made) == before + PER_RUN
