"""The Python examples of the page on tables and scikit-learn run and print what the page says, but for last digits."""

import re

import pytest

from tests.project.sources import ROOT

PAGE = ROOT / "docs" / "tables-and-scikit-learn.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def words(text: str) -> list[str]:
    """What is printed, without numbers that depend on how a processor rounds."""
    return re.findall(r"[A-Za-z_+]\w*(?:\+\w+)*", text)


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_example_prints_what_the_page_says(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    code, printed = EXAMPLES[number]
    exec(compile(code, PAGE.name, "exec"), {})
    assert words(capsys.readouterr().out) == words(printed)


def test_there_are_two_examples() -> None:
    assert len(EXAMPLES) == 2
