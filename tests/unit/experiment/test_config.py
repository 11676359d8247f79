"""The configuration: defaults, mistakes, and agreement of the schema with the declared options."""

import json
import subprocess
import sys
from typing import Annotated

import jsonschema
import numpy as np
import pytest
import yaml
from separable import SeparableSpace

from nagevo.experiment.config import load_config, parse_config
from nagevo.experiment.schema import KINDS, reference, schema, schema_text
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.files import load_yaml, project_root
from nagevo.foundation.options import Option, Signature

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


def test_all_mistakes_are_named_at_once_with_place_and_nearest_name():
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
    assert (experiment.seed, experiment.space.name) == (3, "nasbench201")
    with pytest.raises(ConfigError, match="the section accuracy is missing from the given configuration"):
        experiment.create_evaluator(experiment.create_space())
    with pytest.raises(ConfigError, match="the section devices is missing from the given configuration"):
        experiment.device("phone")


class OwnSpace(SeparableSpace):
    """A space whose options are declared by annotations, or not at all."""

    def __init__(self, width: int, names: list[str] = [], *, anything=None, table: np.ndarray | None = None):  # noqa: B006
        self.width, self.names, self.anything, self.table = width, names, anything, table


def own_space(**options) -> dict:
    """Return a config with the user's own space."""
    return {**MINIMAL, "space": {"name": "test_config:OwnSpace", **options}}


def test_the_signature_of_a_users_own_class_declares_its_options():
    experiment = parse_config(own_space(width=3, anything=[1, {"a": 2}], table=[0.5]))
    assert experiment.create_space().anything == [1, {"a": 2}]
    assert experiment.space.options["names"] == []
    with pytest.raises(ConfigError) as caught:
        parse_config(own_space(width="3", nmes=[]))
    assert 'space.width: expected a whole number, got "3"' in str(caught.value)
    assert 'space: key "nmes" is unknown; did you mean "names"?' in str(caught.value)
    with pytest.raises(ConfigError, match="space: 'width' is missing"):
        parse_config(own_space())


def test_a_module_that_is_not_on_the_path_is_named_with_what_to_do():
    with pytest.raises(ConfigError, match=r"space: .* put the module sensornet on PYTHONPATH"):
        parse_config({**MINIMAL, "space": {"name": "sensornet.spaces:Space"}})


@pytest.mark.parametrize("text", ["3e-4", "1e-9", "0.00004", "4E-05", "1e5"])
@pytest.mark.parametrize("form", ["yaml", "json", "text of Snakemake", "own"])
def test_a_number_with_an_exponent_is_a_number_in_every_form(tmp_path, text, form):
    config = {**MINIMAL, "generator": {"learning_rate": float(text)}}
    if form == "yaml":
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(MINIMAL) + f"generator: {{learning_rate: {text}}}\n")
        experiment = load_config(path)
    elif form == "json":
        experiment = load_config(json.dumps(config))
    elif form == "text of Snakemake":  # whose YAML reader takes 3e-4 for text
        experiment = parse_config({**MINIMAL, "generator": yaml.safe_load(f"learning_rate: {text}")})
    else:
        own = parse_config(own_space(width=1, anything=yaml.safe_load(f"[{text}]")))
        assert own.space.options["anything"] == [float(text)]
        return
    assert experiment.generator.learning_rate == float(text)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path, form):
    path = tmp_path / f"config.{form}"
    if form == "yaml":
        path.write_text("seed: 1\ndevices: {a: {backend: table, path: t.csv}}\ndevices: {}\n")
    else:
        path.write_text('{"seed": 1,\n"devices": {},\n"devices": {}}\n')
    with pytest.raises(ConfigError, match=r'line 3 repeats the key "devices" of line 2'):
        load_config(path)


def test_a_key_in_a_merged_mapping_of_yaml_may_be_replaced():
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: *a, y: 4}") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": {"x": 1, "y": 4},
    }


def test_a_text_that_looks_like_a_number_stays_text_where_text_is_asked_for():
    devices = {"phone": {"backend": "table", "path": "t.parquet", "column": "1e5"}}
    assert parse_config({**MINIMAL, "devices": devices}).device("phone").backend.options["column"] == "1e5"


