"""The answers, measured again for real, beside the best measured networks and those of a random search."""


rule sample:
    """Draw the architectures of the random search."""
    output:
        architectures="results/{experiment}/random/proposals.parquet",
    log:
        "results/{experiment}/logs/random/sample.log",
    benchmark:
        "results/{experiment}/benchmarks/random/sample.tsv"
    params:
        config=plan.config("seed", "space", "search"),
        source=plan.source("nagevo.cli.sample", "space"),
    shell:
        "nagevo sample --config {params.config:q} --output {output.architectures} 2>&1 | tee {log} >&2"


rule answer:
    """Answer evenly spaced budgets by the generator, by the best measured network and by random search."""
    input:
        model=BUNDLE,
        measurements="results/{experiment}/measurements.parquet",
        random="results/{experiment}/random/measurements.parquet",
    output:
        answers="results/{experiment}/evaluation/answers.parquet",
        architectures="results/{experiment}/evaluation/proposals.parquet",
    log:
        "results/{experiment}/logs/evaluation/answer.log",
    benchmark:
        "results/{experiment}/benchmarks/evaluation/answer.tsv"
    params:
        config=plan.config("evaluation"),
        source=plan.source("nagevo.cli.steps.answer", "space"),
        bundle=subpath(input.model, parent=True),
    shell:
        "nagevo step answer --config {params.config:q} --bundle {params.bundle} --measurements {input.measurements}"
        " --random {input.random} --output {output.answers} --architectures {output.architectures}"
        " 2>&1 | tee {log} >&2"


rule evaluate:
    """Compare the answers with new measurements of their networks."""
    input:
        answers="results/{experiment}/evaluation/answers.parquet",
        conditions="results/{experiment}/conditions.json",
        accuracies=expand("results/{{experiment}}/evaluation/test/{shard}.parquet", shard=plan.shards),
        latencies=plan.batch_latencies("evaluation"),
    output:
        evaluation="results/{experiment}/evaluation.json",
    log:
        "results/{experiment}/logs/evaluate.log",
    benchmark:
        "results/{experiment}/benchmarks/evaluate.tsv"
    params:
        config=plan.config("search", "evaluation"),
        source=plan.source("nagevo.cli.steps.evaluate"),
    shell:
        "nagevo step evaluate --config {params.config:q} --answers {input.answers} --output {output.evaluation}"
        " --conditions {input.conditions} {input.accuracies} {input.latencies} 2>&1 | tee {log} >&2"
