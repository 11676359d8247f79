"""The report: what it shows, how architectures are drawn, and that the page stands alone."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from typer.testing import CliRunner

from nagevo.evaluate import comparison
from nagevo.evaluate.verdict import verdicts
from nagevo.experiment.description import effort
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.rounding import rounded_up
from nagevo.generator.conditions import DeviceView
from nagevo.generator.generator import Generator
from nagevo.generator.knowledge import Knowledge
from nagevo.learn.predictor import Predictor
from nagevo.measure.measurements import Measurements
from nagevo.report import comparison_figures, figures
from nagevo.report.comparing import METRICS, compare_content
from nagevo.report.content import hypervolume_curve, prediction, short_number, view
from nagevo.report.drawing import drawing
from nagevo.report.page import embedded, write_page
from nagevo.report.timing import job_seconds, stages
from nagevo.spaces import create_space
from nagevo.spaces.base import SearchSpace


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A generator for one device that knows 40 cells, and whose model knows nothing."""
    import torch

    from nagevo.generator.model import FrontierModel
    from nagevo.learn.fitting import fit_accuracy, fit_latency

    space, rng = create_space("nasbench201"), np.random.default_rng(0)
    choices = space.sample_distinct(40, rng=rng)
    accuracy = 50.0 + choices.sum(axis=1) + rng.normal(size=40)
    latency_ms = 1.0 + 0.2 * choices.sum(axis=1) + rng.uniform(size=40)
    measurements = Measurements(choices, np.zeros(40, dtype=int), accuracy, {"phone": latency_ms})
    features = space.features(choices)
    surrogates = fit_accuracy(features, accuracy), {"phone": fit_latency(features, latency_ms)}
    torch.manual_seed(0)
    model = FrontierModel(space.n_options, 5, hidden=8)
    views = {"phone": DeviceView(latency_ms[:3], np.array([latency_ms.min()]), np.array([latency_ms.max()]))}
    predictor = Predictor(space, measurements, *surrogates)
    knowledge = Knowledge(predictor, views, {}, {}, choices[:3], 0, 2, model.decoder())
    described = {"experiment": "tiny", "seed": 3, "space": {"name": "nasbench201"}, "accuracy": {}, "evaluations": 40}
    described["expected_gain"] = {"evaluations": 25, "devices": {"phone": 0.0123}}
    return Generator.of(knowledge.with_proposals(), described)


def test_a_step_is_the_answer_to_its_own_budget(generator):
    steps = generator.steps(device="phone", confidence=0.8)
    assert len(steps) > 3
    for before, step in zip([None, *steps], steps, strict=False):
        assert step.budget == step.latency_bound_ms
        assert generator.generate(step.budget, confidence=0.8).architecture == step.architecture
        (less,) = generator.answers([np.nextafter(step.budget, 0.0)], confidence=0.8)
        if before is None:
            assert isinstance(less, InfeasibleBudget)
        else:
            assert less.architecture == before.architecture


def test_a_mobilenetv3_is_drawn_as_stages_with_what_is_skipped():
    space = create_space("mobilenetv3", resolutions=[192, 224], widths=[0.5, 1.0])
    text = "2,3,4,2,2:" + ",".join(["5,3,0,0", "3,3,7,0", "3,3,3,3", "3,3,0,0", "3,3,0,0"])
    text += ":" + ",".join(["6,4,0,0", "3,3,3,0", "3,3,3,3", "3,3,0,0", "3,3,0,0"])
    drawn = drawing(space, space.from_text([f"{text}@r192@w0.5"])[0])
    assert drawn["summary"] == "13 layers in 5 stages of 2, 3, 4, 2, 2"
    first, second = (drawn["stages"][stage]["layers"] for stage in (0, 1))
    assert first == [{"kernel": 5, "level": 2, "expansion": 6}, {"kernel": 3, "level": 1, "expansion": 4}, None, None]
    assert second[2] == {"kernel": 7, "level": 3, "expansion": 3}
    assert [stage["width"] for stage in drawn["stages"]] == [16, 24, 48, 64, 96]  # 24 · 1.2 · 0.5 = 14.4, …
    assert [stage["size"] for stage in drawn["stages"]] == [48, 24, 12, 12, 6]
    assert drawn["input"] == "3 × 192 × 192"


