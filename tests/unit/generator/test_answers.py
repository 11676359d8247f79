"""Answers of a generator that was distilled from a made-up table, its bundle on disk, and the command."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import pytest
from made_up import run, seal

import nagevo
from nagevo.experiment.config import parse_config
from nagevo.experiment.learning import distill
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.predictor import Predictor
from nagevo.learn.surrogate import LatencySurrogate
from nagevo.measure.measurements import Measurements

CONFIG = {
    "experiment": "made-up",
    "space": {"name": "nasbench201"},
    "accuracy": {"evaluator": "table", "path": "t.parquet", "column": "accuracy"},
    "devices": {"exact": {"backend": "table", "path": "t.parquet"}, "noisy": {"backend": "torch"}},
    "generator": {"steps": 150, "hidden": 32, "probes": 5, "synthetic_devices": 2},
    "verify": {"rounds": 0},
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Return the bundle of an experiment with 60 measurements on two devices, of which one is noisy."""
    folder = tmp_path_factory.mktemp("made-up")
    experiment = parse_config(CONFIG)
    space, rng = experiment.create_space(), np.random.default_rng(0)
    choices = space.sample_distinct(60, rng=rng)
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[choices].sum(axis=1)
    accuracy = 90.0 - 60.0 * np.exp(-0.4 * cost)
    latency_ms = {"exact": 1.0 + cost, "noisy": (0.5 + 0.2 * cost) * np.exp(rng.normal(0, 0.02, len(cost)))}
    measurements = Measurements(choices, np.zeros(60, dtype=int), accuracy, latency_ms)
    features = space.features(choices)
    latency = {device: fit_latency(features, values, accuracy=accuracy) for device, values in latency_ms.items()}
    predictor = Predictor(space, measurements, fit_accuracy(features, accuracy), latency, ["exact"])
    distill(experiment, predictor, choices[np.argsort(accuracy)[::10]], folder / "generator")
    return folder / "generator"


@pytest.fixture(scope="module")
def generator(bundle):
    return nagevo.load(bundle)


@pytest.mark.parametrize("device", ["exact", "noisy"])
def test_more_budget_is_never_answered_with_less_accuracy(generator, device):
    minimum = generator.answers([0.0], device=device)[0].minimum
    answers = generator.generate(np.geomspace(minimum, 100.0, 300), device=device)
    assert all(answer.latency_bound_ms <= answer.budget for answer in answers)
    assert (np.diff([answer.accuracy for answer in answers]) >= 0).all()


def test_a_measured_latency_is_its_own_bound_on_an_exact_device_only(generator):
    predictor = generator.predictor
    measurements, noisy = predictor.measurements, predictor.latency_surrogates["noisy"]
    bound = {name: predictor.latency_bound_ms(name, measurements.choices, 0.9) for name in ("exact", "noisy")}
    np.testing.assert_array_equal(bound["exact"], measurements.values["exact"])
    np.testing.assert_array_equal(bound["noisy"], noisy.bound(predictor.space.features(measurements.choices), 0.9))


def test_architectures_are_described_without_the_noise_of_their_measurements(bundle, monkeypatch):
    """By what the surrogates predict without each one's own measurement, and once however often they are asked for."""
    predictor = nagevo.load(bundle).predictor
    measured, others = predictor.measurements.choices, predictor.space.sample(5, rng=np.random.default_rng(1))
    features = predictor.space.features(measured)
    unseen = [predictor.latency_surrogates[device].predict_unseen(features) for device in ("exact", "noisy")]
    predictor.described(np.concatenate([others, measured[::-1]]))
    monkeypatch.setattr(LatencySurrogate, "predict_unseen", None)
    np.testing.assert_allclose(predictor.described(measured), np.column_stack([features, *np.log(unseen)]))


def test_a_higher_confidence_never_gives_a_lower_bound(generator):
    bounds = [generator.generate(1e308, device="noisy", confidence=c).latency_bound_ms for c in (0.5, 0.8, 0.95)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]


