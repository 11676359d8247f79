"""The frontier of each device, by evolution on the surrogates."""


rule evolve:
    """Evolve the frontier targets of a device."""
    input:
        rounds=plan.rounds_of_device,
        accuracy="results/{experiment}/surrogates/accuracy.safetensors",
        latency="results/{experiment}/surrogates/latency_{device}.safetensors",
    output:
        frontier="results/{experiment}/frontiers/{device}.parquet",
        log="results/{experiment}/frontiers/{device}.log.csv",
    log:
        "results/{experiment}/logs/evolve-{device}.log",
    benchmark:
        "results/{experiment}/benchmarks/evolve-{device}.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    params:
        config=plan.config("seed", "space", "devices/{device}", "evolve"),
        source=plan.source("nagevo.cli.steps.evolve", "space"),
        surrogates=subpath(input.accuracy, parent=True),
        device="{device}",
    shell:
        "nagevo step evolve --config {params.config:q} --device {params.device} --surrogates {params.surrogates}"
        " --output {output.frontier} --log {output.log} {input.rounds} 2>&1 | tee {log} >&2"
