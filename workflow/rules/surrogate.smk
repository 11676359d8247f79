"""Surrogates of accuracy and of the latency on each device, each from its own measurements alone."""


rule surrogate_accuracy:
    """Fit and cross-validate the accuracy surrogate."""
    input:
        rounds=plan.rounds_of_accuracy,
        cheap=plan.cheap,
        prior=plan.files("search"),
    output:
        surrogate="results/{experiment}/surrogates/accuracy.safetensors",
        validation="results/{experiment}/surrogates/accuracy.csv",
    log:
        "results/{experiment}/logs/surrogate-accuracy.log",
    benchmark:
        "results/{experiment}/benchmarks/surrogate-accuracy.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    params:
        config=plan.config("seed", "space", "search"),
        source=plan.source("nagevo.cli.steps.surrogate", "space"),
        cheap_option=plan.cheap_option,
    shell:
        "nagevo step surrogate --config {params.config:q} --quantity accuracy --output {output.surrogate}"
        " --validation {output.validation} {params.cheap_option} {input.cheap} {input.rounds} 2>&1 | tee {log} >&2"


rule surrogate_latency:
    """Fit and cross-validate the latency surrogate of a device, and calibrate its bound for answers."""
    input:
        rounds=plan.rounds_of_device,
    output:
        surrogate="results/{experiment}/surrogates/latency_{device}.safetensors",
        validation="results/{experiment}/surrogates/latency_{device}.csv",
    log:
        "results/{experiment}/logs/surrogate-latency-{device}.log",
    benchmark:
        "results/{experiment}/benchmarks/surrogate-latency-{device}.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    params:
        config=plan.config("seed", "space", "search", "devices/{device}"),
        source=plan.source("nagevo.cli.steps.surrogate", "space", "device"),
        device="{device}",
    shell:
        "nagevo step surrogate --config {params.config:q} --quantity {params.device} --output {output.surrogate}"
        " --validation {output.validation} {input.rounds} 2>&1 | tee {log} >&2"
