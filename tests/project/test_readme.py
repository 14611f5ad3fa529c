"""The example in the README runs as printed, with fewer epochs."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    images, digits = load_digits(return_X_y=True)
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda return_X_y: (images[:600], digits[:600]))
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    assert "epochs=20" in blocks[0]
    exec(compile(blocks[0].replace("epochs=20", "epochs=2"), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "fixed: accuracy, mean of incomplete 0." in printed
    assert re.search(r"^ +top +0\.\d+ +\(n 90\)$", printed, flags=re.MULTILINE)
    assert len(re.findall(r"'\d'", printed)) == 3
    assert printed.count("[[") == 1


def test_the_example_with_your_own_arrays_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "bring-your-own-data.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "md2n.fit" in b]
    exec(compile(block.replace("epochs=20", "epochs=1"), "bring-your-own-data.md", "exec"), {})
    assert "fixed: mae, mean of incomplete" in capsys.readouterr().out
    assert (tmp_path / "runs" / "arrays" / "config.json").is_file()


def table(text: str, corner: str) -> dict[tuple[str, str], str]:
    """(row, column) -> cell of the first table whose corner cell is that; columns by the word before a colon."""
    lines = text[text.index(f"| {corner} |") :].split("\n\n")[0].splitlines()
    rows = [[re.sub(r"[*\\]", "", cell).strip() for cell in line.strip("|").split(" | ")] for line in lines]
    columns = [name.partition(":")[0] for name in rows[0]]
    return {(row[0].strip(), name): cell for row in rows[2:] for name, cell in zip(columns[1:], row[1:])}


def test_the_results_are_those_of_the_benchmark() -> None:
    shown = table(README.read_text(encoding="utf-8"), "method")
    benchmark = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    benchmark = benchmark[benchmark.index("## Every available set") :]
    kept, differences = table(benchmark, "method"), table(benchmark, "against")
    assert len(shown) > 20
    for (row, column), cell in shown.items():
        against = row.removeprefix("md2n minus ")
        assert cell == (kept if against == row else differences)[against, column], (row, column)
