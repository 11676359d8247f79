"""What the rules are told: sections of the config, and hashes of the source they depend on."""

import json
import os
import sys
from types import SimpleNamespace
from typing import Annotated

import pytest
from separable import SeparableSpace

from nagevo.experiment.workflow import EVERY_CORE, Plan
from nagevo.foundation.files import project_root
from nagevo.foundation.options import Option
from nagevo.foundation.sources import Sources

CONFIG = {
    "experiment": "e",
    "space": {"name": "nasbench201"},
    "accuracy": {"evaluator": "table", "path": "t.parquet", "column": "accuracy"},
    "devices": {"a": {"backend": "table", "path": "t.parquet"}, "b": {"backend": "table", "path": "u.parquet"}},
    "search": {"strategy": "random", "evaluations": 10, "rounds": 3},
}


class Wildcards(SimpleNamespace):
    """Wildcards as Snakemake gives them: attributes that can be unpacked as keywords."""

    def keys(self):
        return vars(self).keys()

    def __getitem__(self, key):
        return getattr(self, key)


def test_a_rule_is_told_the_sections_it_names_and_of_the_devices_its_own_only():
    given = json.loads(Plan(CONFIG).config("seed", "devices/{device}")(Wildcards(device="b")))
    assert given.keys() == {"seed", "devices"}
    assert given["devices"].keys() == {"b"}


def test_a_round_depends_on_all_earlier_rounds():
    plan = Plan(CONFIG)
    assert plan.earlier_rounds(Wildcards(experiment="e", round="0")) == []
    lists = plan.earlier_rounds(Wildcards(experiment="e", round="2"))
    assert lists == ["results/e/rounds/0/files.txt", "results/e/rounds/1/files.txt"]
    listed = {file.format(experiment="e") for file in plan.batch_files("rounds/1")}
    assert {
        "results/e/rounds/1/proposals.parquet",
        "results/e/rounds/1/validation/0.parquet",
        "results/e/rounds/1/latency/b/0.parquet",
    } <= listed


def test_a_surrogate_depends_on_its_own_measurements_alone():
    plan, wildcards = Plan(CONFIG), Wildcards(experiment="e", device="b")
    assert not any("latency" in file for file in plan.rounds_of_accuracy(wildcards))
    assert {file.split("/")[5] for file in plan.rounds_of_device(wildcards) if "latency" in file} == {"b"}


def test_answers_are_timed_on_occasions_that_wait_for_what_else_is_left_to_do():
    timed = {"backend": "onnxruntime", "shards": 2}
    devices = {"devices": CONFIG["devices"] | {"t": timed}, "evaluation": {"occasions": 3}}
    plan = Plan(CONFIG | devices | {"deploy": {"budgets": 1}})
    folder = "results/{experiment}/evaluation/latency"
    names = [f"{folder}/{name}.parquet" for name in ("a/0", "b/0", *(f"t/{number}" for number in range(6)))]
    assert plan.evaluation_latencies == names  # what a table says is read once
    jobs = [Wildcards(experiment="e", batch="evaluation", device="t", shard=str(number)) for number in (1, 2, 5)]
    assert [(plan.occasion_of(job), plan.shard_of(job)) for job in jobs] == [(0, 1), (1, 0), (2, 1)]
    rest = [f"results/e/evaluation/test/{shard}.parquet" for shard in (0, 1)]
    rest += [f"results/e/networks/{device}/index.json" for device in ("a", "b", "t")]
    assert [plan.before_occasion(job) for job in jobs] == [[], rest[:3], rest]
    assert plan.before_occasion(Wildcards(experiment="e", batch="rounds/1", device="t", shard="1")) == []


def test_extra_latencies_are_read_in_the_first_round_only():
    plan = Plan(CONFIG)
    assert [plan.first(Wildcards(batch=batch)) for batch in ("rounds/0", "rounds/1", "evaluation")] == [
        "--first",
        "",
        "",
    ]


def test_a_mistake_in_the_config_ends_the_workflow_with_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        Plan({**CONFIG, "sead": 1})
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        'nagevo: the configuration is wrong: key "sead" is unknown; did you mean "seed"? '
        "choose one of accuracy, compare, deploy, devices, evaluation, evolve, experiment, generator, search, seed, "
        "space, verify\n"
    )


