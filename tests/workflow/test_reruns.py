"""What is run again after a change, each seen on a dry run: nothing that need not be."""

import re
from copy import deepcopy

import pytest
from conftest import snakemake, write_config

DOWNSTREAM_OF_DISTILL = {
    "distill",
    "unverified",
    "verify",
    "relearn",
    "relearn_last",
    "answer",
    "score",
    "profile",
    "evaluate",
    "report",
    "all",
}


def planned(folder, config) -> dict[str, list[str]]:
    """Return the jobs of a dry run with a config: for each rule the outputs it would make."""
    write_config(folder, config)
    output = snakemake(folder, "--cores", "2", "--dry-run", "all").stdout
    jobs: dict[str, list[str]] = {}
    for name, body in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", output, flags=re.MULTILINE):
        made = re.search(r"^    output: (.*)$", body, flags=re.MULTILINE)
        jobs.setdefault(name, []).append(made[1] if made else "")
    return jobs


@pytest.fixture
def experiment(finished):
    folder, config = finished
    yield folder, deepcopy(config)
    write_config(folder, config)


def test_a_finished_experiment_has_nothing_to_do(experiment):
    assert planned(*experiment) == {}


def test_another_config_replaces_the_default_one_and_is_not_mixed_with_it(experiment):
    folder, config = experiment
    (folder / "config.yaml").rename(folder / "other.yaml")
    write_config(folder, config | {"space": {"name": "mobilenetv3", "divisor": 1}})
    output = snakemake(folder, "--cores", "2", "--dry-run", "all", "--configfile", str(folder / "other.yaml")).stdout
    assert "Nothing to be done" in output


def test_a_change_of_the_generator_section_reruns_distill_and_what_follows(experiment):
    folder, config = experiment
    config["generator"]["steps"] = 300
    jobs = planned(folder, config)
    assert "distill" in jobs
    assert jobs.keys() <= DOWNSTREAM_OF_DISTILL
    assert all("/evaluation/" in output for rule in ("score", "profile") for output in jobs[rule])


def test_a_change_of_one_device_leaves_accuracies_and_the_other_alone(experiment):
    folder, config = experiment
    config["devices"]["board"]["column"] = "phone"
    jobs = planned(folder, config)
    assert all("/evaluation/" in output for output in jobs["score"])
    measured_again = [output for output in jobs["profile"] if "/evaluation/" not in output]
    assert measured_again
    assert all("/latency/board/" in output for output in measured_again)
    assert not {"propose", "train", "sample", "surrogate_accuracy"} & jobs.keys()
    assert all("phone" not in output for output in jobs["surrogate_latency"] + jobs["evolve"])


def test_another_device_leaves_accuracies_and_the_other_devices_alone(experiment):
    folder, config = experiment
    config["devices"]["watch"] = config["devices"]["phone"]
    jobs = planned(folder, config)
    assert all("/evaluation/" in output for output in jobs["score"])
    assert all("watch" in output for output in jobs["profile"] if "/evaluation/" not in output)
    assert all("watch" in output for output in jobs["surrogate_latency"] + jobs["evolve"])
    assert not {"propose", "train", "sample", "surrogate_accuracy"} & jobs.keys()


def test_another_seed_starts_anew(experiment):
    folder, config = experiment
    config["seed"] = 2
    assert {"propose", "score", "distill"} <= planned(folder, config).keys()


def test_an_unknown_key_ends_the_workflow_with_one_line_and_exit_code_2(experiment):
    folder, config = experiment
    write_config(folder, {**config, "serch": {}})
    result = snakemake(folder, "--cores", "2", "--dry-run", "all", check=False)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if "nagevo" in line]
    assert len(lines) == 1
    assert lines[0].startswith('nagevo: the configuration is wrong: key "serch" is unknown; did you mean "search"?')
