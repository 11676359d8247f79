"""Verification: answers are measured before they are given, and the generator learns from them.

A round without new answers measures nothing, and leaves the generator as it is.
"""


rule unverified:
    """List the answers that were not measured after the search."""
    input:
        model=plan.bundle_before,
        measurements="results/{experiment}/measurements.parquet",
    output:
        architectures="results/{experiment}/verify/{round}/proposals.parquet",
        occasions=expand("results/{{experiment}}/{batch}/proposals.parquet", batch=plan.occasions),
    log:
        "results/{experiment}/logs/verify/{round}/unverified.log",
    benchmark:
        "results/{experiment}/benchmarks/verify/{round}/unverified.tsv"
    params:
        config=plan.config("seed", "space", "devices", "verify", "evaluation"),
        source=plan.source("nagevo.cli.steps.unverified", "space"),
        bundle=subpath(input.model, parent=True),
    shell:
        "nagevo step unverified --config {params.config:q} --bundle {params.bundle}"
        " --measurements {input.measurements} --output {output.architectures} 2>&1 | tee {log} >&2"


rule verify:
    """Join the measurements of a verification round to those before."""
    input:
        measurements=plan.known_before,
        conditions="results/{experiment}/conditions.json",
        tables=plan.verification_files,
    output:
        measurements="results/{experiment}/verified/{round}.parquet",
    log:
        "results/{experiment}/logs/verify/{round}/verify.log",
    benchmark:
        "results/{experiment}/benchmarks/verify/{round}/verify.tsv"
    params:
        config=plan.config("space", "devices", "verify"),
        source=plan.source("nagevo.cli.steps.verify", "space"),
    shell:
        "nagevo step verify --config {params.config:q} --measurements {input.measurements}"
        " --conditions {input.conditions} --output {output.measurements} {input.tables} 2>&1 | tee {log} >&2"


rule relearn:
    """Learn from all that is known after a verification round."""
    input:
        measurements=plan.known_after,
        before=plan.known_before,
        conditions="results/{experiment}/conditions.json",
        model=plan.bundle_before,
        weights=plan.weights,
        cheap=plan.cheap,
        data=plan.files("devices", "search"),
    output:
        model="results/{experiment}/distilled/{round}/model.safetensors",
    log:
        "results/{experiment}/logs/verify/{round}/relearn.log",
    benchmark:
        "results/{experiment}/benchmarks/verify/{round}/relearn.tsv"
    wildcard_constraints:
        round=r"[1-9]\d*",
    threads: 1  # results must not depend on how many cores a workflow gets
    params:
        config=plan.config(
            "experiment",
            "seed",
            "space",
            "accuracy",
            "devices",
            "search",
            "generator",
            "verify",
        ),
        source=plan.source("nagevo.cli.steps.relearn", "space", "devices"),
        before=subpath(input.model, parent=True),
        bundle=subpath(output.model, parent=True),
        weights=plan.weights_option,
        trained=plan.trained,
        cheap_option=plan.cheap_option,
    shell:
        "nagevo step relearn --config {params.config:q} --measurements {input.measurements} --before {input.before}"
        " --conditions {input.conditions} --bundle {params.before} {params.weights} {input.weights} {params.trained}"
        " {params.cheap_option} {input.cheap}"
        " --output {params.bundle} 2>&1 | tee {log} >&2"


if plan.verifications:

    use rule relearn as relearn_last with:
        output:
            model=BUNDLE,
        log:
            "results/{experiment}/logs/verify/relearn.log",
        benchmark:
            "results/{experiment}/benchmarks/verify/relearn.tsv"
