"""Names: nouns and verbs that say what a thing is, and what True means in a flag."""

import ast

import pytest

from tests.project.sources import bound_names, module_name, python_files, told, tree

# They say that something happened to a thing, and not what it is.
VAGUE = {
    "told", "found", "given", "said", "kept", "asked", "seen", "moving", "sameness", "growing", "lacking", "made",
}  # fmt: skip
# Dotted place -> why the name stays.
ALLOWED = {
    "md2n.methods.icdn.unimodal_labels.UnimodalLabels.seen": "a buffer: the name is a key in saved weights",
}


def bare(place: str) -> str:
    """The last name of a dotted place, without its underscores."""
    return place.rpartition(".")[2].strip("_")


def vague_names(module: ast.Module, name: str = "") -> list[tuple[int, str]]:
    """Line and dotted place of the names that are in ``VAGUE``."""
    return [(line, f"{name}.{place}") for line, place in bound_names(module) if bare(place) in VAGUE]


def test_a_name_says_what_the_thing_is() -> None:
    names = [(told(p), *one) for p in python_files("src") for one in vague_names(tree(p), module_name(p))]
    assert [f"{file}:{line}: {place}" for file, line, place in names if place not in ALLOWED] == []
    assert {place for _, _, place in names} >= ALLOWED.keys(), "ALLOWED names what is no longer there"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("told = 1", "told"),
        ("told: int", "told"),
        ("told += 1", "told"),
        ("(told := 1)", "told"),
        ("a, (*told, b) = c", "told"),
        ("[1 for told in x]", "told"),
        ("for told in x: ...", "told"),
        ("with x as told: ...", "told"),
        ("def told(): ...", "told"),
        ("async def _told(): ...", "_told"),
        ("class told: ...", "told"),
        ("def f(*, told=1): ...", "f.told"),
        ("def f(**told): ...", "f.told"),
        ("lambda told: 1", "told"),
        ("class A:\n def f(self): self._told_ = 1", "A.f._told_"),
        ("import told", "told"),
        ("import x as told", "told"),
        ("from x import told", "told"),
        ("try: ...\nexcept E as told: ...", "told"),
        ("match x:\n case [told]: ...", "told"),
        ("match x:\n case [*told]: ...", "told"),
        ("match x:\n case {**told}: ...", "told"),
    ],
)
def test_a_planted_name_is_reported(source: str, place: str) -> None:
    assert [p for _, p in vague_names(ast.parse(source), "m")] == [f"m.{place}"]


@pytest.mark.parametrize("source", ["told_by = 1", "print(told)", "x.told", "'told'", "f(told=1)", "# told"])
def test_what_is_only_read_or_longer_is_not_reported(source: str) -> None:
    assert vague_names(ast.parse(source)) == []


def test_no_name_is_the_bare_word_that_hides_its_polarity() -> None:
    # True for what is kept, or for what is hidden?  `valid`, `available`, `present` say it.
    wrong = [
        f"{told(p)}:{line}"
        for p in python_files("src")
        for line, place in bound_names(tree(p))
        if place.rpartition(".")[2] == "mask"
    ]
    assert wrong == []


@pytest.mark.parametrize("source", ["mask = 1", "def f(mask): ...", "self.mask = 1", "import x as mask"])
def test_the_search_for_names_reports_mask(source: str) -> None:
    assert [place.rpartition(".")[2] for _, place in bound_names(ast.parse(source))][-1] == "mask"