def test_a_network_for_windows_is_drawn_as_stages_too():
    space = create_space("conv1d", channels=2, length=40, strides=[1, 2], widths=[[4, 8], [8, 16]])
    drawn = drawing(space, space.from_text(["1,3:9,3:8,8:2,1"])[0])
    assert (drawn["kind"], drawn["dims"], drawn["input"]) == ("stages", 1, "2 × 40")
    assert drawn["summary"] == "4 layers in 2 stages of 1, 3"
    first, second = drawn["stages"]
    assert first["layers"] == [{"kernel": 9, "level": 3}, None, None]
    assert second["layers"] == [{"kernel": 3, "level": 1}] * 3
    assert [stage["size"] for stage in drawn["stages"]] == [20, 20]
    assert drawn["head"] == {"width": 64, "classes": 6}


def test_a_cell_is_drawn_as_a_graph_whose_dead_edges_are_set_off():
    space = create_space("nasbench201")
    # Node 1 is reached, but leads nowhere; node 2 is never reached.
    text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    drawn = drawing(space, space.from_text([text])[0])
    live = [(edge["source"], edge["target"], edge["label"]) for edge in drawn["edges"] if not edge["skipped"]]
    assert live == [(0, 3, "skip")]
    assert [node["label"] for node in drawn["nodes"]] == ["in", "1", "2", "out"]


def test_a_graph_network_is_drawn_with_its_unread_nodes_going_to_the_output():
    pytest.importorskip("nas_bench_graph")
    space = create_space("nasbench_graph")
    drawn = drawing(space, space.from_text(["0,1,1,0:gcn,gat,sage,fc"])[0])
    links = [(edge["source"], edge["target"]) for edge in drawn["edges"]]
    assert links == [(0, 1), (1, 2), (1, 3), (0, 4), (2, 5), (3, 5), (4, 5)]


def test_a_space_without_a_drawing_of_its_own_is_drawn_as_its_choices(convolution_space: SearchSpace):
    drawn = drawing(convolution_space, np.array([1], dtype=np.int8))
    assert drawn["items"] == [{"name": "width", "taken": "option 2 of 3"}]


def test_the_hypervolume_of_a_search_that_found_everything_ends_at_one(generator):
    found = generator.predictor.measurements
    curve = hypervolume_curve(found, "phone")
    assert curve["rounds"] == [40]
    assert curve["evaluations"] == list(range(1, 41))
    assert curve["ratio"][-1] == pytest.approx(1.0)
    assert np.all(np.diff(curve["ratio"]) >= 0)


def test_cheap_readings_count_at_their_cost_in_the_curves():
    choices = np.array([[0], [1], [2], [3]], dtype=np.int8)
    found = Measurements(choices, np.array([0, 0, 1, 2]), np.arange(4.0), {"phone": np.arange(1.0, 5.0)})
    curve = hypervolume_curve(found, "phone", 30.0)
    assert (curve["evaluations"], curve["rounds"]) == ([1, 2, 33.0, 34.0], [2, 33.0, 34.0])
    reference = {"phone": found.objectives("phone")}
    assert comparison.hypervolume_curve(found, reference, cheap_cost=30.0)["evaluations"].tolist() == [1, 2, 33, 34]
    assert comparison.hypervolume_curve(found, reference)["evaluations"].tolist() == [1, 2, 3, 4]


