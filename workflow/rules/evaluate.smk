"""The answers, measured again for real, beside the best measured networks."""


rule answer:
    """Answer evenly spaced budgets by the generator and by the best measured network."""
    input:
        model=BUNDLE,
        measurements="results/{experiment}/measurements.parquet",
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
        " --output {output.answers} --architectures {output.architectures}"
        " 2>&1 | tee {log} >&2"


rule evaluate:
    """Compare the answers with new measurements of their networks."""
    input:
        answers="results/{experiment}/evaluation/answers.parquet",
        conditions="results/{experiment}/conditions.json",
        accuracies=expand("results/{{experiment}}/evaluation/test/{shard}.parquet", shard=plan.shards),
        latencies=plan.evaluation_latencies,
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
