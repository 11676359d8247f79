"""The configuration: defaults, mistakes, and agreement of the schema with the constructors."""

import inspect

import pytest

from nagevo.experiment.config import component_schema, load_config, parse_config
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.registry import resolve
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.spaces import SPACES
from nagevo.training.datasets import DATASETS, load_images

MINIMAL = {
    "space": {"name": "nasbench201"},
    "accuracy": {"evaluator": "table", "path": "t.parquet", "column": "accuracy"},
    "devices": {"phone": {"backend": "table", "path": "t.parquet"}},
}


def test_absent_keys_get_the_defaults_of_the_schema():
    experiment = parse_config(MINIMAL)
    assert experiment.name == "experiment"
    assert experiment.search.strategy.name == "evolution"
    assert experiment.search.evaluations == 200
    assert experiment.evaluation.confidence == 0.9
    assert experiment.device("phone").backend.options["column"] is None


def test_a_given_mapping_is_not_changed_by_filling_in_defaults():
    given = {**MINIMAL, "search": {"evaluations": 5}}
    parse_config(given)
    assert given["search"] == {"evaluations": 5}


def test_all_mistakes_are_named_at_once_each_with_its_place_and_the_nearest_name():
    wrong = {
        **MINIMAL,
        "seeds": 1,
        "devices": {"phone": {"backend": "tabel", "path": "t.parquet"}},
        "search": {"strategy": "evolutoin", "evaluations": 0},
        "generator": {"hiden": 3},
    }
    with pytest.raises(ConfigError) as caught:
        parse_config(wrong)
    message = str(caught.value)
    assert 'key "seeds" is unknown; did you mean "seed"?' in message
    assert 'devices.phone: backend "tabel" is unknown; did you mean "table"?' in message
    assert 'search: strategy "evolutoin" is unknown; did you mean "evolution"?' in message
    assert "search.evaluations: expected at least 1, got 0" in message
    assert 'generator: key "hiden" is unknown; did you mean "hidden"?' in message
    assert "\n" not in message


@pytest.mark.parametrize("section", ["space", "accuracy", "devices"])
def test_a_file_without_a_needed_section_is_refused(section):
    with pytest.raises(ConfigError, match=f"'{section}' is missing"):
        parse_config({key: value for key, value in MINIMAL.items() if key != section})


def test_a_rule_may_give_its_command_some_sections_only():
    experiment = load_config('{"seed": 3, "space": {"name": "nasbench201"}}')
    assert (experiment.seed, experiment.space.name, experiment.accuracy) == (3, "nasbench201", None)


def test_the_options_of_a_users_own_class_are_passed_on_unchecked():
    own = {**MINIMAL, "space": {"name": "mypackage.spaces:MySpace", "anything": [1, 2]}}
    assert parse_config(own).space.options == {"anything": [1, 2]}


def test_mistakes_in_the_options_of_a_dataset_and_of_the_training_are_named():
    accuracy = {"evaluator": "supernet", "dataset": {"name": "mnist5k", "trian": 1}, "training": {"epoch": 3}}
    with pytest.raises(ConfigError) as caught:
        parse_config({**MINIMAL, "accuracy": accuracy})
    assert 'accuracy.dataset: key "trian" is unknown; did you mean "train"?' in str(caught.value)
    assert 'accuracy.training: key "epoch" is unknown; did you mean "epochs"?' in str(caught.value)


def test_mistakes_in_the_images_of_a_weight_sharing_search_are_named_too():
    search = {"strategy": "gaea", "supernet": {"dataset": {"name": "idx", "path": "here", "clases": []}}}
    with pytest.raises(
        ConfigError, match=r'search\.supernet\.dataset: key "clases" is unknown; did you mean "classes"'
    ):
        parse_config({**MINIMAL, "search": search})


def test_the_schema_lists_what_all_datasets_share():
    parameters = inspect.signature(load_images).parameters
    defaults = {key: value.default for key, value in parameters.items() if value.kind is inspect.Parameter.KEYWORD_ONLY}
    shared = component_schema("accuracy", "supernet")["properties"]["dataset"]["properties"]
    assert {key: value.get("default") for key, value in shared.items() if key != "name"} == {
        key: value for key, value in defaults.items() if key != "seed"
    }


def test_an_unknown_device_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r'device "phne" is unknown; did you mean "phone"\?'):
        parse_config(MINIMAL).device("phne")


@pytest.mark.parametrize(
    ("text", "what"), [("a: [", "is not YAML"), ("- 1", "expected object"), ("", "expected object")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, what):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=what):
        load_config(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nothing.yaml")


BUILTIN = [
    (kind, what, name, registry)
    for kind, what, registry in (
        ("space", "space", SPACES),
        ("accuracy", "evaluator", EVALUATORS),
        ("device", "backend", BACKENDS),
        ("search", "strategy", STRATEGIES),
        ("dataset", "dataset", DATASETS),
    )
    for name in registry
]


@pytest.mark.parametrize(("kind", "what", "name", "registry"), BUILTIN, ids=lambda value: str(value)[:30])
def test_the_schema_lists_the_options_and_defaults_of_every_built_in_component(kind, what, name, registry):
    provided = {"space", "devices", "seed", "evaluations"}
    parameters = inspect.signature(resolve(what, name, registry)).parameters
    options = {key: value.default for key, value in parameters.items() if key not in provided}
    definition = component_schema(kind, name)
    assert definition is not None, f"no schema for {kind}.{name}"
    assert set(definition["properties"]) == set(options)
    for key, default in options.items():
        if default is inspect.Parameter.empty:
            assert key in definition["required"]
        else:
            expected = list(default) if isinstance(default, tuple) else default
            expected = {} if expected is None and definition["properties"][key].get("type") == "object" else expected
            assert definition["properties"][key]["default"] == expected, key
