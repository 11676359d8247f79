"""Names that all rules share; what they mean is in nagevo.workflow."""

import re

from nagevo.workflow import Components, sections, source_hash

components = Components(experiment)
DEVICES = list(experiment.devices)
N_ROUNDS = len(experiment.search.round_sizes())
SHARDS = range(experiment.search.shards)


wildcard_constraints:
    experiment=re.escape(experiment.name),
    batch=r"rounds/\d+|random|evaluation",
    round=r"\d+",
    shard=r"\d+",
    device="|".join(map(re.escape, DEVICES)),
    split="validation|test",
