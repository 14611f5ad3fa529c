"""Pages made from the code are those the code would make now, and the paper is claimed to the last equation."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.generate import PAGES
from scripts.pages.method import snippet
from scripts.pages.paper_map import EQUATIONS, claimed, claims, read_claim
from scripts.pages.source import first_sentence

from tests.project.sources import ROOT


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=list(PAGES))
def test_the_page_is_current(name: str, page: Callable[[], str]) -> None:
    path = ROOT / name
    assert path.is_file(), f"run python -m scripts.generate: {name} is not there"
    assert path.read_text(encoding="utf-8") == page(), f"run python -m scripts.generate: {name} is out of date"


def test_every_equation_is_claimed_once() -> None:
    made, _ = claims()
    owners = {number: [c.owner for c in found] for number, found in claimed("Eq.", made).items()}
    assert {n: o for n, o in owners.items() if len(o) > 1} == {}
    assert {int(n) for n in owners} == set(EQUATIONS)


def test_the_method_page_displays_every_equation_in_order_and_code_after_each() -> None:
    text = PAGES["docs/method.md"]()
    assert [int(n) for n in re.findall(r"\\tag\{(\d+)\}\$\$", text)] == list(EQUATIONS)
    sections = re.split(r"\\tag\{\d+\}\$\$", text)[1:]
    # One function takes the steps of Eq. 7, 8 and 9, and one those of Eq. 10 to 13.
    alone = [n for n, after in zip(EQUATIONS, sections) if "```python" not in after]
    assert alone == [7, 10, 11, 12]


def test_code_that_is_gone_is_no_snippet() -> None:
    with pytest.raises(ValueError, match="no code is called"):
        snippet("md2n.diffusion.process.DuplexProcess.gone")
    with pytest.raises(ValueError, match="has no line that begins with 'gone'"):
        snippet("md2n.diffusion.process.DuplexProcess.step", "gone", "return")


def test_every_claim_is_of_the_agreed_form() -> None:
    _, strange = claims()
    assert strange == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Paper: Eq. 8, Sec. 3.3.", {"Eq.": ("8",), "Sec.": ("3.3",)}),
        ("Paper: Eq. 10, 11, Sec. 3.3.", {"Eq.": ("10", "11"), "Sec.": ("3.3",)}),
        ("Paper: Sec. 4.1.", {"Sec.": ("4.1",)}),
        ("Paper: Sec. 3.3, 3.4.", {"Sec.": ("3.3", "3.4")}),
        ("Paper: Table 2, Sec. 4.3.", {"Table": ("2",), "Sec.": ("4.3",)}),
        ("Paper: Fig. 4a.", {"Fig.": ("4a",)}),
        ("Paper: Eq. 8, Sec. 3.3", None),
        ("Paper: Eq. 8 Sec. 3.3.", None),
        ("Paper: Eq 8.", None),
        ("Paper: Sec. 3.3, Eq. 8.", None),
        ("Paper: Eq. 8, .", None),
        ("Paper: .", None),
    ],
)
def test_what_a_line_claims(line: str, said: dict[str, tuple[str, ...]] | None) -> None:
    assert read_claim(line) == said


def test_a_claim_twice_or_misspelt_is_found(tmp_path: Path) -> None:
    package = tmp_path / "src" / "made"
    package.mkdir(parents=True)
    (package / "one.py").write_text('def f():\n    """F.\n\n    Paper: Eq. 8, Sec. 3.3.\n    """\n')
    (package / "two.py").write_text(
        'class A:\n    """A.\n\n    Paper: Eq. 8.\n    """\n\n    def g(self):\n        """Paper: Eq 9."""\n'
    )
    made, strange = claims(package)
    assert [c.owner for c in claimed("Eq.", made)["8"]] == ["made.one.f", "made.two.A"]
    assert strange == ["made.two.A.g: Paper: Eq 9."]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("As in Eq. 8 of it. More.", "As in Eq. 8 of it."),
        ("The step of Eq. Nine. More.", "The step of Eq. Nine."),
        ("Over\nlines ``x``\n\nNext.", "Over lines `x`"),
        (None, ""),
    ],
)
def test_the_first_sentence(text: str | None, sentence: str) -> None:
    assert first_sentence(text) == sentence
