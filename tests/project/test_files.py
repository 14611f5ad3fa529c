"""Files: short, well named, without promises, without anybody's machine in them."""

import re

import pytest

from tests.project.sources import ROOT, python_files, text_files, told

LONGEST = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
PROMISES = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
# `me` is nobody: it stands in tests that refuse absolute paths.
MACHINE = re.compile(r"(?<![\w./-])/(?:home|Users|root|work|mnt|media)/(?!me/)\w|\b[A-Z]:\\Users\\")


def test_there_is_something_to_look_at() -> None:
    assert len(python_files("src")) > 100
    assert ROOT / "pyproject.toml" in text_files()


def test_no_python_file_is_longer_than_a_reader_bears() -> None:
    lengths = {told(p): len(p.read_text(encoding="utf-8").splitlines()) for p in python_files("src", "tests")}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    named = [told(p) for p in python_files("src", "tests", "scripts", "benchmarks")]
    assert [n for n in named if VAGUE & set(n.removesuffix(".py").split("/"))] == []


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{told(path)}:{number}: {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_promises_to_be_finished_later() -> None:
    assert lines_with(PROMISES) == []


def test_no_file_names_somebodys_machine() -> None:
    assert lines_with(MACHINE) == []


@pytest.mark.parametrize("line", ["open('/" + "home/ann/x')", "cd /" + "work/main", "C:" + r"\Users\ann"])
def test_the_search_for_machines_finds_them(line: str) -> None:
    assert MACHINE.search(line)


@pytest.mark.parametrize("line", ["https://a.org/work/x", "../home/x", "the work/life balance", "/home/me/run"])
def test_the_search_for_machines_spares_the_rest(line: str) -> None:
    assert not MACHINE.search(line)
