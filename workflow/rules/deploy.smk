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
        tuned="results/{experiment}/tuned",
        device="{device}",
    shell:
        "nagevo step deploy --config {params.config:q} --bundle {params.bundle} --device {params.device}"
        " --tuned {params.tuned} --output {params.networks} 2>&1 | tee {log} >&2"


rule networks:
    """Join the tables of the networks that were delivered for each device."""
    input:
        indices=expand("results/{{experiment}}/networks/{device}/index.json", device=plan.devices),
    output:
        index="results/{experiment}/networks/index.json",
    log:
        "results/{experiment}/logs/networks.log",
    benchmark:
        "results/{experiment}/benchmarks/networks.tsv"
    params:
        source=plan.source("nagevo.cli.steps.networks"),
    shell:
        "nagevo step networks --output {output.index} {input.indices} 2>&1 | tee {log} >&2"
