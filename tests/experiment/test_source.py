"""Digests of the code: they follow what decides a method's numbers, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import md2n
from md2n.experiment.source import (
    LEFT_OUT,
    MEASURING,
    TRAINING,
    digest,
    meaning,
    measuring_code,
    own_folder,
    shared_code,
    training_code,
)
from md2n.methods.catalogue import MODELS

ROOT = Path(md2n.__file__).parent
DCCA = own_folder("dcca")
# What is refused or looked up before there is a run, and words of types: no number hangs on them.
NO_NUMBERS = ("errors", "shapes", "registry", "brief", "reading", "ranges", "escape", "durable", "config")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The same files in another place, as in a wheel."""
    return shutil.copytree(ROOT, tmp_path / "md2n", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_same_source_elsewhere_has_the_same_digest(root: Path) -> None:
    assert digest(root, (*TRAINING, DCCA)) == training_code("dcca") != training_code("md2n")
    assert digest(root, (*MEASURING, DCCA)) == measuring_code("dcca") != training_code("dcca")
    assert digest(root, MEASURING) == shared_code()
    file = root / "seeding.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(root, (*TRAINING, DCCA)) == training_code("dcca")


def test_layout_and_words_have_no_meaning_and_everything_else_has() -> None:
    source = b'''"""Words."""
x = f(1, "# no comment")  # one
def f():
    "What it does."
z = Card(title="a", recovers=True)
'''
    for old, new, counts in (
        (b"Words", b"Others", False),
        (b"What it does", b"It does", False),
        (b"# one", b"# another", False),
        (b'f(1, "', b'f(\n    1, "', False),
        (b'title="a"', b'title="b"', False),
        (b"no comment", b"none", True),
        (b"recovers=True", b"recovers=False", True),
        (b"f(1,", b"f(2,", True),
        (b"z =", b"    z =", True),
    ):
        assert old in source
        assert (meaning(source.replace(old, new)) != meaning(source)) == counts, new


def test_an_edit_changes_what_depends_on_it(root: Path) -> None:
    for name, trains, measures, shared in (
        (f"{DCCA}/model.py", True, True, False),
        ("methods/gcnet/model.py", False, False, False),  # another's
        ("methods/md2n/model.py", False, False, False),
        ("methods/base.py", True, True, True),
        ("diffusion/process.py", True, True, True),
        ("evaluation/metrics.py", True, True, True),  # checkpoints are chosen by them
        ("evaluation/protocols.py", False, True, True),
        ("experiment/measuring.py", False, True, True),
        ("data/normalise.py", True, True, True),
        ("data/readers/npz.py", False, False, False),
        ("report/tables.py", False, False, False),
        ("training/added.py", True, True, True),
    ):
        before = [digest(root, of) for of in ((*TRAINING, DCCA), (*MEASURING, DCCA), MEASURING)]
        with (root / name).open("a") as file:
            file.write("\nANOTHER = 1\n")
        after = [digest(root, of) for of in ((*TRAINING, DCCA), (*MEASURING, DCCA), MEASURING)]
        assert [a != b for a, b in zip(before, after)] == [trains, measures, shared], name


@pytest.mark.parametrize("model", ["md2n", "imder", "dedicated", "dcca"])
def test_whatever_a_method_loads_that_decides_numbers_counts(model: str) -> None:
    code = f"import sys, {MODELS.module(model)}; print(*(m for m in sys.modules if m.startswith('md2n.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    counted = tuple(f"md2n.{name.removesuffix('.py').replace('/', '.')}" for name in (*TRAINING, own_folder(model)))
    free = {f"md2n.{name}" for name in NO_NUMBERS} | {"md2n.methods", "md2n.evaluation"}
    assert [m for m in loaded if m not in free and not f"{m}.".startswith(tuple(f"{c}." for c in counted))] == []


def test_everything_that_is_named_is_there() -> None:
    assert [name for name in (*MEASURING, LEFT_OUT) if not (ROOT / name).exists()] == []
