"""Verification rounds in the workflow: resumed, left out, and without anything new."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import contents, snakemake, table_experiment, write_config

import nagevo

BUNDLE = "results/tiny/generator/model.safetensors"


def prepare(folder: Path, rounds: int) -> Path:
    """Write the config of a small experiment on a device that is timed, and return the folder."""
    config = table_experiment(folder)
    config |= {
        "devices": {"watch": {"backend": "watches:Watch", "path": "table.parquet", "column": "phone"}},
        "search": {"strategy": "random", "evaluations": 30, "rounds": 1, "shards": 1},
        "evolve": {"population": 20, "generations": 10},
        "generator": {"steps": 40, "synthetic_devices": 1},
        "verify": {"rounds": rounds},
    }
    write_config(folder, config)
    return folder


@pytest.fixture(scope="module")
def verified(tmp_path_factory) -> Path:
    """Return the folder of an experiment whose generator was verified in three rounds."""
    folder = prepare(tmp_path_factory.mktemp("verified"), 3)
    snakemake(folder, "--cores", "2", BUNDLE)
    return folder


def test_each_round_measures_answers_and_the_generator_knows_them(verified):
    before, after = (nagevo.load(verified / f"results/tiny/{name}") for name in ("distilled/0", "generator"))
    steps = after.steps(device="watch", confidence=0.8)
    assert not any(answer.verified for answer in before.steps(device="watch", confidence=0.8))
    assert np.mean([answer.verified for answer in steps]) > 0.7
    known = pd.read_parquet(verified / "results/tiny/verified/1.parquet")
    assert {"again_0_watch", "again_1_watch"} <= set(known.columns)
    assert len(known) > len(pd.read_parquet(verified / "results/tiny/measurements.parquet")) == 30


def test_a_run_that_is_interrupted_between_rounds_ends_as_one_that_is_not(verified, tmp_path):
    folder = prepare(tmp_path, 3)
    snakemake(folder, "--cores", "1", "results/tiny/verified/1.parquet")
    snakemake(folder, "--cores", "1", BUNDLE)
    patterns = ("results/tiny/verif*/**/*.parquet", "results/tiny/distilled/**/*", "results/tiny/generator/*")
    assert contents(folder, *patterns) == contents(verified, *patterns)


def test_without_rounds_the_first_generator_is_the_last(verified, tmp_path):
    folder = prepare(tmp_path, 0)
    snakemake(folder, "--cores", "2", BUNDLE)
    assert not (folder / "results/tiny/distilled").exists()
    assert contents(folder / "results/tiny/generator", "*") == contents(verified / "results/tiny/distilled/0", "*")


def test_a_round_without_new_answers_measures_nothing_and_changes_nothing(verified):
    results = verified / "results/tiny"
    empty = [
        number for number in (2, 3) if not len(pd.read_parquet(results / f"verify/{number}/watch/0/proposals.parquet"))
    ]
    for number in empty:
        assert (results / f"verified/{number}.parquet").read_bytes() == (
            results / f"verified/{number - 1}.parquet"
        ).read_bytes()
    if empty:
        last = contents(results / "generator", "*")
        assert last == contents(results / f"distilled/{empty[0] - 1}", "*")