def test_a_key_that_stands_twice_in_a_file_of_snakemakes_is_refused(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("seed: 1\nseed: 2\n")
    with pytest.raises(SystemExit):
        Plan({**CONFIG, "seed": 2}, [tmp_path / "c.yaml"])
    assert 'c.yaml is not YAML: line 2 repeats the key "seed" of line 1' in capsys.readouterr().err


def test_more_evaluations_than_the_space_has_are_refused(capsys):
    with pytest.raises(SystemExit):
        Plan({**CONFIG, "search": {"strategy": "random", "evaluations": 15_626}})
    assert "search.evaluations: expected at most 15625" in capsys.readouterr().err


COMPARED = {"strategies": ["random", "swift"], "evaluations": [5], "seeds": 2}
COMPARED |= {"variants": {"swift": {"strategy": "autoshrink", "removals": 3}}}


def test_each_search_of_a_comparison_has_a_name():
    assert Plan({**CONFIG, "compare": COMPARED}).compared == [
        "all/random/5-0",
        "all/random/5-1",
        "all/swift/5-0",
        "all/swift/5-1",
    ]
    plan = Plan({**CONFIG, "compare": COMPARED | {"separately": True, "strategies": ["random"], "seeds": 1}})
    assert plan.compared == ["a/random/5-0", "b/random/5-0"]


def test_a_search_of_a_comparison_is_told_its_variant_and_its_devices():
    plan = Plan({**CONFIG, "compare": COMPARED | {"separately": True}})
    told = json.loads(plan.compared_config(Wildcards(devices="b", strategy="swift", evaluations="5", seed="1")))
    assert told["devices"].keys() == {"b"}
    assert told["seed"] == 1
    assert (told["search"]["strategy"], told["search"]["removals"], told["search"]["evaluations"]) == (
        "autoshrink",
        3,
        5,
    )
    swift = plan.source("nagevo.cli.search", "strategy")(Wildcards(strategy="swift"))
    assert swift == Sources().hash("nagevo.cli.search", "nagevo.search.methods.autoshrink:AutoShrink")


def test_mistakes_in_a_variant_are_found(capsys):
    with pytest.raises(SystemExit):
        Plan({**CONFIG, "compare": {"variants": {"swift": {"strategy": "autoshrink", "removal": 3}}}})
    assert 'compare.variants.swift: key "removal" is unknown; did you mean "removals"?' in capsys.readouterr().err


def test_a_variant_with_the_name_of_a_strategy_is_refused(capsys):
    with pytest.raises(SystemExit):  # its options would be those of search.strategy, if that is the same one
        Plan({**CONFIG, "compare": {"variants": {"random": {"strategy": "autoshrink", "removals": 3}}}})
    assert "compare: variants: random is a strategy; choose a name of your own" in capsys.readouterr().err


WITH_RESOURCES = {
    **CONFIG,
    "accuracy": {**CONFIG["accuracy"], "resources": {"gpu": 1}},
    "devices": {
        "a": {**CONFIG["devices"]["a"], "resources": {"constraint": "pi4", "mem_mb": 500}, "shards": 2},
        "b": CONFIG["devices"]["b"],
    },
}


def test_a_job_asks_for_the_resources_of_its_own_device():
    resources = Plan(WITH_RESOURCES).device_resources
    asked = {name: {key: value(Wildcards(device=name)) for key, value in resources.items()} for name in ("a", "b")}
    assert asked["a"] == {"constraint": "pi4", "gpu": 0, "mem_mb": 500}
    assert asked["b"] == {"constraint": None, "gpu": 0, "mem_mb": 0}


def test_a_job_gets_every_core_if_it_times_runs_but_not_to_read_a_file():
    devices = {"timed": {"backend": "onnxruntime"}, "read": {"backend": "table", "path": "t.parquet"}}
    plan = Plan({**CONFIG, "devices": devices})
    assert [plan.device_threads(Wildcards(device=name)) for name in devices] == [EVERY_CORE, 1]


def test_a_search_asks_for_the_resources_of_the_accuracy_and_of_its_devices():
    together, apart = (Plan({**WITH_RESOURCES, "compare": {"separately": separately}}) for separately in (False, True))
    assert {k: v(Wildcards(devices="all")) for k, v in together.search_resources.items()} == {
        "constraint": "pi4",
        "gpu": 1,
        "mem_mb": 500,
    }
    assert {k: v(Wildcards(devices="b")) for k, v in apart.search_resources.items()} == {
        "constraint": None,
        "gpu": 1,
        "mem_mb": 0,
    }


def test_resources_are_no_part_of_what_a_command_is_told():
    for names in (("accuracy",), ("devices",), ("devices/{device}",)):
        assert "resources" not in Plan(WITH_RESOURCES).config(*names)(Wildcards(device="a"))


def test_a_device_is_profiled_in_its_shards():
    plan = Plan(WITH_RESOURCES)
    assert plan.batch_latencies("evaluation") == [
        "results/{experiment}/evaluation/latency/a/0.parquet",
        "results/{experiment}/evaluation/latency/a/1.parquet",
        "results/{experiment}/evaluation/latency/b/0.parquet",
    ]
    files = plan.rounds_of_device(Wildcards(experiment="e", device="a"))
    assert len([file for file in files if "latency" in file]) == 2 * len(plan.rounds)


def test_files_that_the_config_names_by_a_path_are_inputs_where_they_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.parquet").write_text("table")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/train.parquet").write_text("images")
    dataset = {"name": "huggingface", "path": "images"}
    plan = Plan({**CONFIG, "accuracy": {"evaluator": "training", "dataset": dataset}})
    assert plan.files("accuracy")(Wildcards()) == ["images/train.parquet"]
    assert plan.files("devices")(Wildcards()) == ["t.parquet"]
    assert plan.files("devices/{device}")(Wildcards(device="b")) == []
    plan = Plan({**CONFIG, "search": {"prior": "t.parquet"}})
    assert plan.files("search")(Wildcards()) == ["t.parquet"]
    assert plan.experiment.search.prior == "t.parquet"


