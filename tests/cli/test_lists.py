"""``md2n methods``, ``md2n config``, ``md2n doctor``: what there is, for people and for programs."""

import json
from pathlib import Path

import pytest

from md2n.cli.doctor import GIVES, Extra, extras_here, packages, requirements
from md2n.cli.output import toml
from md2n.experiment.config import presets, resolve
from md2n.methods.catalogue import METHODS
from tests.cli.commands import ask, refused


def test_methods_are_listed_with_their_cards(capsys: pytest.CaptureFixture[str]) -> None:
    cards = json.loads(ask(capsys, "methods", "list", "--json").out)
    assert [card["name"] for card in cards] == list(METHODS)
    assert {"title", "paper", "year", "family", "differences", "recovers", "retracted"} <= cards[0].keys()
    table = ask(capsys, "methods", "list").out
    assert "| imder | IMDer | recovery | 2023 | yes |" in table


def test_a_method_is_shown_with_settings_that_its_own_preset_has(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ask(capsys, "methods", "show", "icdn").out
    assert "ICDN (retracted)" in shown
    settings = json.loads(ask(capsys, "methods", "show", "imder", "--json").out)["settings"]
    assert settings["model.score_draws"] == resolve("imder").model.settings.score_draws != 1
    assert "did you mean 'imder'" in refused(capsys, 2, "no model is called 'imderr'", "methods", "show", "imderr")


def test_every_preset_is_listed_with_what_it_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(ask(capsys, "config", "list", "--json").out)
    assert [one["name"] for one in listed] == list(presets())
    assert all(len(one["what"]) > 10 for one in listed)
    assert {"name": "default", "method": "md2n", "what": "The default settings of md2n"} in listed


@pytest.mark.parametrize("arguments", [("paper",), ("--model", "imder"), ("--set", "data.hide={image = 0.5}")])
def test_what_config_shows_is_a_file_that_means_the_same(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(ask(capsys, "config", "show", *arguments).out)
    mapping = json.loads(ask(capsys, "config", "show", *arguments, "--json").out)
    again = json.loads(ask(capsys, "config", "show", file, "--json").out)
    assert again == mapping
    assert mapping["model"]["name"] == ("imder" if "imder" in arguments else "md2n")


def test_a_text_of_toml_keeps_quotes() -> None:
    assert toml('a "b"') == '"a \\"b\\""'


def test_the_doctor_knows_the_machine_and_every_extra_for_users(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(ask(capsys, "doctor", "--json").out)
    assert {"md2n", "Python", "libraries", "threads", "devices", "ready sets"} <= report["machine"].keys()
    assert "torch" in report["machine"]["libraries"]
    assert report["machine"]["devices"].startswith("cpu")
    assert [extra["name"] for extra in report["extras"]] == [extra.name for extra in extras_here()]


def test_every_extra_says_what_it_gives() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) - {"dev", "docs"} == set(GIVES)


def test_what_an_extra_lacks_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("md2n.cli.doctor.requirements", lambda: {"one": ["numpy>=1", "no-such-package"], "dev": ["x"]})
    assert list(extras_here()) == [Extra("one", "", ("no-such-package",))]
    ended = ask(capsys, "doctor")
    assert "| one |" in ended.out
    assert "no: no-such-package" in ended.out
    assert "md2n[one]" in ended.err


def test_packages_of_a_bundle_are_those_of_its_extras() -> None:
    needs = requirements()
    if "extract" not in needs:
        pytest.skip("md2n is not installed here as a package")
    assert set(packages("audio", needs)) < set(packages("extract", needs))


def test_tables_of_an_evaluation_are_printed_for_programs(dropout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ask(capsys, "evaluate", dropout, "--quiet").out.splitlines()
    facts = json.loads(ask(capsys, "evaluate", dropout, "--quiet", "--json").out)
    assert facts["verdict"] == said[0]
    assert f"worst {facts['tables'][0]['rows'][0]['worst']:.1f} %" in said[0]
