"""Strategies side by side: every search is a job of its own."""


rule search:
    """Search for the frontiers of one device, or of all, with one strategy, effort and seed."""
    input:
        weights=plan.weights,
        data=plan.files("accuracy", "devices", "search"),
    output:
        history="results/{experiment}/compare/histories/{devices}/{strategy}/{evaluations}-{seed}.parquet",
    log:
        "results/{experiment}/logs/compare/{devices}/{strategy}/{evaluations}-{seed}.log",
    benchmark:
        "results/{experiment}/benchmarks/compare/{devices}/{strategy}/{evaluations}-{seed}.tsv"
    resources:
        **plan.search_resources,
    params:
        config=plan.compared_config,
        source=plan.source("nagevo.cli.search", "space", "evaluator", "devices", "strategy"),
        weights=plan.weights_option,
        trained=plan.trained,
    shell:
        "nagevo search --config {params.config:q} {params.weights} {input.weights} {params.trained} --output {output.history}"
        " 2>&1 | tee {log} >&2"


rule compare:
    """Measure every search against the true or best-known frontier of each device."""
    input:
        histories=expand(f"{RESULTS}/compare/histories/{{search}}.parquet", search=plan.compared),
        data=plan.files("accuracy", "devices", "compare"),
    output:
        metrics=f"{RESULTS}/compare/tables/metrics.csv",
        curves=expand(f"{RESULTS}/compare/tables/{{name}}.csv", name=["hypervolume", "regret"]),
        page=report(
            f"{RESULTS}/compare/compare.html",
            caption="../report/compare.rst",
            category="Comparison",
        ),
        hypervolume=report(
            f"{RESULTS}/compare/figures/hypervolume.svg",
            caption="../report/compare_hypervolume.rst",
            category="Comparison",
        ),
        regret=report(
            f"{RESULTS}/compare/figures/regret.svg",
            caption="../report/compare_regret.rst",
            category="Comparison",
        ),
        images=expand(f"{RESULTS}/compare/figures/{{name}}.png", name=["hypervolume", "regret"]),
    log:
        f"{RESULTS}/logs/compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare.tsv"
    params:
        config=plan.config("experiment", "space", "accuracy", "devices", "compare"),
        source=plan.source("nagevo.cli.compare", "space", "evaluator"),
        benchmarks=f"{RESULTS}/benchmarks/compare",
        figures=subpath(output.hypervolume, parent=True),
        tables=subpath(output.metrics, parent=True),
    shell:
        "nagevo compare --config {params.config:q} --output {params.tables} --page {output.page}"
        " --benchmarks {params.benchmarks} --figures {params.figures} {input.histories} 2>&1 | tee {log} >&2"