def test_cheap_readings_are_told_apart_from_full_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("t.parquet", "early.parquet"):
        (tmp_path / name).touch()
    accuracy = {**CONFIG["accuracy"], "fidelities": [{"cost": 0.1, "path": "early.parquet"}]}
    plan = Plan({**CONFIG, "accuracy": accuracy, "search": {"evaluations": 20}})

    def told(**wildcards):
        return json.loads(plan.config("accuracy/{batch}")(Wildcards(**wildcards)))["accuracy"]

    assert "fidelities" not in told(batch="rounds/3")
    assert "fidelities" in told(batch="cheap")
    assert plan.files("accuracy/{batch}")(Wildcards(batch="rounds/3")) == ["t.parquet"]
    assert plan.files("accuracy/{batch}")(Wildcards(batch="cheap")) == ["t.parquet", "early.parquet"]
    assert plan.cheap_before(Wildcards(experiment="e", round="0")) == []
    assert plan.cheap_before(Wildcards(experiment="e", round="1")) == ["results/e/cheap.parquet"]


def test_a_search_without_cheap_readings_has_no_table_of_them():
    accuracy = {**CONFIG["accuracy"], "fidelities": [{"cost": 0.1, "column": "early"}]}
    for config in (CONFIG, {**CONFIG, "accuracy": accuracy}):  # a random search makes no use of them
        plan = Plan(config)
        assert (plan.cheap, plan.cheap_option) == ([], "")
        assert json.loads(plan.config("accuracy/cheap")(Wildcards())) == {}


def test_an_image_added_deep_inside_is_noticed_where_accuracies_are_read(tmp_path):
    (tmp_path / "train/cat").mkdir(parents=True)
    dataset = {"name": "huggingface", "path": str(tmp_path)}
    config = {**CONFIG, "accuracy": {"evaluator": "training", "dataset": dataset}}

    def sources():
        plan = Plan(config)
        return [plan.source("nagevo.cli.profile", kind)(Wildcards(device="a")) for kind in ("evaluator", "device")]

    before = sources()
    os.utime(tmp_path / "train/cat", (1, 1))  # as when a file is added
    after = sources()
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_the_key_of_the_cache_changes_with_the_content_of_the_inputs(tmp_path, monkeypatch):
    path = tmp_path / "proposals.parquet"
    path.write_text("one")
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE", raising=False)
    assert Plan(CONFIG).content(Wildcards(), [path]) == ""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path))
    first = Plan(CONFIG).content(Wildcards(), [path])
    other = tmp_path / "other.parquet"
    other.write_text("one")
    assert Plan(CONFIG).content(Wildcards(), [other]) == first
    other.write_text("another")
    os.utime(other, ns=(0, 0))
    assert Plan(CONFIG).content(Wildcards(), [other]) != first


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "hashedpackage"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "used.py").write_text("import json\nVALUE = 1\n")
    (folder / "unused.py").write_text("VALUE = 1\n")
    (folder / "command.py").write_text("def run():\n    from hashedpackage.used import VALUE\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_the_hash_of_a_module_changes_only_with_what_it_imports(package):
    before = Sources().hash("hashedpackage.command")
    (package / "unused.py").write_text("VALUE = 2\n")
    assert Sources().hash("hashedpackage.command") == before
    (package / "used.py").write_text("import json\nVALUE = 2\n")
    assert Sources().hash("hashedpackage.command") != before


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("command", "from .used import VALUE"),
        ("command", "from . import used"),
        ("command", "from .inner import deep"),
        ("inner", "from ..used import VALUE"),
        ("inner.deep", "from .. import used"),
    ],
)
def test_relative_imports_are_followed(package, module, source):
    (package / "inner").mkdir()
    (package / "inner" / "__init__.py").write_text("from ..used import VALUE")
    (package / "inner" / "deep.py").write_text("from ... import beyond  # refused by Python")
    place = package / "inner/__init__.py" if module == "inner" else package / f"{module.replace('.', '/')}.py"
    place.write_text(source)
    before = Sources().hash(f"hashedpackage.{module}:Class")
    (package / "used.py").write_text("VALUE = 2\n")
    assert Sources().hash(f"hashedpackage.{module}:Class") != before


