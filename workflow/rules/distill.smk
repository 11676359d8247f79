"""One generator for all devices."""


rule distill:
    """Distill the frontiers of all devices into one budget-conditioned generator."""
    input:
        measurements="results/{experiment}/measurements.parquet",
        frontiers=expand("results/{{experiment}}/frontiers/{device}.parquet", device=plan.devices),
        surrogates=expand(
            "results/{{experiment}}/surrogates/{quantity}.safetensors",
            quantity=["accuracy", *(f"latency_{device}" for device in plan.devices)],
        ),
        weights=plan.weights,
    output:
        model=BUNDLE,
    log:
        "results/{experiment}/logs/distill.log",
    benchmark:
        "results/{experiment}/benchmarks/distill.tsv"
    threads: 2
    params:
        config=plan.config("experiment", "seed", "space", "accuracy", "devices", "generator"),
        source=plan.source("nagevo.cli.steps.distill", "space"),
        surrogates="results/{experiment}/surrogates",
        bundle=subpath(output.model, parent=True),
        weights=plan.weights_option,
    shell:
        "nagevo step distill --config {params.config:q} --measurements {input.measurements} {params.weights} {input.weights}"
        " --surrogates {params.surrogates} --output {params.bundle} {input.frontiers} 2>&1 | tee {log} >&2"
