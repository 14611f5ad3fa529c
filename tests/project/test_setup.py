"""How the project is set up: one entry for the gate, one list of versions, hooks that run what the gate runs."""

import os
import re
import tomllib

import pytest

from tests.project.sources import ROOT


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, equals, version = line.partition("==")
        assert equals and version.strip(), f"constraints.txt: '{line}' pins nothing"
        found[normalised(name)] = version.strip()
    return found


def requirements() -> list[tuple[str, str]]:
    """(name, the whole line) of everything pyproject.toml asks for, extras and build included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    named = [(normalised(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]), line) for line in lines]
    return [(name, line) for name, line in named if name != "md2n"]


def test_torch_is_pinned_to_what_was_tested() -> None:
    assert pins()["torch"] == "2.13.0"


@pytest.mark.parametrize("name", ["torchvision", "torchaudio", "torchcodec", "lightning"])
def test_nothing_that_breaks_beside_a_cpu_torch_is_pinned(name: str) -> None:
    assert name not in pins()


@pytest.mark.parametrize(("name", "line"), requirements(), ids=[n for n, _ in requirements()])
def test_every_dependency_is_pinned_at_or_above_its_lower_bound(name: str, line: str) -> None:
    assert name in pins()
    lower = re.search(r">=\s*([\d.]+)", line)
    assert lower, f"'{line}' has no lower bound: pip falls back to ancient versions without a word"

    def numbers(version: str) -> list[int]:
        return [int(n) for n in re.findall(r"\d+", version)]

    assert numbers(pins()[name]) >= numbers(lower[1])


def test_the_gate_runs_make_test() -> None:
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert re.search(r"^make test$", gate.read_text(), re.MULTILINE)
    assert "set -e" in gate.read_text()


def recipe(target: str) -> str:
    """Prerequisites and commands of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{re.escape(target)}:(.*\n(?:\t.*\n|\n(?=\t))*)", text, re.MULTILINE)
    assert found, f"the Makefile has no target '{target}'"
    return found[1]


def test_make_test_lints_and_tests() -> None:
    assert "lint" in recipe("test").partition("##")[0].split()
    assert "pytest" in recipe("test")
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert tool in recipe("lint")


@pytest.mark.parametrize("target", ["demo", "test", "test-slow", "lint", "bench", "benchmark", "docs"])
def test_every_target_sets_itself_up(target: str) -> None:
    assert {"setup", "lint"} & set(recipe(target).partition("##")[0].split())


def test_every_target_is_explained_and_phony() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY:(.*)$", text, re.MULTILINE)[1].split())
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S", text, re.MULTILINE))
    assert targets == phony == explained


def test_hooks_run_the_tools_of_the_environment() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"repo: (\S+)", hooks)) == {"local"}
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports", "scripts.generate --check"):
        assert f".venv/bin/{tool.partition(' ')[0]}" in hooks or ".venv/bin/python -m" in hooks
        assert tool.partition(" ")[2] in hooks


def test_one_version_everywhere() -> None:
    import md2n

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert project["version"] == md2n.__version__
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1].strip('"') == md2n.__version__
    assert f"## {md2n.__version__}" in (ROOT / "CHANGELOG.md").read_text()
