"""The notebooks run from the first cell to the last, say what their text promises, and hold what they print."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts.notebooks import FOLDER, executed, plain
from scripts.site import notebook_page

from tests.project.sources import ROOT, told

nbformat = pytest.importorskip("nbformat", reason="of the extra dev")
NOTEBOOKS = tuple(sorted(FOLDER.glob("*.ipynb")))
LARGEST_BYTES = 100_000


@cache
def stored(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def words(notebook: Any) -> str:
    """Everything that the cells print and show as text."""
    outputs = [output for cell in cells(notebook) for output in cell.outputs]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"'{pattern}' is not in:\n{text}"
    return float(found[1])


def own_sensors(text: str) -> None:
    assert "empty cells left: 0\nknown cells changed: 0\n" in text
    assert number(r"mean absolute error: (\S+) beats", text) < number(r"of the mean heart rate (\S+)", text) / 2
    assert 60 <= number(r"inside the 90 % band: (\d+)%", text) <= 100
    all_there, without = (number(rf"{name}: mean absolute error (\S+),", text) for name in ("as it is", "heart off"))
    assert all_there < 0.9 and without < 1.1
    assert number(r"R² on the two test people: (\S+)", text) > 0.7
    assert "same predictions: True" in text


def mosi_like(text: str) -> None:
    assert "320 samples of text, audio, vision" in text
    for method in ("md2n", "modality_dropout"):
        assert 65 < number(rf"mean over incomplete patterns:.* {method} (\d+\.\d)", text) <= 100
    patterns = {"audio", "text", "vision", "audio+vision", "text+audio", "text+vision", "complete"}
    shown = re.findall(r"^(\S+) +\d+\.\d +\d+\.\d$", text, re.MULTILINE)
    assert set(shown) == patterns and shown[-1] == "complete"
    again, cell = re.search(r"from the predictions: (\S+); in the table: (\S+)", text).groups()
    assert again == cell


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["mosi_like", "own_sensors"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_prints_what_the_text_promises(path: Path) -> None:
    fresh, check = executed(path), {"own_sensors": own_sensors, "mosi_like": mosi_like}[path.stem]
    check(words(fresh))
    check(words(stored(path)))
    kinds = [[[o.output_type for o in cell.outputs] for cell in cells(n)] for n in (fresh, stored(path))]
    assert kinds[0] == kinds[1], f"python -m scripts.notebooks {path.stem}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_of_one_run_and_small(path: Path) -> None:
    notebook = stored(path)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for cell in cells(notebook) for o in cell.outputs if o.get("name") == "stderr" and "rror" in o.text]
    assert path.stat().st_size < LARGEST_BYTES
    assert nbformat.writes(plain(notebook)) == nbformat.writes(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_newcomers_are_led_to_it_and_its_links_lead_somewhere(path: Path) -> None:
    for page in ("README.md", "docs/index.md"):
        assert f"notebooks/{path.name})" in (ROOT / page).read_text(), page
    prose = "\n".join(cell.source for cell in stored(path).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        assert (path.parent / target).exists(), f"{told(path)}: {target}"


def test_the_site_shows_code_output_and_pictures() -> None:
    page = notebook_page(FOLDER / "own_sensors.ipynb")
    assert page.startswith("# Your own sensors")
    assert "```python\nSENSORS = {" in page
    assert "```text\nempty cells left: 0" in page
    assert "![a figure](data:image/png;base64," in page