def test_hashing_sources_imports_none_of_them(package):
    (package / "command.py").write_text("raise RuntimeError\n")
    (package / "__init__.py").write_text("raise RuntimeError\n")
    assert Sources().hash("hashedpackage.command:run")
    assert "hashedpackage" not in sys.modules


class Modeled(SeparableSpace):
    """A space of a network of the user's own."""

    def __init__(self, *, model: Annotated[str, Option("Function that builds the network.")]):
        super().__init__()


def test_the_code_that_an_option_of_the_space_names_is_part_of_its_source(package):
    config = CONFIG | {"space": {"name": f"{__name__}:Modeled", "model": "hashedpackage.used:build"}}

    def sources():
        return [Plan(config).source("nagevo.cli.score", *kinds)(Wildcards()) for kinds in (["space"], ["strategy"])]

    before = sources()
    (package / "used.py").write_text("VALUE = 3\n")
    after = sources()
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_the_files_in_the_folder_of_a_module_are_part_of_its_source(package):
    before = Sources().hash("hashedpackage.command")
    (package / "used").mkdir()
    (package / "used" / "style.css").write_text("a {}")
    assert Sources().hash("hashedpackage.command") != before


def test_the_generators_source_belongs_to_distilling_and_to_nothing_before_it():
    def modules(command):
        return Sources().digests(command).keys() - {
            "nagevo.generator.config"
        }  # the options of a section: a part of every config

    assert "nagevo.generator.model" in modules("nagevo.cli.steps.distill")
    before = ("steps.propose", "steps.merge", "steps.surrogate", "steps.evolve")
    for command in ("train", "score", "profile", *before):
        assert not any(name.startswith("nagevo.generator") for name in modules(f"nagevo.cli.{command}")), command


@pytest.mark.parametrize(("evaluations", "confidence"), [(8, 0.9), (200, 0.99)])
def test_a_confidence_that_needs_more_measurements_is_refused_at_once(evaluations, confidence, capsys):
    config = CONFIG | {"search": {"evaluations": evaluations}, "evaluation": {"confidence": confidence}}
    with pytest.raises(SystemExit):
        Plan(config)
    assert "evaluation.confidence: expected at most 0." in capsys.readouterr().err


def test_no_rule_declares_a_folder_which_snakemake_would_empty():
    rules = [project_root() / "Snakefile", *(project_root() / "workflow/rules").glob("*.smk")]
    assert len(rules) > 5
    assert [path.name for path in rules if "directory(" in path.read_text()] == []


def test_a_file_with_braces_in_its_name_still_triggers_reruns(tmp_path):
    table = tmp_path / "t{x}.csv"
    table.write_text("architecture,latency_ms\n")
    config = CONFIG | {"devices": {"a": {"backend": "table", "path": str(table)}}}
    before = Plan(config)
    assert before.files("devices")(Wildcards()) == []
    table.write_text("architecture,latency_ms\n,1\n")
    assert Plan(config).source("nagevo.cli.profile")(Wildcards()) != before.source("nagevo.cli.profile")(Wildcards())


VERIFIED = {**CONFIG, "devices": {**CONFIG["devices"], "c": {"backend": "torch"}}}


def test_devices_that_cost_nothing_need_no_verification_round():
    plan = Plan(CONFIG)
    assert list(plan.verifications) == []
    assert plan.first_bundle == "results/{experiment}/generator/model.safetensors"
    assert Plan({**VERIFIED, "verify": {"rounds": 0}}).first_bundle == plan.first_bundle


def test_the_generator_of_the_search_is_verified_on_the_devices_that_are_timed():
    plan = Plan(VERIFIED)
    assert plan.first_bundle == "results/{experiment}/distilled/0/model.safetensors"
    assert plan.occasions == ["verify/{round}/c/0", "verify/{round}/c/1"]
    first, last = Wildcards(experiment="e", round="1"), Wildcards(experiment="e")
    assert plan.known_before(first) == "results/e/measurements.parquet"
    assert plan.known_after(last) == "results/e/verified/2.parquet"
    assert plan.bundle_before(last) == "results/e/distilled/1/model.safetensors"
    assert plan.verification_files(first)[-1] == "results/e/verify/1/c/1/latency/c/0.parquet"


def test_answers_are_measured_again_when_all_else_of_their_round_is_done():
    plan = Plan(VERIFIED)
    assert plan.before_occasion(Wildcards(experiment="e", batch="verify/1/c/0")) == []
    assert plan.before_occasion(Wildcards(experiment="e", batch="verify/1/c/1")) == [
        "results/e/verify/1/validation/0.parquet",
        "results/e/verify/1/validation/1.parquet",
        "results/e/verify/1/c/0/latency/c/0.parquet",
    ]
