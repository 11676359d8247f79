"""One generator for all devices."""


rule distill:
    """Distill the frontiers of all devices into one budget-conditioned generator."""
    input:
        measurements="results/{experiment}/measurements.parquet",
        conditions="results/{experiment}/conditions.json",
        frontiers=expand("results/{{experiment}}/frontiers/{device}.parquet", device=plan.devices),
        accuracy="results/{experiment}/surrogates/accuracy.safetensors",
        latencies=expand("results/{{experiment}}/surrogates/latency_{device}.safetensors", device=plan.devices),
        weights=plan.weights,
        cheap=plan.cheap,
        data=plan.files("devices"),
    output:
        model=plan.first_bundle,
    log:
        "results/{experiment}/logs/distill.log",
    benchmark:
        "results/{experiment}/benchmarks/distill.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    params:
        config=plan.config("experiment", "seed", "space", "accuracy", "devices", "generator", "verify"),
        source=plan.source("nagevo.cli.steps.distill", "space", "devices"),
        surrogates=subpath(input.accuracy, parent=True),
        bundle=subpath(output.model, parent=True),
        weights=plan.weights_option,
        trained=plan.trained,
        cheap_option=plan.cheap_option,
    shell:
        "nagevo step distill --config {params.config:q} --measurements {input.measurements}"
        " --conditions {input.conditions} {params.weights} {input.weights}"
        " --surrogates {params.surrogates} --output {params.bundle} {params.trained} {params.cheap_option} {input.cheap} {input.frontiers} 2>&1 | tee {log} >&2"
