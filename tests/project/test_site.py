"""The site: every package has its page, links lead to docstrings or are text, examples in docstrings are code."""

from types import SimpleNamespace

import pytest
from scripts.site import on_page_markdown, python_pages

from tests.project.sources import ROOT, SOURCE


def test_every_package_has_a_page_of_its_docstrings() -> None:
    text = "".join(python_pages().values())
    packages = {p.parent.name for p in SOURCE.glob("*/__init__.py")} - {"cli"}
    modules = {p.stem for p in SOURCE.glob("[!_]*.py")}
    assert len(packages) > 10
    assert all(f"::: md2n.{name}\n" in text for name in packages | modules)


@pytest.mark.parametrize(
    ("page", "markdown", "site"),
    [
        ("a.md", "[code](../src/md2n/batch.py)", "[code][md2n.batch]"),
        ("a.md", "[code](../src/md2n/batch.py#L3)", "[code][md2n.batch]"),
        ("reference/a.md", "[`code`](../../src/md2n/data/__init__.py)", "[`code`][md2n.data]"),
        ("a.md", "[test](../tests/laws/test_forward.py)", "test"),
        ("a.md", "[command](../src/md2n/cli/train.py)", "command"),
        ("a.md", "[page](log.md) and [part](log.md#x)", "[page](log.md) and [part](log.md#x)"),
        ("a.md", "![picture](../README.md)", "![picture](../README.md)"),
        ("a.md", "[out](https://a.org/b)", "[out](https://a.org/b)"),
    ],
)
def test_links_out_of_the_docs(page: str, markdown: str, site: str) -> None:
    place = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert on_page_markdown(markdown, place) == site


def test_examples_in_docstrings_become_code() -> None:
    pytest.importorskip("griffe", reason="of the extra docs")
    from scripts.doctests import fenced

    assert fenced("One.\n\n>>> f()\n1\n>>> g()\n\nTwo.") == "One.\n\n```pycon\n>>> f()\n1\n>>> g()\n```\n\nTwo."
    assert fenced("E:\n    >>> f()\n    1") == "E:\n    ```pycon\n    >>> f()\n    1\n    ```"
    assert fenced("Plain text, 1 >>> 2.") == "Plain text, 1 >>> 2."


def test_nothing_is_fetched_when_a_page_is_read() -> None:
    assert "http" not in (ROOT / "mkdocs.yml").read_text()
    assert "http" not in (ROOT / "docs" / "javascripts" / "mathjax.js").read_text()