def test_the_effort_of_a_search_is_told_in_words():
    assert effort({"evaluations": 70}) == "70 evaluations"
    assert effort({"evaluations": 70, "cheap_readings": {"number": 500, "cost": 0.06}}) == (
        "70 evaluations and 500 cheap readings at 0.06 each, together at the cost of 100 evaluations"
    )


def test_the_errors_of_a_prediction_are_those_computed_by_hand():
    result = prediction(np.array([[1.0, 2.0, 4.0], [2.0, 1.0, 5.0]]))
    assert result["mean_error"] == pytest.approx(1.0)  # 1, 1, 1
    assert result["median_error_percent"] == pytest.approx(50.0)  # 100 %, 50 %, 25 %
    assert result["kendall_tau"] == pytest.approx(1 / 3)  # of three pairs, two in order and one not


def test_the_picture_of_a_frontier_leaves_out_a_network_that_does_nothing():
    table = {"value": [0.1, 2.0, 3.0], "accuracy": [1.0, 60.0, 70.0]}
    offers = {"bound": [4.0, 2.5], "accuracy": [70.0, 60.0]}
    again = {"measured": [None], "test_accuracy": [None]}
    shown = view({"best_measured": table, "frontier": table, "answers": [{"offers": offers}], "again": again})
    assert shown["accuracy"][0] > 50
    assert shown["value"][0] == 0.0
    assert shown["value"][1] > 4.0


def test_stages_are_summed_over_rounds_and_shards(tmp_path):
    header = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\n"
    files = {
        "rounds/0/score-validation-0.tsv": "2.0\t0:00:02\t100.0\t1.0\t1.5\n",
        "rounds/1/score-validation-1.tsv": "3.0\t0:00:03\t300.0\t1.0\t2.5\n",
        "rounds/0/profile-my-phone.tsv": "7.0\t0:00:07\t-\t1.0\t0.5\n",
        "evaluation/score-test-0.tsv": "1.0\t0:00:01\t50.0\t1.0\t1.0\n",
        "compare/all/random/100-0.tsv": "99.0\t0:01:39\t50.0\t1.0\t1.0\n",
        "report.tsv": "99.0\t0:01:39\t50.0\t1.0\t1.0\n",
    }
    for name, line in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + line)
    table = stages(tmp_path, ["my-phone"]).set_index("stage")
    assert table.index.tolist() == ["profile my-phone", "score", "score (evaluation)"]
    assert table.loc["score", ["jobs", "wall_s", "cpu_s", "memory_mb"]].tolist() == [2, 5.0, 4.0, 300.0]
    assert np.isnan(table.loc["profile my-phone", "memory_mb"])


def test_the_time_of_a_job_is_the_mean_of_its_repeats(tmp_path):
    (tmp_path / "5-0.tsv").write_text("s\tcpu_time\n2.0\t1.0\n4.0\t1.0\n")
    assert job_seconds(tmp_path / "5-0.parquet") == 3.0
    assert np.isnan(job_seconds(tmp_path / "5-1.parquet"))


def test_a_comparison_shows_means_deviations_and_curves():
    keys = {"device": "phone", "strategy": "random", "evaluations": 10}
    metrics = pd.DataFrame(
        [{**keys, "seed": seed, **dict.fromkeys(METRICS, value)} for seed, value in enumerate([1.0, 2.0, 3.0])]
    )
    curve = pd.DataFrame([{**keys, "seed": seed, "x": 5, "regret": seed} for seed in (0.0, 1.0, 5.0)])
    tables = {
        "metrics": metrics,
        "hypervolume": curve.rename(
            columns={"evaluations": "effort", "x": "evaluations", "regret": "hypervolume_ratio"}
        ),
        "regret": curve.rename(columns={"x": "budget"}),
    }
    shown = compare_content("e", "the true frontier", {"ms"}, tables)
    (row,) = shown["metrics"]
    assert (row["mean_regret"], row["mean_regret_spread"], row["seeds"]) == (2.0, 1.0, 3)
    expected = {**keys, "x": [5], "median": [1.0], "low": [0.0], "high": [5.0]}
    assert shown["hypervolume"] == shown["regret"] == [expected]