def test_the_smallest_budget_that_is_named_can_be_answered_and_less_cannot(generator):
    with pytest.raises(nagevo.InfeasibleBudget) as caught:
        generator.generate(1e-6, device="exact")
    minimum = caught.value.minimum
    assert generator.generate(minimum, device="exact").latency_bound_ms == minimum
    assert isinstance(generator.answers([np.nextafter(minimum, 0)], device="exact")[0], nagevo.InfeasibleBudget)


@pytest.mark.parametrize("budget", [0.0, -1.0, -np.inf])
def test_a_budget_that_is_not_positive_is_infeasible(generator, budget):
    with pytest.raises(nagevo.InfeasibleBudget):
        generator.generate(budget, device="exact")


@pytest.mark.parametrize("budget", [1e308, np.inf])
def test_a_boundless_budget_gets_the_most_accurate_candidate(generator, budget):
    best = generator.candidates.accuracy[generator.candidates.on(["exact"])].max()
    assert generator.generate(budget, device="exact").accuracy == best


def test_no_budgets_get_no_answers(generator):
    assert generator.generate([], device="exact") == []


@pytest.mark.parametrize("budgets", [float("nan"), [1.0, float("nan")], ["much"], [[1.0]], None])
def test_what_is_no_budget_is_refused_in_one_line(generator, budgets):
    with pytest.raises(nagevo.BudgetError, match="expected"):
        generator.generate(budgets, device="exact")


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, float("nan"), "high", None, [0.9]])
def test_a_confidence_outside_of_0_and_1_is_refused(generator, confidence):
    with pytest.raises(nagevo.BudgetError, match="confidence"):
        generator.generate(5.0, device="exact", confidence=confidence)


def test_a_confidence_that_the_measurements_cannot_support_is_refused(generator):
    with pytest.raises(nagevo.BudgetError, match="is higher than the measurements on noisy support"):
        generator.generate(5.0, device="noisy", confidence=0.9999)


def test_an_unknown_device_is_named_with_the_nearest_one(generator):
    with pytest.raises(nagevo.BudgetError, match='did you mean "noisy"'):
        generator.generate(5.0, device="nosy")
    with pytest.raises(nagevo.BudgetError, match="choose one of exact, noisy"):
        generator.generate(5.0, device=["exact"])


def test_where_several_devices_are_known_they_are_named(generator):
    with pytest.raises(nagevo.BudgetError, match=r"^expected the name of a device: choose one of exact, noisy$"):
        generator.generate(5.0)


def test_an_answer_does_not_depend_on_what_else_is_asked(generator):
    alone = generator.generate(7.0, device="exact")
    assert generator.generate([3.0, 7.0, 20.0], device="exact")[1] == alone
    assert generator.generate(np.float32(7.0), device="exact") == alone
    assert generator.generate(iter([7.0]), device="exact") == [alone]


def test_many_threads_get_the_answers_that_one_gets(bundle):
    fresh, alone, budgets = nagevo.load(bundle), nagevo.load(bundle), np.linspace(1.0, 12.0, 25).tolist()
    questions = [(b, device, c) for b in budgets for device in ("exact", "noisy") for c in (0.5, 0.9)]

    def ask(generator, question):
        budget, device, confidence = question
        (result,) = generator.answers([budget], device=device, confidence=confidence)
        return result if isinstance(result, nagevo.InfeasibleBudget) else (result.architecture, result.latency_bound_ms)

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(partial(ask, fresh), questions))
    expected = [ask(alone, question) for question in questions]
    assert list(map(str, together)) == list(map(str, expected))
    assert {type(result) for result in expected} == {tuple, nagevo.InfeasibleBudget}


def test_the_network_of_an_answer_has_its_architecture(generator):
    import torch

    network = generator.generate(9.0, device="exact").network(untrained=True)
    assert not network.training
    assert network(torch.zeros(1, *generator.space.input_shape)).shape == (1, 10)


def test_answers_to_several_limits_keep_each_of_them(generator):
    limits = {"latency_ms": 7.0, "latency_ms_noisy": 1.6, "parameters": 4e5}
    answer = generator.generate(limits, device="exact")
    parameters = generator.space.costs(generator.space.from_text([answer.architecture]))["parameters"][0]
    assert answer.limits == limits
    assert answer.bounds["parameters"] == parameters <= 4e5
    assert answer.bounds["latency_ms"] == answer.latency_bound_ms <= 7.0
    choices = generator.space.from_text([answer.architecture])
    bound = generator.predictor.latency_bound_ms("noisy", choices, 0.9)[0]
    assert answer.bounds["latency_ms_noisy"] == pytest.approx(bound)
    assert bound <= 1.6


