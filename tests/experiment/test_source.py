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
    gone_on,
    imported,
    meaning,
    measuring_code,
    shared_code,
    training_code,
)  # fmt: skip
from md2n.methods.catalogue import MODELS

ROOT = Path(md2n.__file__).parent
DCCA = MODELS.module("dcca")


def place(module: str) -> str:
    return "/".join(module.split(".")[1:]) + ".py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The same files in another place, as in a wheel."""
    return shutil.copytree(ROOT, tmp_path / "md2n", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_same_source_elsewhere_has_the_same_digest(root: Path) -> None:
    assert digest(root, TRAINING, DCCA) == training_code("dcca") != training_code("md2n")
    assert digest(root, MEASURING, DCCA) == measuring_code("dcca") != training_code("dcca")
    assert digest(root, MEASURING) == shared_code()
    file = root / "seeding.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(root, TRAINING, DCCA) == training_code("dcca")


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
        (place(DCCA), True, True, False),
        (place(MODELS.module("gcnet")), False, False, False),  # another's
        (place(MODELS.module("md2n")), False, False, False),
        ("methods/base.py", True, True, False),  # which every method imports
        ("evaluation/metrics.py", True, True, True),  # checkpoints are chosen by them
        ("evaluation/protocols.py", False, True, True),
        ("experiment/measuring.py", False, True, True),
        ("data/normalise.py", True, True, True),
        ("data/readers/npz.py", False, False, False),
        ("report/tables.py", False, False, False),
        ("training/added.py", True, True, True),
    ):
        before = [digest(root, *of) for of in ((TRAINING, DCCA), (MEASURING, DCCA), (MEASURING,))]
        with (root / name).open("a") as file:
            file.write("\nANOTHER = 1\n")
        after = [digest(root, *of) for of in ((TRAINING, DCCA), (MEASURING, DCCA), (MEASURING,))]
        assert [a != b for a, b in zip(before, after)] == [trains, measures, shared], name


@pytest.mark.parametrize("model", MODELS.names())
def test_whatever_a_method_loads_of_the_methods_source_counts(model: str) -> None:
    code = f"import sys, {MODELS.module(model)}; print(*(m for m in sys.modules if m.startswith('md2n.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    files = {ROOT.parent.joinpath(*name.split(".")) for name in loaded}
    source = {f.with_suffix(".py") for f in files if not f.is_dir()}
    assert source <= imported(ROOT, MODELS.module(model))


def test_what_a_registry_would_load_counts(tmp_path: Path) -> None:
    (tmp_path / "md2n" / "more").mkdir(parents=True)
    (tmp_path / "md2n" / "more" / "__init__.py").write_text("TABLE = {'a': 'md2n.more.lazy:Thing'}")
    (tmp_path / "md2n" / "more" / "lazy.py").write_text("def late():\n    from md2n.more.inner import x\n")
    (tmp_path / "md2n" / "more" / "inner.py").write_text("x = 1")
    files = imported(tmp_path / "md2n", "md2n.more")
    assert {f.name for f in files} == {"__init__.py", "lazy.py", "inner.py"}


def test_everything_that_is_named_is_there() -> None:
    assert [name for name in (*MEASURING, LEFT_OUT) if not (ROOT / name).exists()] == []


def test_a_run_of_two_codes_is_of_neither() -> None:
    assert gone_on("unknown", "b2") == "unknown+b2"
    assert gone_on("a1+b2", "c3") == "a1+b2+c3"
