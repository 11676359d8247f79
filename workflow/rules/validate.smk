"""An optional check of the supernet; not a part of `all`."""


rule validate_supernet:
    """Compare supernet accuracies with those of training each architecture alone."""
    input:
        weights=f"{RESULTS}/supernet.safetensors",
        data=plan.files("accuracy"),
    output:
        table=f"{RESULTS}/validate_supernet.csv",
    log:
        f"{RESULTS}/logs/validate_supernet.log",
    benchmark:
        f"{RESULTS}/benchmarks/validate_supernet.tsv"
    threads: 1
    resources:
        **plan.accuracy_resources,
    params:
        config=plan.config("seed", "space", "accuracy"),
        source=plan.source("nagevo.cli.steps.validate_supernet", "space", "evaluator"),
    shell:
        "nagevo step validate-supernet --config {params.config:q} --weights {input.weights} --output {output.table}"
        " 2>&1 | tee {log} >&2"
