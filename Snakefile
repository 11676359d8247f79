"""One experiment: measure architectures round by round, learn the frontier, distill it, answer budgets, report."""

from nagevo.workflow import validated


configfile: "config.yaml"


experiment = validated(config)


include: "workflow/rules/common.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/surrogate.smk"
include: "workflow/rules/evolve.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/evaluate.smk"


rule all:
    """Everything up to the report."""
    default_target: True
    input:
        f"results/{experiment.name}/generator",
        f"results/{experiment.name}/evaluation.json",
        f"results/{experiment.name}/report.html",