def test_mistakes_in_the_options_of_a_dataset_and_of_the_training_are_named():
    accuracy = {"evaluator": "supernet", "dataset": {"name": "mnist5k", "trian": 1}, "training": {"epoch": 3}}
    with pytest.raises(ConfigError) as caught:
        parse_config({**MINIMAL, "accuracy": accuracy})
    assert 'accuracy.dataset: key "trian" is unknown; did you mean "train"?' in str(caught.value)
    assert 'accuracy.training: key "epoch" is unknown; did you mean "epochs"?' in str(caught.value)


def test_an_unknown_dataset_may_be_a_function_of_ones_own():
    accuracy = {"evaluator": "training", "dataset": {"name": "photographs"}}
    with pytest.raises(ConfigError, match=r"choose one of .*package\.module:function"):
        parse_config({**MINIMAL, "accuracy": accuracy})


def test_mistakes_in_the_images_of_a_weight_sharing_search_are_named_too():
    search = {"strategy": "gaea", "supernet": {"dataset": {"name": "idx", "path": "here", "clases": []}}}
    with pytest.raises(
        ConfigError, match=r'search\.supernet\.dataset: key "clases" is unknown; did you mean "classes"'
    ):
        parse_config({**MINIMAL, "search": search})


def cheap(**level):
    """Return a config with cheap readings."""
    return {**MINIMAL, "accuracy": {**MINIMAL["accuracy"], "fidelities": [level]}, "search": {"evaluations": 100}}


@pytest.mark.parametrize(
    ("level", "effort", "cost"),
    [
        ({"cost": 0.06}, (70, 500), 30.0),  # a share of 0.3: 30 / 0.06
        ({"cost": 0.25, "share": 0.1}, (90, 40), 10.0),
        ({"cost": 0.7, "share": 0.5}, (50, 71), 49.7),  # 50 / 0.7 = 71.4
        ({"cost": 0.5, "share": 0.001}, (100, 0), 0.0),  # no whole evaluation is spent on them
    ],
)
def test_full_and_cheap_readings_cost_together_what_is_asked_for(level, effort, cost):
    experiment = parse_config(cheap(**level))
    assert experiment.effort == effort
    assert experiment.cheap_cost == pytest.approx(cost)
    assert sum(experiment.round_sizes()) == effort[0]


def test_a_strategy_without_use_for_cheap_readings_makes_full_ones_alone():
    assert parse_config(cheap(cost=0.06)).with_search(strategy="random").effort == (100, 0)


def test_a_cheap_reading_replaces_some_options_of_a_full_one():
    training = {"epochs": 9, "batch_size": 32}
    accuracy = {"evaluator": "training", "dataset": {"name": "mnist5k"}, "training": training}
    level = {"cost": 0.3, "training": {"epochs": 3}}
    config = {"space": {"name": "mobilenetv3"}, "devices": MINIMAL["devices"]}
    experiment = parse_config({**config, "accuracy": {**accuracy, "fidelities": [level]}})
    space = experiment.create_space()
    full, less = (experiment.create_evaluator(space, cheap=cheaply).recipe for cheaply in (False, True))
    assert ((full.epochs, full.batch_size), (less.epochs, less.batch_size)) == ((9, 32), (3, 32))


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ({"column": "early"}, "accuracy.fidelities.0: 'cost' is missing"),
        ({"cost": 1.5}, "accuracy.fidelities.0.cost: expected less than 1, got 1.5"),
        ({"cost": 0.1, "colum": "early"}, 'accuracy.fidelities.0: key "colum" is unknown; did you mean "column"?'),
        ({"cost": 0.1, "column": 3}, "accuracy.fidelities.0.column: expected text, got 3"),
    ],
)
def test_mistakes_in_cheap_readings_are_named(level, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(cheap(**level))
    assert message in str(caught.value)


def test_two_kinds_of_cheap_readings_are_refused():
    config = cheap(cost=0.1)
    config["accuracy"]["fidelities"] *= 2
    with pytest.raises(ConfigError, match=r"accuracy.fidelities: expected at most 1 value"):
        parse_config(config)


def test_an_unknown_device_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r'device "phne" is unknown; did you mean "phone"\?'):
        parse_config(MINIMAL).device("phne")


@pytest.mark.parametrize(
    ("text", "what"), [("a: [", "is not YAML"), ("- 1", "expected a mapping"), ("", "the file is empty")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, what):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=what):
        load_config(path)


