"""The example in the README runs as printed, with fewer epochs."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    assert "epochs=20" in blocks[0]
    exec(compile(blocks[0].replace("epochs=20", "epochs=2"), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "fixed: accuracy, mean of incomplete 0." in printed
    assert re.search(r"^ +top +0\.\d+ +\(n 270\)$", printed, flags=re.MULTILINE)
    assert len(re.findall(r"'\d'", printed)) == 3
    assert printed.count("[[") == 1
