"""The page of the experiment, and its figures."""

FIGURES = "results/{experiment}/figures"


rule report:
    """Write the interactive page and the figures."""
    input:
        model=BUNDLE,
        measurements="results/{experiment}/measurements.parquet",
        evaluation="results/{experiment}/evaluation.json",
        frontiers=expand("results/{{experiment}}/frontiers/{device}.parquet", device=plan.devices),
        logs=expand("results/{{experiment}}/frontiers/{device}.log.csv", device=plan.devices),
        networks=plan.delivered,
    output:
        page=report(
            "results/{experiment}/report.html",
            caption="../report/page.rst",
            category="Page",
        ),
        frontier=report(
            f"{FIGURES}/frontier.svg",
            caption="../report/frontier.rst",
            category="Frontier",
        ),
        again=report(
            f"{FIGURES}/again.svg",
            caption="../report/again.rst",
            category="Frontier",
        ),
        hypervolume=report(
            f"{FIGURES}/hypervolume.svg",
            caption="../report/hypervolume.rst",
            category="Search",
        ),
        predictions=report(
            f"{FIGURES}/predictions.svg",
            caption="../report/predictions.rst",
            category="Surrogates",
        ),
        stages=report(
            f"{FIGURES}/stages.svg",
            caption="../report/stages.rst",
            category="Time",
        ),
        images=expand(
            "results/{{experiment}}/figures/{name}.png",
            name=["frontier", "again", "hypervolume", "predictions", "stages"],
        ),
    log:
        "results/{experiment}/logs/report.log",
    benchmark:
        "results/{experiment}/benchmarks/report.tsv"
    params:
        config=plan.config(
            "experiment",
            "seed",
            "space",
            "accuracy",
            "devices",
            "search",
            "evolve",
            "generator",
            "evaluation",
        ),
        source=plan.source("nagevo.cli.report", "space"),
        bundle=subpath(input.model, parent=True),
        frontiers=plan.frontiers_folder,
        benchmarks="results/{experiment}/benchmarks",
        networks="results/{experiment}/networks",
        figures=subpath(output.frontier, parent=True),
    shell:
        "nagevo report --config {params.config:q} --bundle {params.bundle} --measurements {input.measurements}"
        " --evaluation {input.evaluation} --frontiers {params.frontiers}"
        " --benchmarks {params.benchmarks} --networks {params.networks} --figures {params.figures} --output {output.page} 2>&1 | tee {log} >&2"