def test_large_numbers_are_written_for_people():
    assert [short_number(n) for n in (7, 15_625, 2 * 10**19)] == ["7", "15,625", "2.0 × 10^19"]


def test_data_in_a_page_cannot_end_its_script_and_comes_back_unchanged():
    content = {"text": "</script><!--", "number": 1.25}
    assert "<" not in embedded(content)
    assert json.loads(embedded(content)) == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"x": float("nan")})


@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_page_refers_to_nothing_outside_of_itself(tmp_path, name):
    write_page(name, "a < b", {"text": "x"}, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<title>a &lt; b</title>" in page
    assert set(re.findall(r"https?://[^\"' )]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"(?:src|@import|url\()\s*=?\s*[\"'(]?(?!#)[\w./:]+\.\w+", page)
    assert not re.search(r"\{\{\w+\}\}", page)


def test_equal_figures_are_equal_bytes_as_svg_and_png(tmp_path):
    content = {"stages": {"stage": ["score", "profile"], "wall_s": [2.0, 1.0]}}
    for folder in ("a", "b"):
        figures.write_figures(content, tmp_path / folder, {"stages": figures.stages})
    for suffix in (".svg", ".png"):
        first, second = (tmp_path / folder / f"stages{suffix}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    assert "score" in (tmp_path / "a/stages.svg").read_text()


def compared(strategies: dict[str, float]) -> dict:
    """Return the content of a comparison on one device, where each strategy ends with a hypervolume ratio."""
    keys = [{"device": "phone", "strategy": name, "evaluations": 20} for name in strategies]
    curves = [
        {**key, "x": [1, 20], "median": [0.1, ratio], "low": [0.0, ratio], "high": [0.2, ratio]}
        for key, ratio in zip(keys, strategies.values(), strict=True)
    ]
    metrics = [key | {"hypervolume_ratio": ratio} for key, ratio in zip(keys, strategies.values(), strict=True)]
    content = {"devices": ["phone"], "strategies": list(strategies), "efforts": [20], "unit": "ms"}
    return content | {"metrics": metrics, "hypervolume": curves, "regret": curves}


def test_lines_of_a_comparison_are_named_at_their_ends_and_legibly():
    strategies = {"random": 0.5} | {f"s{number}": 0.99 - 1e-5 * number for number in range(16)}
    figure = comparison_figures.compared_hypervolume(compared(strategies))
    (axes,) = figure.axes
    FigureCanvasAgg(figure).draw()
    boxes = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}  # without the line to the point
    order = sorted(boxes, key=lambda name: boxes[name].y0)
    assert order == [*(f"s{number}" for number in range(16)), "random"]  # the least missing share at the bottom
    assert all(boxes[low].y1 <= boxes[high].y0 + 1 for low, high in itertools.pairwise(order))  # a pixel of padding
    frame = axes.get_window_extent()
    assert all(frame.y0 - 5 <= box.y0 and box.y1 <= frame.y1 + 5 and box.x0 > frame.x1 for box in boxes.values())


def test_of_many_compared_strategies_the_five_best_and_random_stand_out():
    strategies = {"random": 0.5} | {f"s{number}": 0.9 - 0.01 * number for number in range(9)}
    for draw in comparison_figures.COMPARED.values():
        (axes,) = draw(compared(strategies)).axes
        colors = {line.get_label(): line.get_color() for line in axes.lines}
        assert set(colors) == set(strategies)
        gray = {name for name, color in colors.items() if color == figures.MEASURED}
        assert gray == {"s5", "s6", "s7", "s8"}
        assert len(set(colors.values())) == 7  # five, black and gray
        assert not axes.collections  # bands


def test_few_compared_strategies_have_colors_and_bands():
    (axes,) = comparison_figures.compared_regret(compared({"random": 0.5, "evolution": 0.9})).axes
    assert len({line.get_color() for line in axes.lines}) == len(axes.collections) == 2
    # the larger mean first: (0.1 + 0.9) / 2 before (0.1 + 0.5) / 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["evolution", "random"]


def test_show_prints_devices_budgets_metrics_and_the_supernet(generator, tmp_path):
    from nagevo.cli import app

    metrics = {"hypervolume_ratio": 0.9876, "mean_regret": 0.5, "violation_rate": 0.1, "budget_use": 0.9}
    evaluation = {"confidence": 0.9, "devices": {"phone": {"metrics": {"generator": metrics}}}}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    accuracies = {
        "supernet_accuracy": [90, 95, 97],
        "supernet_test_accuracy": [89, 94, 96],
        "alone_accuracy": [90, 95, 97],
    }
    pd.DataFrame({"architecture": ["a", "b", "c"]} | accuracies).to_csv(tmp_path / "validate_supernet.csv", index=False)
    generator.save(tmp_path / "generator")
    arguments = ["show", str(tmp_path / "generator"), "--confidence", "0.8"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    lowest = generator.steps(confidence=0.8)[0].latency_bound_ms
    assert "experiment tiny, seed 3" in result.output
    shown = " ".join(result.output.split())
    assert "phone: 25 more evaluations are expected to raise the hypervolume by 1.2 %" in shown
    assert f"{rounded_up(lowest)} to" in result.output
    assert "0.9876" in result.output
    assert "3 networks alone: Kendall's tau 1.00, Spearman's rho 1.00, 1.0 points below" in result.output


def test_a_mistyped_command_names_its_nearest_neighbor():
    from nagevo.cli import app

    result = CliRunner().invoke(app, ["generrate"])
    assert result.exit_code == 2
    assert "Did you mean 'generate'?" in result.output


def test_stages_of_no_files_are_no_rows(tmp_path):
    assert isinstance(stages(tmp_path), pd.DataFrame)
    assert len(stages(tmp_path)) == 0


def test_broken_promises_are_told_in_plain_words():
    def evaluation(rate, **more):
        metrics = {"generator": {"violation_rate": rate}}
        return {"confidence": 0.9, "devices": {"phone": {"metrics": metrics, **more}}}

    assert verdicts(evaluation(0.1)) == []  # 10 % at confidence 0.9: as asked
    (sentence,) = verdicts(evaluation(0.35))
    assert sentence.startswith("phone: 35 % of the answers broke their budget")
    assert "at most 10 % should" in sentence
    assert "`extra_measurements`" in sentence  # values from a table are not disturbed by what else runs
    (sentence,) = verdicts(evaluation(0.35, condition={"statistic": "median"}))
    assert "measure again while nothing else runs" in sentence
    (sentence,) = verdicts(evaluation(0.2, confidence=0.8))  # 20 % at confidence 0.8: as asked
    assert "too little was measured for confidence 0.9; asked for was the highest that is supported, 0.8" in sentence


def test_answers_that_broke_their_budget_are_drawn_as_crosses():
    again = {
        "method": ["generator", "generator", "best_measured"],
        "budget": [1.0, 2.0, 2.0],
        "measured": [0.9, 2.5, 2.1],  # the second and the third are broken
        "test_accuracy": [80.0, 90.0, 91.0],
    }
    device = {"name": "phone", "again": again, "quantity": {"words": "latency", "unit": "ms"}}
    _, accuracies = figures.again({"devices": [device]}).axes
    drawn = {(line.get_marker(), line.get_label()): line.get_xydata().tolist() for line in accuracies.lines}
    assert drawn[("o", "generator, measured again")] == [[1.0, 80.0]]
    assert drawn[("x", "generator, budget broken")] == [[2.0, 90.0]]
    assert drawn[("x", "best measured network, budget broken")] == [[2.0, 91.0]]
