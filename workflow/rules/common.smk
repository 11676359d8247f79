"""Definitions that all rules share; `plan` is explained in nagevo.experiment.workflow."""

import re

BUNDLE = "results/{experiment}/generator/model.safetensors"  # a file of the bundle: Snakemake empties declared folders


localrules:
    list_round,
    merge,
    merge_cheap,
    networks,
    verify,


wildcard_constraints:
    experiment=re.escape(plan.experiment.name),
    batch=r"rounds/\d+|cheap|evaluation|verify/\d+(/[^/]+/\d+)?",
    round=r"\d+",
    shard=r"\d+",
    device="|".join(map(re.escape, plan.devices)),
    split="validation|test",
    strategy=r"\w+",
    evaluations=r"\d+",
    seed=r"\d+",
