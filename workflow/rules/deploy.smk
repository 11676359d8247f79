"""The networks that the experiment ends with."""


rule deploy:
    """Train on and export the answers to some budgets of a device, and time them once more, alone on the machine."""
    input:
        model=BUNDLE,
        data=plan.files("accuracy", "devices/{device}"),
    output:
        index="results/{experiment}/networks/{device}/index.json",
    log:
        "results/{experiment}/logs/deploy-{device}.log",
    benchmark:
        "results/{experiment}/benchmarks/deploy-{device}.tsv"
    threads: plan.device_threads
    resources:
        **plan.device_resources,
    params:
        config=plan.config("seed", "space", "devices/{device}", "evaluation", "deploy"),
        source=plan.source("nagevo.cli.steps.deploy", "space", "evaluator", "device"),
        bundle=subpath(input.model, parent=True),
        networks=subpath(output.index, parent=True),
        device="{device}",
    shell:
        "nagevo step deploy --config {params.config:q} --bundle {params.bundle} --device {params.device}"
        " --output {params.networks} 2>&1 | tee {log} >&2"
