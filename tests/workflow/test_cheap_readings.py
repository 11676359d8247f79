"""Cheap readings in the workflow: in files of their own, as in one process, and resumed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import contents, snakemake, table_experiment, write_config

from nagevo.experiment.config import parse_config
from nagevo.experiment.search import search_experiment
from nagevo.foundation.tables import write_table

TARGETS = ("results/tiny/measurements.parquet", "results/tiny/surrogates/accuracy.safetensors")


def prepare(folder):
    """Write the config of a small experiment whose cheap readings are noisy and too low; return it."""
    config = table_experiment(folder)
    table = pd.read_parquet(folder / "table.parquet")
    early = 0.7 * table["accuracy"] + np.random.default_rng(1).normal(0, 0.5, len(table))
    write_table(table.assign(early=early), folder / "table.parquet")
    config["accuracy"]["fidelities"] = [{"cost": 0.1, "column": "early"}]
    config["devices"] = {"phone": config["devices"]["phone"]}
    config["search"] = {"evaluations": 30, "rounds": 2, "shards": 1, "population": 20, "generations": 5}
    write_config(folder, config)
    return config


def test_the_workflow_reads_what_a_search_in_one_process_reads_and_resumes(tmp_path, monkeypatch):
    config = prepare(tmp_path)
    snakemake(tmp_path, "--cores", "1", "results/tiny/cheap/proposals.parquet")
    begun = contents(tmp_path, "results/tiny/rounds/0/**/*.parquet", "results/tiny/cheap/*.parquet")
    snakemake(tmp_path, "--cores", "1", *TARGETS)
    full, cheap = (pd.read_parquet(tmp_path / f"results/tiny/{name}.parquet") for name in ("measurements", "cheap"))
    assert (len(full), len(cheap)) == (21, 90)  # of 30, a share of 0.3 is spent: 9 / 0.1 cheap readings
    resumed = contents(tmp_path, "results/tiny/rounds/0/**/*.parquet", "results/tiny/cheap/*.parquet")
    assert {name: resumed[name] for name in begun} == begun

    monkeypatch.chdir(tmp_path)
    experiment = parse_config(config)
    space, found = experiment.create_space(), search_experiment(experiment)
    pd.testing.assert_frame_equal(found.to_frame(space), full)
    pd.testing.assert_frame_equal(found.cheap.to_frame(space), cheap)
    table = pd.read_parquet("table.parquet").set_index("architecture")
    assert cheap["accuracy"].tolist() == pytest.approx(table["early"][cheap["architecture"]].tolist())
    assert full["accuracy"].tolist() == pytest.approx(table["accuracy"][full["architecture"]].tolist())
