"""Relative links in the docs lead somewhere, headings included; every page and every decision can be found."""

import re
from pathlib import Path

import pytest

from tests.project.sources import ROOT, project_files, told

PAGES = [p for p in project_files() if p.suffix == ".md"]
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def prose(path: Path) -> str:
    """The page without its code, in which brackets are no links."""
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", text)


def anchors(path: Path) -> set[str]:
    """What ``#...`` can name: headings, as Markdown readers spell them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", heading.strip().lower())
        found.add(re.sub(r"\s+", "-", words))
    return found


def broken(path: Path) -> list[str]:
    wrong = []
    for target in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_links_to_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[here](#a-page) [gone](gone.md) [no](#no) [out](https://a.org) `[code](x)`\n")
    assert broken(page) == ["gone.md", "#no"]


def test_the_site_lists_every_page() -> None:
    listed = set(re.findall(r"([\w./-]+\.md)", (ROOT / "mkdocs.yml").read_text()))
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in PAGES if p.is_relative_to(ROOT / "docs")}
    assert listed == {p for p in pages if not p.startswith("decisions/0")}


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(folder.glob("[0-9]*.md"))
    assert len(records) > 9
    for record in records:
        text = record.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Question", "Options", "Choice", "How to tell if it was wrong"], record.name
        assert len(text.splitlines()) <= 60, f"{record.name} is longer than one screen"
        assert f"({record.name})" in index
    numbers = [int(r.name[:4]) for r in records]
    assert numbers == list(range(len(numbers)))
