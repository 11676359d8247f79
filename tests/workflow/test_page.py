"""The page of a finished experiment in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nagevo
from nagevo.experiment.explaining import neighbors
from nagevo.report.drawing import drawing
from nagevo.spaces import create_space

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",
    "--window-size=1400,1000",
)
LARGEST_MB = 6
LONGEST_S = 2.0


@pytest.fixture(scope="module")
def browser():
    """Return a headless Chromium that logs what pages complain of and what they ask the network for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no browser: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module")
def page(finished, browser) -> Path:
    """Return the page of the finished experiment."""
    folder, _ = finished
    return folder / "results/tiny/report.html"


@pytest.fixture
def opened(page, browser):
    """Return the browser with the page freshly opened from disk."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(page.as_uri())
    return browser


@pytest.fixture(scope="module")
def generator(finished):
    folder, _ = finished
    return nagevo.load(folder / "results/tiny/generator")


@pytest.fixture
def device(opened, generator) -> str:
    """Return the device that the page begins with."""
    return generator.devices[0]


def by_id(browser, name: str):
    return browser.find_element("id", name)


def shown_architecture(browser) -> str:
    """Return the architecture of the answer, "" for a refusal."""
    return by_id(browser, "answer").get_attribute("data-architecture")


def budget(browser) -> float:
    return float(by_id(browser, "budget").get_property("value"))


def choose(browser, name: str, value: str) -> None:
    """Press the radio button with this label."""
    browser.find_element("css selector", f'input[name="{name}"][value="{value}"]').click()


def expected(generator, browser, device: str, confidence: float) -> str:
    """Return the architecture that the Python API gives for the budget that the page shows."""
    (answer,) = generator.answers([budget(browser)], device=device, confidence=confidence)
    return "" if isinstance(answer, nagevo.InfeasibleBudget) else answer.architecture


def test_the_page_opens_from_disk_with_no_request_no_error_and_soon(page, opened):
    assert opened.execute_script("return document.documentElement.dataset.ready") == "true"
    assert opened.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", page.as_uri()))] == []
    assert page.stat().st_size < LARGEST_MB * 1e6
    script = "const t = performance.getEntriesByType('navigation')[0]; return t.domContentLoadedEventEnd / 1000"
    loading = []
    for _ in range(3):  # the fastest: other tests run beside this one
        opened.get(page.as_uri())
        loading.append(opened.execute_script(script))
    assert min(loading) < LONGEST_S


def test_the_slider_gives_by_keyboard_what_the_api_gives_for_that_budget(opened, generator, device):
    from selenium.webdriver.common.keys import Keys

    slider, seen = by_id(opened, "slider"), set()
    slider.send_keys(Keys.HOME)
    assert shown_architecture(opened) == expected(generator, opened, device, 0.9) == ""  # below the smallest bound
    for keys in [*[Keys.PAGE_UP] * 10, *[Keys.ARROW_LEFT] * 5, Keys.END]:
        slider.send_keys(keys)
        assert shown_architecture(opened) == expected(generator, opened, device, 0.9)
        seen.add(shown_architecture(opened))
    assert len(seen) > 3


def test_the_slider_gives_by_mouse_what_the_api_gives_for_that_budget(opened, generator, device):
    from selenium.webdriver import ActionChains

    slider, budgets = by_id(opened, "slider"), []
    width = slider.size["width"]
    for share in (-0.3, 0.1, 0.4):
        ActionChains(opened).move_to_element_with_offset(slider, int(share * width), 0).click().perform()
        assert shown_architecture(opened) == expected(generator, opened, device, 0.9) != ""
        budgets.append(budget(opened))
    assert budgets == sorted(set(budgets))


def test_any_budget_can_be_typed_and_the_buttons_go_from_answer_to_answer(opened, generator, device):
    from selenium.webdriver.common.keys import Keys

    field = by_id(opened, "budget")
    steps = generator.steps(device=device, confidence=0.9)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(f"{steps[2].latency_bound_ms * (1 + 1e-9):.12f}")
    assert shown_architecture(opened) == steps[2].architecture
    by_id(opened, "next").click()
    assert shown_architecture(opened) == steps[3].architecture
    by_id(opened, "previous").click()
    by_id(opened, "previous").click()
    assert shown_architecture(opened) == steps[1].architecture == expected(generator, opened, device, 0.9)


def test_the_device_and_the_confidence_can_be_chosen(opened, generator):
    for device, unit in (("board", "ms"), ("meter", "mJ"), ("phone", "ms")):
        choose(opened, "device", device)
        assert by_id(opened, "unit").text == unit
        for confidence, label in ((0.5, "50 %"), (0.9, "90 %")):
            choose(opened, "confidence", label)
            assert shown_architecture(opened) == expected(generator, opened, device, confidence) != ""
            assert f"on {device}" in opened.find_element("css selector", "#frontier h3").text


@pytest.mark.parametrize(("label", "name"), [("Parameters", "parameters"), ("Energy on meter", "energy_mj")])
def test_a_second_limit_gives_what_the_api_gives_for_both(opened, generator, device, label, name):
    from selenium.webdriver.common.keys import Keys

    by_id(opened, "slider").send_keys(Keys.END)
    choose(opened, "limit", label)
    slider, seen = by_id(opened, "limit-slider"), set()
    for keys in [Keys.HOME, *[Keys.PAGE_UP] * 10]:
        slider.send_keys(keys)
        asked = {"latency_ms": budget(opened), name: float(by_id(opened, "most").get_property("value"))}
        (answer,) = generator.answers([asked], device=device, confidence=0.9)
        assert shown_architecture(opened) == answer.architecture
        seen.add(answer.architecture)
    assert len(seen) > 2
    field = by_id(opened, "most")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("1")
    assert shown_architecture(opened) == ""
    by_id(opened, "answer").find_element("css selector", "button").click()
    assert shown_architecture(opened) != ""
    choose(opened, "limit", "None")
    assert shown_architecture(opened) == expected(generator, opened, device, 0.9)


def test_the_command_on_the_page_prints_the_architecture_on_the_page(opened, finished, monkeypatch):
    from nagevo.cli import app

    folder, _ = finished
    opened.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    opened.find_element("css selector", '[aria-label="Copy the command"]').click()
    copied = opened.execute_async_script("navigator.clipboard.readText().then(arguments[0], () => arguments[0](null))")
    assert copied == opened.find_element("css selector", "#details .code code").get_property("textContent")
    monkeypatch.chdir(folder)
    program, *arguments = copied.split()
    assert program == "nagevo"
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["architecture"] == shown_architecture(opened)


def test_a_table_is_sorted_by_the_buttons_in_its_head(opened, finished):
    table = opened.find_element("css selector", "#measurements table")
    head = table.find_elements("css selector", "thead th")[2]
    for direction in ("ascending", "descending"):
        head.find_element("css selector", "button").click()
        assert head.get_attribute("aria-sort") == direction
        cells = table.find_elements("css selector", "tbody td:nth-child(3)")
        values = np.array([float(cell.get_property("textContent")) for cell in cells])
        assert len(values) == 30
        assert np.all(np.diff(values) >= 0 if direction == "ascending" else np.diff(values) <= 0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_sticks_out_of_a_phone_or_a_desktop_in_either_theme(page, browser, width, theme):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    luminance = browser.execute_script(
        "const c = document.createElement('canvas').getContext('2d');"
        "c.fillStyle = getComputedStyle(document.body).backgroundColor; c.fillRect(0, 0, 1, 1);"
        "return c.getImageData(0, 0, 1, 1).data[0]"
    )
    assert (luminance > 200) == (theme == "light")


def test_the_theme_button_goes_from_that_of_the_system_to_light_and_dark(opened):
    button = by_id(opened, "theme")
    texts = []
    for _ in range(3):
        texts.append(button.text)
        button.click()
    assert sorted(texts) == ["Theme: auto", "Theme: dark", "Theme: light"]


def test_every_chart_and_drawing_has_a_text_and_every_control_a_name(opened):
    unnamed = opened.execute_script(
        "return [...document.querySelectorAll('svg[role=img]')].filter((e) => !e.getAttribute('aria-label')).length"
        " + [...document.querySelectorAll('button, input')].filter((e) =>"
        " !e.textContent && !e.getAttribute('aria-label') && !(e.labels && e.labels.length)).length"
    )
    assert unnamed == 0
    assert len(opened.find_elements("css selector", "svg[role=img]")) > 8
    assert opened.find_elements("css selector", "table:not(:has(caption))") == []


@pytest.mark.parametrize(
    ("name", "selector"), [("mobilenetv3", "rect.block"), ("conv1d", "rect.block"), ("dag", "path.flow")]
)
def test_other_spaces_are_drawn_too(opened, name, selector):
    space = create_space(name)
    drawn = drawing(space, space.extremes()[1])
    count = opened.execute_script(
        "return architectureDrawing(arguments[0]).querySelectorAll(arguments[1]).length", drawn, selector
    )
    # The largest MobileNetV3 has 20 layers, and a line through each of its 5 stages; the graph has 8 * 7 / 2 edges.
    assert count == {"mobilenetv3": 20, "conv1d": 9, "dag": 28}[name]


def open_changed(browser, page: Path, folder: Path, content: str, other: str) -> None:
    """Open a copy of the page in which a part of its content, which is there once, is another."""
    html = page.read_text(encoding="utf-8")
    assert html.count(content) == 1
    changed = folder / "report.html"
    changed.write_text(html.replace(content, other), encoding="utf-8")
    browser.get(changed.as_uri())


def test_failed_measurements_are_told_above_what_was_measured_again(page, browser, tmp_path):
    sentence = "2 of 30 failed on board: out of memory (2)"
    open_changed(browser, page, tmp_path, '"failures":[]', f'"failures":["{sentence}"]')
    assert sentence in by_id(browser, "again-metrics").text


def test_how_far_a_supernet_agrees_with_training_alone_is_told(page, browser, tmp_path):
    sentence = "Supernet against training 12 networks alone: Kendall's tau 0.91."
    open_changed(browser, page, tmp_path, '"supernet":null', f'"supernet":{json.dumps(sentence)}')
    assert sentence in by_id(browser, "predicted").text


def test_layers_and_next_answers_of_a_delivered_network_are_told(page, browser, generator, tmp_path):
    device = generator.devices[0]
    answer = generator.steps(device=device)[1]  # one is faster, another more accurate
    layer = {"layer": "first", "operator": "Conv", "place": "here", "ms": answer.value}
    network = {"device": device, "asked": answer.bound, "architecture": answer.architecture, "measured": answer.value}
    network |= {"kept": True, "layers": [layer], "n_layers": 1, "elsewhere": [], **neighbors(generator, answer)}
    open_changed(browser, page, tmp_path, '"networks":[]', f'"networks":[{json.dumps(network)}]')
    told = by_id(browser, "layer-tables").text
    assert "100.0" in told  # percent of the latency
    assert re.search(r"Next faster: −[\d.]+ ms, −[\d.]+ points\. \w", told)
    assert re.search(r"Next more accurate: \+[\d.]+ ms, \+[\d.]+ points\. \w", told)
