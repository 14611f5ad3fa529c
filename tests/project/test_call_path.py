"""From `md2n train` to the paper's Eq. 8 a reader passes few files."""

import sys
from pathlib import Path

import pytest

from md2n.diffusion import transfer
from md2n.diffusion.process import DuplexProcess
from tests.cli.commands import ask
from tests.project.sources import ROOT

MOST = 7
PACKAGE = ROOT / "src" / "md2n"


class Arrived(Exception):
    """Ends the command where the path ends."""


def files_of_the_stack() -> list[str]:
    """Files of the package on the present stack, from the command to the equation, each once."""
    frame, files = sys._getframe(1), []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE) and str(path.relative_to(PACKAGE)) not in files:
            files.append(str(path.relative_to(PACKAGE)))
        frame = frame.f_back
    return files[::-1]


@pytest.mark.parametrize(
    ("place", "name", "last"),
    [
        # w_t of Eq. 8 is computed when the model is built, and every training step draws the chain with it.
        (transfer, "constant", "diffusion/transfer.py"),
        (DuplexProcess, "mean", "diffusion/process.py"),
    ],
)
def test_the_path_from_the_command_to_the_transfer_is_short(
    place: object,
    name: str,
    last: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files: list[str] = []

    def arrive(*arguments: object) -> None:
        files.extend(files_of_the_stack())
        raise Arrived

    monkeypatch.setattr(place, name, arrive)
    ask(capsys, "train", "--data", "digits", "--out", tmp_path / "run", "--quiet")
    path = files if last in files else [*files, last]
    assert path[:3] == ["cli/main.py", "cli/train.py", "experiment/pipeline.py"]
    assert path[-1] == last
    assert len(path) <= MOST, " -> ".join(path)
