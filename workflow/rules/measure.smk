"""Rounds of proposals, their accuracies and their latencies.

A round's proposals take lists of the earlier rounds' files as `ancient`, and the names of the devices as a resource.
Neither triggers a rerun: an experiment that gets another device keeps its measurements, and measures the same
architectures there. (Files themselves would trigger one, `ancient` or not, as soon as there are more of them.)
"""


rule splits:
    """Note which example of the dataset is in which split."""
    input:
        data=plan.files("accuracy/full"),
    output:
        splits="results/{experiment}/splits.parquet",
    log:
        "results/{experiment}/logs/splits.log",
    benchmark:
        "results/{experiment}/benchmarks/splits.tsv"
    params:
        config=plan.config("seed", "space", "accuracy/full"),
        source=plan.source("nagevo.cli.steps.splits", "space", "evaluator"),
    shell:
        "nagevo step splits --config {params.config:q} --output {output.splits} 2>&1 | tee {log} >&2"


rule train:
    """Train the weights that all accuracy evaluations share: the supernet."""
    input:
        data=plan.files("accuracy/full"),
    output:
        weights="results/{experiment}/supernet.safetensors",
    log:
        "results/{experiment}/logs/train.log",
    benchmark:
        "results/{experiment}/benchmarks/train.tsv"
    cache: plan.caching
    threads: 2
    resources:
        **plan.accuracy_resources,
    params:
        config=plan.config("seed", "space", "accuracy/full"),
        source=plan.source("nagevo.cli.train", "space", "evaluator"),
        content=plan.content,
    shell:
        "nagevo train --config {params.config:q} --output {output.weights} 2>&1 | tee {log} >&2"


rule propose:
    """Ask the strategy for the architectures of a round."""
    input:
        rounds=ancient(plan.earlier_rounds),
        cheap=ancient(plan.cheap_before),
        tables=plan.files("search"),
    output:
        architectures="results/{experiment}/rounds/{round}/proposals.parquet",
    log:
        "results/{experiment}/logs/rounds/{round}/propose.log",
    benchmark:
        "results/{experiment}/benchmarks/rounds/{round}/propose.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    resources:
        devices=",".join(plan.devices),
    params:
        config=plan.config("seed", "space", "search", "accuracy/cheap"),
        source=plan.source("nagevo.cli.steps.propose", "space", "strategy"),
        cheap_option=plan.cheap_option_of_round,
        round="{round}",
    shell:
        "nagevo step propose --config {params.config:q} --round {params.round} --devices {resources.devices}"
        " {params.cheap_option} {input.cheap} --output {output.architectures} $(cat /dev/null {input.rounds}) 2>&1 | tee {log} >&2"


rule propose_cheap:
    """Ask the strategy, after the first round, for the architectures whose accuracies are read cheaply."""
    input:
        rounds=ancient("results/{experiment}/rounds/0/files.txt"),
        tables=plan.files("search"),
    output:
        architectures="results/{experiment}/cheap/proposals.parquet",
    log:
        "results/{experiment}/logs/cheap/propose.log",
    benchmark:
        "results/{experiment}/benchmarks/cheap/propose.tsv"
    threads: 1  # results must not depend on how many cores a workflow gets
    resources:
        devices=",".join(plan.devices),
    params:
        config=plan.config("seed", "space", "search", "accuracy/cheap"),
        source=plan.source("nagevo.cli.steps.propose", "space", "strategy"),
    shell:
        "nagevo step propose --config {params.config:q} --cheaply --devices {resources.devices}"
        " --output {output.architectures} $(cat {input.rounds}) 2>&1 | tee {log} >&2"


rule merge_cheap:
    """Join the cheap readings."""
    input:
        architectures="results/{experiment}/cheap/proposals.parquet",
        accuracies=expand("results/{{experiment}}/cheap/validation/{shard}.parquet", shard=plan.shards),
    output:
        cheap="results/{experiment}/cheap.parquet",
    log:
        "results/{experiment}/logs/merge-cheap.log",
    benchmark:
        "results/{experiment}/benchmarks/merge-cheap.tsv"
    params:
        config=plan.config("space"),
        source=plan.source("nagevo.cli.steps.merge", "space"),
    shell:
        "nagevo step merge --config {params.config:q} --output {output.cheap}"
        " {input.architectures} {input.accuracies} 2>&1 | tee {log} >&2"


