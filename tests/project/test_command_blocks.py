"""Every command of the README and the docs runs, in the order of its page, or says when it was last run.

Commands run in this process, with one epoch and sixty digits: what is tested is that they work as printed.
"""

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

import pytest

from md2n.cli.main import run
from tests.project.pages import BROUGHT, PAGES, commands, words_of
from tests.project.sources import ROOT, told
from tests.serve.trained import sixty_digits

# Page -> what its reader brings; the folder "data" is at home.
SOURCES = ("my-folder", "data.npz", "my-sentiment", "mine", "my-clips", "unaligned_50.pkl", "csd-folder")
BRINGS = {
    "add-a-method.md": ("my-store",),
    "bring-your-own-data.md": (*SOURCES, "new-store", "data"),
    "choose-settings.md": ("my-store", "my-sentiment"),
    "compare-methods.md": ("my-store",),
    "scale.md": ("table.parquet",),
    "tables-and-scikit-learn.md": ("table.parquet",),
    "train-with-gaps.md": ("xor.npz",),
}
SHORTER = {"train": ["--quiet", "--set", "trainer.epochs=1"]}
WRITTEN = {page.name: list(commands(page.read_text(encoding="utf-8"))) for page in PAGES}


def perform(line: str) -> None:
    environment, words, target = words_of(line)
    assert words[0] == "md2n", f"'{line}' is not run by this test: put a line '# costly: last run DATE' above it"
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment),  # and whatever the command sets for its process, which is this one
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        run([*words[1:], *SHORTER.get(words[1], [])])
    assert not ended.value.code, f"{line}\n{err.getvalue()}"
    if target:
        Path(target).write_text(out.getvalue(), encoding="utf-8")


@pytest.mark.parametrize("page", [p for p in PAGES if any(not c.costly for c in WRITTEN[p.name])], ids=told)
def test_the_commands_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("md2n.data.digits.load_digits", sixty_digits)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for name in BRINGS.get(page.name, ()):
        BROUGHT[name](Path(name))
    for content in re.findall(r"`my\.toml`:\n\n```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        Path("my.toml").write_text(content, encoding="utf-8")
    for command in WRITTEN[page.name]:
        if not command.costly:
            perform(command.line)


def test_there_are_commands_that_run_and_some_that_cost_too_much() -> None:
    everything = [c for page in WRITTEN.values() for c in page]
    assert sum(not c.costly for c in everything) > 50
    # Trainings of many minutes, servers, installations: what a test cannot run.
    assert sum(c.costly for c in everything) < 45


def test_pages_that_bring_something_exist() -> None:
    assert BRINGS.keys() <= WRITTEN.keys()


def test_a_mark_has_a_date_or_says_never() -> None:
    for page in PAGES:
        for line in re.findall(r"^.*# costly.*$", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert re.fullmatch(r"# costly: (last run 20\d\d-[01]\d-[0-3]\d|never run here)", line), (
                f"{told(page)}: {line}"
            )


def test_what_is_below_a_mark_is_costly_and_a_block_ends_it() -> None:
    text = "```bash\na  # why\n# costly: last run 2026-11-29\nb\n\nc\n```\n\n```console\n$ d\n# costly: soon\ne\n```\n"
    assert [(c.line, c.costly) for c in commands(text)] == [
        ("a  # why", False),
        ("b", True),
        ("c", True),
        ("d", False),
        ("e", False),
    ]


def test_a_line_is_read_as_a_shell_reads_it() -> None:
    assert words_of("A=1 md2n x 'b c' --set a=2 > f.csv  # why") == (
        {"A": "1"},
        ["md2n", "x", "b c", "--set", "a=2"],
        "f.csv",
    )


def test_a_command_that_fails_and_one_that_is_not_ours_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="nothing-here"):
        perform("md2n data check nothing-here")
    with pytest.raises(AssertionError, match="costly"):
        perform("make demo")


def test_the_root_is_not_written_to() -> None:
    assert not (ROOT / "my-store").exists()
