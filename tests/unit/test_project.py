"""The project itself: packages and their extras, links in the documents, names of tests."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from nagevo.foundation.errors import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def names(requirements: list[str]) -> set[str]:
    """Return the normalized names of the packages that are required, nagevo left out."""
    found = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements}
    return found - {"nagevo"}


def test_each_optional_package_is_in_the_extra_that_is_named():
    distributions = {"pynvml": ["nvidia-ml-py"], **packages_distributions()}  # not installed everywhere
    for module, extra in EXTRAS.items():
        candidates = {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
        assert candidates & names(PROJECT["optional-dependencies"][extra]), module


def test_constraints_hold_each_package_that_pyproject_names():
    pinned = names((ROOT / "constraints.txt").read_text().splitlines()[1:])
    extras = PROJECT["optional-dependencies"].values()
    assert pinned == names(PROJECT["dependencies"]).union(*map(names, extras))


def test_make_clean_leaves_the_results(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (".venv", ".mypy_cache", ".snakemake", "results"):
        (tmp_path / name).mkdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile", ".snakemake", "results"}


def anchors(page: Path) -> set[str]:
    """Return the names by which links reach the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_links_in_the_documents_lead_somewhere():
    broken = []
    for page in PAGES:
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        for target, heading in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]+))?\)", prose):
            linked = page.parent / target if target else page
            if not linked.exists() or (heading and heading not in anchors(linked)):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{heading}")
    assert not broken


def test_names_of_tests_are_short_sentences():
    files = (ROOT / "tests").rglob("test_*.py")
    long = [name for file in files for name in re.findall(r"def test_(\w{71,})", file.read_text())]
    assert not long


def test_nothing_that_all_kinds_of_data_share_is_named_after_images():
    shared = ["training/loop.py", "training/examples.py", "training/checkpoint.py", "deploy"]
    shared += ["measure/accuracy/dataset.py", "measure/accuracy/supernet.py", "measure/accuracy/training.py"]
    places = [ROOT / "nagevo" / name for name in shared]
    paths = [path for place in places for path in ([place] if place.suffix else place.glob("*.py"))]
    assert len(paths) > len(shared)
    named = (
        (ast.Name, "id"),
        (ast.arg, "arg"),
        (ast.Attribute, "attr"),
        (ast.FunctionDef, "name"),
        (ast.ClassDef, "name"),
    )
    found = [
        f"{path.name}: {getattr(node, attribute)}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        for kind, attribute in named
        if isinstance(node, kind) and "image" in getattr(node, attribute).lower()
    ]
    assert not found