def test_only_a_limit_that_binds_costs_accuracy(generator):
    alone = generator.generate(9.0, device="exact")
    loose = generator.generate({"latency_ms": 9.0, "parameters": 1e9}, device="exact")
    assert (loose.architecture, loose.budget) == (alone.architecture, 9.0)
    assert generator.generate({"latency_ms": 9.0, "parameters": 2e5}, device="exact").accuracy < alone.accuracy


def test_without_a_latency_among_the_limits_the_budget_is_boundless(generator):
    answer = generator.generate({"parameters": 3e5}, device="exact")
    pool = generator.candidates.rows(generator.candidates.on(["exact"]))
    assert answer.accuracy == pool.accuracy[pool.costs["parameters"] <= 3e5].max()
    assert answer.budget == np.inf


def test_infeasible_limits_name_what_binds_and_the_nearest_feasible_ones(generator):
    with pytest.raises(nagevo.InfeasibleBudget, match="parameters binds") as caught:
        generator.generate({"latency_ms": 9.0, "parameters": 10.0}, device="exact")
    error = caught.value
    assert (error.binding, error.limits) == ("parameters", {"latency_ms": 9.0, "parameters": 10.0})
    assert error.minimum == np.inf  # no latency helps
    assert generator.generate(error.nearest, device="exact").bounds["parameters"] == error.nearest["parameters"]


def test_any_limits_are_answered_with_the_first_offer_that_keeps_them(generator):
    offers = pd.DataFrame(generator.offers(device="noisy", confidence=0.8))
    needs = offers[["bound", "parameters", "macs"]].to_numpy()
    rng = np.random.default_rng(0)
    limits = np.exp(rng.uniform(np.log(0.5 * needs.min(axis=0)), np.log(needs.max(axis=0)), (100, 3)))
    asked = [dict(zip(("latency_ms", "parameters", "macs"), row, strict=True)) for row in limits]
    refused = 0
    for answer, row in zip(generator.answers(asked, device="noisy", confidence=0.8), limits, strict=True):
        holding = np.flatnonzero((needs <= row).all(axis=1))
        if len(holding):
            assert answer.architecture == offers["architecture"][holding[0]]
        else:
            assert isinstance(answer, nagevo.InfeasibleBudget)
            refused += 1
    assert 0 < refused < 100


def test_several_answers_are_different_networks_the_most_accurate_first(generator):
    limits = {"latency_ms": 8.0, "parameters": 6e5}
    answers = generator.generate(limits, device="exact", n=5)
    assert len({answer.architecture for answer in answers}) == 5
    assert answers[0] == generator.generate(limits, device="exact")
    accuracy = [answer.accuracy for answer in answers]
    assert accuracy == sorted(accuracy, reverse=True)
    assert all(answer.latency_bound_ms <= 8.0 and answer.bounds["parameters"] <= 6e5 for answer in answers)


def test_a_limit_that_does_not_exist_is_named_with_the_nearest_one(generator):
    with pytest.raises(nagevo.BudgetError, match='did you mean "parameters"'):
        generator.generate({"parameter": 1e6}, device="exact")


@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_a_number_of_answers_that_is_none_is_refused(generator, n):
    with pytest.raises(nagevo.BudgetError, match="expected a whole number of answers"):
        generator.generate(7.0, device="exact", n=n)


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def test_a_bundle_may_lie_in_a_folder_that_cannot_be_written(copy, generator):
    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [copy, *copy.rglob("*")]}

    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = state()
    loaded = nagevo.load(copy)
    assert loaded.generate(7.0, device="exact") == generator.generate(7.0, device="exact")
    assert loaded.steps(device="noisy")
    loaded.generate(7.0, device="exact").network(untrained=True)
    assert state() == before  # the superuser may write anywhere, so that permissions alone prove nothing


