"""The command line about itself: help is fast, imports little, and shows commands that exist."""

import functools
import json
import re
import subprocess
import sys

import pytest

from md2n.cli.main import COMMANDS, command
from md2n.errors import UsageError
from tests.project.sources import ROOT

HEAVY = ("torch", "numpy", "pydantic", "rich", "sklearn", "matplotlib", "h5py", "scipy", "typer", "jaxtyping")

# Helps are asked for one after another in one fresh interpreter; what each adds to the loaded modules is its own.
ASKING = """
import contextlib, io, json, sys
from md2n.cli.main import run

answers = []
for arguments in json.loads(sys.argv[1]):
    before, said = set(sys.modules), io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            run(arguments)
        except SystemExit as ending:
            code = ending.code
    tops = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    answers.append({"code": code, "text": said.getvalue(), "imported": tops})
json.dump(answers, sys.stdout)
"""


def subcommands() -> list[list[str]]:
    """Every command, and every command inside a command."""
    found = []
    for name in COMMANDS:
        inner = sorted(getattr(command(name), "commands", {}))
        found += [[name], *([name, other] for other in inner)]
    return found


@functools.cache
def helps() -> dict[str, dict]:
    asked = [[], *subcommands()]
    done = subprocess.run(
        [sys.executable, "-c", ASKING, json.dumps([[*words, "--help"] for words in asked])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return {" ".join(words): answer for words, answer in zip(asked, answers, strict=True)}


def test_help_imports_nothing_heavy() -> None:
    answer = helps()[""]
    assert answer["code"] == 0
    assert answer["text"].startswith("Usage: md2n")
    assert set(answer["imported"]) & set(HEAVY) == set()


def test_importing_md2n_imports_nothing_heavy() -> None:
    code = "import md2n, md2n.cli.main, sys, json; json.dump(sorted(sys.modules), sys.stdout)"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT).stdout)
    assert "md2n.cli.main" in loaded
    assert {name.partition(".")[0] for name in loaded} & set(HEAVY) == set()


@pytest.mark.parametrize("words", [" ".join(w) for w in subcommands()])
def test_every_help_has_examples_and_no_torch(words: str) -> None:
    answer = helps()[words]
    assert answer["code"] == 0
    assert "Usage:" in answer["text"]
    assert "torch" not in answer["imported"]
    if not hasattr(command(words.split()[0]), "commands") or " " in words:
        assert "Examples:" in answer["text"]


def test_every_command_is_listed_in_the_help_of_all() -> None:
    listed = re.findall(r"^  (\w+)  ", helps()[""]["text"].partition("Commands:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)


def options_shown(text: str) -> list[tuple[str, ...]]:
    """(command words, options) of every example line ``md2n ...`` in a text."""
    found = []
    for line in re.findall(r"^\s*(?:\$ )?(?:[A-Z0-9_]+=\S+ )?(?:\.venv/bin/)?(md2n [^>|#\n]*)", text, re.MULTILINE):
        found.append(tuple(line.split()[1:]))
    return found


def check_example(words: tuple[str, ...]) -> None:
    """The command exists and has every option that the example gives it."""
    if not words or words[0].startswith("-"):
        return
    found = command(words[0])
    if hasattr(found, "commands"):
        assert len(words) > 1, f"md2n {words[0]} does nothing by itself"
        assert words[1] in found.commands or words[1].startswith("-"), f"md2n {' '.join(words)}"
        found = found.commands.get(words[1], found)
    known = {"--help", "-h"} | {o for p in found.params for o in (*p.opts, *p.secondary_opts)}
    given = {w.partition("=")[0] for w in words if w.startswith("-")}
    assert given <= known, f"md2n {' '.join(words)}: no option {sorted(given - known)}"


@pytest.mark.parametrize("words", ["", *(" ".join(w) for w in subcommands())])
def test_examples_in_help_use_what_exists(words: str) -> None:
    for example in options_shown(helps()[words]["text"]):
        check_example(example)


PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|console|sh|text)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = [f"{span}\n" for span in re.findall(r"`(md2n [^`\n]+)`", text)]
    for example in options_shown("".join(blocks) + "".join(inline)):
        if not example or example[0] == "COMMAND":
            continue
        check_example(tuple(w.strip("[]") for w in example if w not in ("...", "…")))


def test_an_example_that_does_not_exist_is_found() -> None:
    with pytest.raises(UsageError, match="no command is called 'trein'"):
        check_example(("trein",))
    with pytest.raises(AssertionError, match="--epochs"):
        check_example(("train", "--epochs", "4"))
    check_example(("train", "--set", "trainer.epochs=4"))