rule list_round:
    """List the files of a round: its proposals, their accuracies, and their latencies on all devices."""
    input:
        files=plan.batch_files("rounds/{round}"),
    output:
        files="results/{experiment}/rounds/{round}/files.txt",
    log:
        "results/{experiment}/logs/rounds/{round}/list.log",
    shell:
        "printf '%s\\n' {input.files} > {output.files} 2> {log}"


rule score:
    """Read the accuracies of one shard of a batch of architectures."""
    input:
        architectures="results/{experiment}/{batch}/proposals.parquet",
        weights=plan.weights,
        data=plan.files("accuracy/{batch}"),
    output:
        accuracies="results/{experiment}/{batch}/{split}/{shard}.parquet",
    log:
        "results/{experiment}/logs/{batch}/score-{split}-{shard}.log",
    benchmark:
        "results/{experiment}/benchmarks/{batch}/score-{split}-{shard}.tsv"
    cache: plan.caching
    resources:
        **plan.accuracy_resources,
    params:
        config=plan.config("seed", "space", "accuracy/{batch}"),
        source=plan.source("nagevo.cli.score", "space", "evaluator"),
        content=plan.content,
        weights=plan.weights_option,
        trained=plan.trained,
        first=plan.first,
        cheap_option=plan.cheap_option_of_batch,
        shards=len(plan.shards),
        shard="{shard}",
        split="{split}",
    shell:
        "nagevo score --config {params.config:q} --architectures {input.architectures}"
        " {params.weights} {input.weights} {params.trained} --split {params.split} {params.first} {params.cheap_option} --shard {params.shard} --shards {params.shards}"
        " --output {output.accuracies} 2>&1 | tee {log} >&2"


rule profile:
    """Measure one shard of a batch of architectures on one device; timed devices run alone on the machine.

    The answers are measured on several occasions, which wait for other jobs in between: shards are numbered on.
    """
    input:
        architectures="results/{experiment}/{batch}/proposals.parquet",
        data=plan.files("devices/{device}"),
        after=ancient(plan.before_occasion),
    output:
        latencies="results/{experiment}/{batch}/latency/{device}/{shard}.parquet",
    log:
        "results/{experiment}/logs/{batch}/profile-{device}-{shard}.log",
    benchmark:
        "results/{experiment}/benchmarks/{batch}/profile-{device}-{shard}.tsv"
    cache: plan.caching
    threads: plan.device_threads
    resources:
        **plan.device_resources,
    params:
        config=plan.config("seed", "space", "devices/{device}"),
        source=plan.source("nagevo.cli.profile", "space", "device"),
        content=plan.content,
        machine=plan.machine,
        first=plan.first,
        device="{device}",
        shards=plan.shards_of,
        shard=plan.shard_of,
        occasion=plan.occasion_of,
    shell:
        "nagevo profile --config {params.config:q} --device {params.device} {params.first}"
        " --architectures {input.architectures} --shard {params.shard} --shards {params.shards}"
        " --output {output.latencies} 2>&1 | tee {log} >&2"


rule merge:
    """Join the measurements of all rounds."""
    input:
        rounds=plan.all_rounds,
    output:
        measurements="results/{experiment}/measurements.parquet",
        conditions="results/{experiment}/conditions.json",
    log:
        "results/{experiment}/logs/merge.log",
    benchmark:
        "results/{experiment}/benchmarks/merge.tsv"
    params:
        config=plan.config("space"),
        source=plan.source("nagevo.cli.steps.merge", "space"),
    shell:
        "nagevo step merge --config {params.config:q} --output {output.measurements}"
        " --conditions {output.conditions} {input.rounds} 2>&1 | tee {log} >&2"


if plan.caching:  # Snakemake cannot time jobs whose outputs may come from the cache
    for timed in (rules.train, rules.score, rules.profile):
        timed.rule._benchmark = None