@pytest.mark.parametrize("name", ["model.safetensors", "measurements.safetensors", "surrogates.safetensors"])
def test_a_file_of_the_bundle_that_was_changed_cut_or_lost_is_named(copy, name):
    path = copy / name
    content = path.read_bytes()
    for damaged in (content[:-1] + bytes([content[-1] ^ 1]), content[: len(content) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(nagevo.BundleError, match=f"{name} is damaged or was changed"):
            nagevo.load(copy)
    path.unlink()
    with pytest.raises(nagevo.BundleError, match=f"lacks its file {name}"):
        nagevo.load(copy)


def test_the_proposals_that_a_bundle_keeps_are_those_that_its_model_decodes(generator):
    knowledge = generator.knowledge
    for device, view in knowledge.views.items():
        np.testing.assert_array_equal(knowledge.proposed(view), knowledge.proposals[device])


def test_answering_loads_no_surrogate_torch_pandas_or_scipy(bundle):
    """Importing them takes longer than everything else that ``nagevo generate`` does."""
    code = "import sys, nagevo; limits = {'latency_ms': 7.0, 'parameters': 1e6}"
    code += "; nagevo.generate(limits, device='exact', bundle=sys.argv[1])"
    heavy = "('torch', 'xgboost', 'sklearn', 'scipy', 'pandas', 'nagevo.learn.surrogate', 'nagevo.spaces.nasbench201')"
    code += f"; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, bundle], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_adapting_needs_no_torch_and_no_xgboost(copy):
    code = "import sys, nagevo; loaded = nagevo.load(sys.argv[1])"
    code += "; loaded.adapt('new', {text: 3.0 + row for row, text in enumerate(loaded.probes_for('new'))})"
    code += "; print([name for name in ('torch', 'xgboost', 'sklearn', 'deap') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, copy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_model_that_does_not_fit_its_bundle_is_refused_where_it_is_needed(copy):
    (copy / "model.safetensors").write_bytes((copy / "measurements.safetensors").read_bytes())
    seal(copy)
    loaded = nagevo.load(copy)
    assert loaded.generate(7.0, device="exact").bound <= 7.0
    with pytest.raises(nagevo.BundleError, match=r"was not written by this nagevo \('trunk"):
        loaded.probes_for("new")


def test_a_bundle_of_another_format_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(nagevo.BundleError, match=r"written by nagevo .* and has format 99; this nagevo reads format 7"):
        nagevo.load(copy)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 3}', '{"format": 3, "files": {}}'])
def test_a_manifest_that_is_none_is_refused(copy, content):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(nagevo.BundleError):
        nagevo.load(copy)


def test_a_manifest_cannot_name_files_outside_of_the_bundle(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["../../outside"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(nagevo.BundleError, match="outside of the bundle"):
        nagevo.load(copy)


def test_a_bundle_whose_space_is_no_space_is_refused_before_any_call(copy, tmp_path):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["space"] = {"name": "subprocess:Popen", "args": ["touch", str(tmp_path / "owned")]}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(nagevo.BundleError, match=r'space "subprocess:Popen" is not a subclass of .*SearchSpace'):
        nagevo.load(copy).generate(7.0, device="exact").network(untrained=True)
    assert not (tmp_path / "owned").exists()


def test_a_bundle_whose_change_was_killed_is_as_before(copy, generator):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    shutil.copytree(copy, copy / ".nagevo-new-x")  # all that was to take its place
    (copy / ".nagevo-old-x").mkdir()
    (copy / "answers.safetensors").rename(copy / ".nagevo-old-x/answers.safetensors")
    (copy / ".nagevo-new-x/answers.safetensors").rename(copy / "answers.safetensors")
    (copy / "model.safetensors").rename(copy / ".nagevo-old-x/model.safetensors")
    assert nagevo.load(copy).generate(7.0, device="exact") == generator.generate(7.0, device="exact")
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
    assert not (copy / ".nagevo-old-x").exists()


def test_a_bundle_that_is_not_there_is_named(tmp_path):
    with pytest.raises(nagevo.BundleError, match="does not exist"):
        nagevo.load(tmp_path / "nothing")


def new_device(texts: list[str], space) -> dict[str, float]:
    """Return the latencies of a device that is none of those in the bundle but takes its time alike."""
    cost = np.array([0.0, 0.2, 0.2, 1.5, 2.0])[space.from_text(texts)].sum(axis=1)
    return dict(zip(texts, (30.0 * (1.0 + cost)).tolist(), strict=True))


@pytest.fixture(scope="module")
def grown(bundle, tmp_path_factory):
    """Return the folder of a bundle to which a device was added by five measurements."""
    folder = shutil.copytree(bundle, tmp_path_factory.mktemp("grown") / "generator")
    fresh = nagevo.load(folder)
    fresh.adapt("new", new_device(fresh.probes_for("new"), fresh.space), exact=True)
    return folder


def test_a_device_is_added_to_the_bundle_and_the_others_answer_as_before(grown, generator):
    loaded = nagevo.load(grown)
    assert loaded.devices == ("exact", "noisy", "new")
    assert loaded.generate(7.0, device="exact") == generator.generate(7.0, device="exact")
    answers = loaded.generate(np.geomspace(120.0, 1000.0, 20), device="new", confidence=0.6)
    assert all(answer.latency_bound_ms <= answer.budget for answer in answers)
    truth = [new_device([answer.architecture], loaded.space)[answer.architecture] for answer in answers]
    assert np.median(np.abs([answer.latency_ms for answer in answers] / np.array(truth) - 1)) < 0.15


def test_a_bundle_that_grew_answers_as_the_generator_in_memory(bundle, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "generator")
    before = nagevo.load(folder)
    measurements = new_device(before.probes_for("new"), before.space)
    grown = before.adapt("new", measurements)
    assert before.devices == ("exact", "noisy")
    assert before.adapt("new", measurements, save=False).generate(
        400.0, device="new", confidence=0.6
    ) == grown.generate(400.0, device="new", confidence=0.6)
    assert nagevo.load(folder).generate(400.0, device="new", confidence=0.6) == grown.generate(
        400.0, device="new", confidence=0.6
    )


def test_later_measurements_add_to_the_earlier_ones(grown):
    loaded = nagevo.load(grown)
    assert loaded.probes_for("new") == []  # the generator's own probes are known
    more = loaded.probes_for("new", 20)
    cells = loaded.space.sample_distinct(300, rng=np.random.default_rng(5))
    truth = np.array(list(new_device(loaded.space.to_text(cells), loaded.space).values()))
    before = np.abs(np.log(loaded.predictor.latency_ms("new", cells) / truth)).mean()
    later = loaded.adapt("new", new_device(more, loaded.space), exact=True, save=False)
    after = np.abs(np.log(later.predictor.latency_ms("new", cells) / truth)).mean()
    assert np.isfinite(later.predictor.measurements.values["new"]).sum() == 25
    assert after < before


@pytest.mark.parametrize(
    ("name", "latency", "message"),
    [
        ("exact", 1.0, "was measured in the experiment"),
        ("../new", 1.0, "expected letters"),
        ("new", -1.0, r"expected a number from 1e-12 to 1e\+12 as latency_ms, got -1.0"),
        ("new", "fast", "expected latencies in ms by architecture"),
    ],
)
def test_a_device_that_cannot_be_added_leaves_everything_as_it_was(bundle, name, latency, message):
    fresh = nagevo.load(bundle)
    measurements = dict.fromkeys(fresh.probes_for("new"), latency)
    with pytest.raises(nagevo.NagevoError, match=message):
        fresh.adapt(name, measurements)
    assert fresh.devices == nagevo.load(bundle).devices == ("exact", "noisy")


def test_the_command_adds_a_device_from_a_table_or_by_measuring(copy, monkeypatch, capsys, tmp_path):
    arguments = ("adapt", "--bundle", str(copy), "--device", "new")
    assert run(monkeypatch, capsys, *arguments, "--architectures", str(tmp_path / "probes.csv"))[0] == 0
    texts = pd.read_csv(tmp_path / "probes.csv")["architecture"].tolist()
    space = nagevo.load(copy).space
    assert texts == nagevo.load(copy).probes_for("new")
    table = pd.DataFrame({"architecture": texts, "latency_ms": new_device(texts, space).values()})
    table.to_csv(tmp_path / "measured.csv", index=False)
    code, _, err = run(monkeypatch, capsys, *arguments, "--measurements", str(tmp_path / "measured.csv"))
    assert (code, "new adapted to 5 measurements" in err) == (0, True)

    all_texts = space.to_text(space.enumerate())
    whole = pd.DataFrame({"architecture": all_texts, "latency_ms": new_device(all_texts, space).values()})
    whole.to_parquet(tmp_path / "whole.parquet")
    config = {"devices": {"new": {"backend": "table", "path": str(tmp_path / "whole.parquet")}}}
    code, _, err = run(monkeypatch, capsys, *arguments, "--config", json.dumps(config), "--probes", "7")
    assert (code, "new adapted to 7 measurements" in err) == (0, True)
    loaded = nagevo.load(copy)
    assert np.isfinite(loaded.predictor.measurements.values["new"]).sum() == 12
    assert "new" in loaded.predictor.exact
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "expected one of --config, --measurements and --architectures" in err) == (2, True)


def test_the_command_prints_one_json_object_for_each_budget(bundle, generator, monkeypatch, capsys):
    arguments = ["generate", "--bundle", str(bundle), "--device", "exact", "--budget", "7", "--json"]
    code, out, _ = run(monkeypatch, capsys, *arguments)
    answer = generator.generate(7.0, device="exact")
    assert code == 0
    assert json.loads(out) == {
        "experiment": "made-up",
        "budget": 7.0,
        "device": "exact",
        "architecture": answer.architecture,
        "accuracy": answer.accuracy,
        "latency_ms": answer.latency_ms,
        "latency_bound_ms": answer.latency_bound_ms,
        "confidence": 0.9,
        "measured": answer.measured,
        "verified": math.isfinite(answer.measured_value),
        **dict.fromkeys(("statistic", "condition", "disturbed", "slowdown", "machine")),
        "resolution": answer.networks.space.input_shape[-1],
        "precision": "fp32",
    }
    code, out, _ = run(monkeypatch, capsys, *arguments, "--budget", "0.001")
    assert code == 3
    assert json.loads(out.splitlines()[1]).keys() == {"experiment", "budget", "device", "error", "minimum"}


def test_the_command_takes_limits_and_a_number_of_answers(bundle, generator, monkeypatch, capsys):
    arguments = ["generate", "--bundle", str(bundle), "--device", "exact", "--limit", "parameters=4e5", "--json"]
    code, out, _ = run(monkeypatch, capsys, *arguments, "--budget", "8", "--count", "3")
    expected = generator.generate({"latency_ms": 8.0, "parameters": 4e5}, device="exact", n=3)
    entries = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [entry["architecture"] for entry in entries] == [answer.architecture for answer in expected]
    assert entries[0]["bounds"] == expected[0].bounds
    code, out, _ = run(monkeypatch, capsys, *arguments, "--limit", "macs=1")
    entry = json.loads(out)
    assert (code, entry["budget"], entry["binding"]) == (3, None, "macs")
    code, _, err = run(monkeypatch, capsys, *arguments, "--limit", "macs")
    assert (code, "expected --limit NAME=NUMBER, got macs" in err) == (2, True)


def test_a_users_mistake_is_one_line_and_exit_code_2(bundle, monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "generate", "--bundle", str(bundle), "--device", "watch", "--budget", "1")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith('nagevo: device "watch" is unknown')


def test_budgets_are_read_from_a_file(bundle, monkeypatch, capsys, tmp_path):
    (tmp_path / "budgets.txt").write_text("5.5\n7\n")
    arguments = ("generate", "--bundle", str(bundle), "--device", "exact", "--json", "--budgets")
    _, out, _ = run(monkeypatch, capsys, *arguments, str(tmp_path / "budgets.txt"))
    assert [json.loads(line)["budget"] for line in out.splitlines()] == [5.5, 7.0]
    (tmp_path / "budgets.txt").write_text("5\nfive\n")
    code, _, err = run(monkeypatch, capsys, *arguments, str(tmp_path / "budgets.txt"))
    assert (code, "budgets.txt, line 2: expected one budget in ms, got 'five'" in err) == (2, True)
