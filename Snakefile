"""One experiment: measure architectures round by round, learn the frontier, distill it, answer budgets, report."""

from nagevo.experiment.workflow import Plan

if not workflow.config_settings.configfiles:  # --configfile replaces the default experiment: sections are not mixed

    configfile: "config.yaml"


container: "workflow/nagevo.sif"


plan = Plan(config, workflow.configfiles)
RESULTS = f"results/{plan.experiment.name}"


include: "workflow/rules/common.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/surrogate.smk"
include: "workflow/rules/evolve.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/verify.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/deploy.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/validate.smk"


rule all:
    """Everything up to the report."""
    default_target: True
    input:
        BUNDLE.format(experiment=plan.experiment.name),
        f"{RESULTS}/evaluation.json",
        f"{RESULTS}/report.html",
        plan.splits,
        plan.delivered,