@pytest.mark.parametrize(
    ("source", "message"), [(" ", "got an empty text"), ("a\0.yaml", "cannot be read: it is not text")]
)
def test_what_names_no_file_is_refused(source, message):
    with pytest.raises(ConfigError, match=message):
        load_config(source)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nothing.yaml")


def test_combinations_that_cannot_be_are_refused_when_the_config_is_read():
    accuracy = {"evaluator": "training", "dataset": {"name": "mnist5k"}, "training": {"epochs": 1}}
    message = r"accuracy\.training: epochs: expected 0 or more than warmup_epochs, 2, got 1"
    with pytest.raises(ConfigError, match=message):
        parse_config({**MINIMAL, "accuracy": accuracy})


def test_a_name_says_which_signs_are_allowed():
    with pytest.raises(ConfigError, match=r"experiment: expected letters, digits and the signs _ \. -, .*got \"a/b\""):
        parse_config({**MINIMAL, "experiment": "a/b"})
    with pytest.raises(ConfigError, match=r"devices: expected names of letters, digits and the signs _ -"):
        parse_config({**MINIMAL, "devices": {"my phone": {"backend": "onnx_file"}}})


def test_a_tilde_in_every_path_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    experiment = parse_config(
        {
            **MINIMAL,
            "accuracy": {"evaluator": "table", "path": "~/t.parquet", "column": "accuracy"},
            "devices": {"phone": {"backend": "table", "path": "~/t.parquet"}},
            "compare": {"reference": {"phone": "~/frontier.parquet"}},
        }
    )
    assert experiment.accuracy.options["path"] == "/home/someone/t.parquet"
    assert experiment.device("phone").backend.options["path"] == "/home/someone/t.parquet"
    assert experiment.compare.reference == {"phone": "/home/someone/frontier.parquet"}


@pytest.mark.parametrize(
    ("place", "config"),
    [
        ("search.prior", {"search": {"prior": ""}}),
        ("search.candidates", {"search": {"candidates": " "}}),
        ("accuracy.path", {"accuracy": {"evaluator": "table", "path": "", "column": "accuracy"}}),
        ("devices.phone.path", {"devices": {"phone": {"backend": "lookup", "path": {"96": ""}}}}),
        ("compare.reference.phone", {"compare": {"reference": {"phone": ""}}}),
    ],
)
def test_an_empty_path_is_refused_by_its_key(place, config):
    with pytest.raises(ConfigError, match=rf'{place}\S*: expected the path of a file or folder, got "'):
        parse_config({**MINIMAL, **config})


def test_reading_a_config_does_not_import_torch():
    code = """import sys; from nagevo.experiment.config import load_config
load_config("config.yaml"); print("torch" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project_root(), check=True)
    assert done.stdout == "False\n"


def test_schema_and_reference_of_keys_are_those_of_the_declared_options():
    root = project_root()
    assert (root / "workflow/schemas/config.schema.yaml").read_text() == schema_text(), (
        "python -m nagevo.experiment.schema"
    )
    assert (root / "docs/config.md").read_text() == reference(), "python -m nagevo.experiment.schema"


def test_the_schema_refuses_a_mistake_in_a_component():
    config = yaml.safe_load((project_root() / "config.yaml").read_text())
    jsonschema.validate(config, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "space": {"name": "mobilenetv3", "resolution": 2}}, schema())


BUILTIN = [(what, name) for what, kind in KINDS.items() for name in kind]


@pytest.mark.parametrize(("what", "name"), BUILTIN)
def test_every_option_of_a_built_in_component_is_declared_with_a_sentence(what, name):
    for key, parameter in KINDS[what].signature(name).parameters.items():
        assert parameter.option.text.endswith("."), key


def test_an_option_may_be_a_list_a_choice_or_two_kinds():
    def function(
        *, sizes: Annotated[list[Annotated[int, Option("", ge=1)]], Option("Sizes.", min_length=2)], many: int | str = 1
    ):
        pass

    assert Signature(function).check({"sizes": [1, 2]}, "")[0] == {"sizes": [1, 2], "many": 1}
    assert Signature(function).check({"sizes": [0, 1.5], "many": []}, "x")[1] == [
        "x.sizes.0: expected at least 1, got 0",
        "x.sizes.1: expected a whole number, got 1.5",
        "x.many: expected a whole number or text, got []",
    ]
