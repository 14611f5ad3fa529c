"""Digests of the code: they follow contents and names, of what has a part in a method's numbers and of nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import md2n
from md2n.experiment.source import (
    MEASURING,
    TRAINING,
    digest,
    gone_on,
    imported,
    meant,
    measuring_code,
    shared_code,
    training_code,
)
from md2n.methods.catalogue import MODELS

ROOT = Path(md2n.__file__).parent
DCCA, MD2N = MODELS.module("dcca"), MODELS.module("md2n")


def copy(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT, tmp_path / "md2n", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_same_source_elsewhere_has_the_same_digest(tmp_path: Path):
    root = copy(tmp_path)  # as in a wheel: the same files in another place
    assert digest(root, TRAINING, DCCA) == training_code("dcca") != training_code("md2n")
    assert digest(root, MEASURING, DCCA) == measuring_code("dcca") != training_code("dcca")
    file = root / "seeding.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(root, TRAINING, DCCA) == training_code("dcca")


def test_words_do_not_count_and_everything_else_does(tmp_path: Path):
    root = copy(tmp_path)
    file = root / "methods" / "dcca" / "model.py"
    text = file.read_text()
    before = digest(root, TRAINING, DCCA)
    for old, new, counts in (
        ('r"""DCCA and DCCAE', 'r"""DCCAE and DCCA', False),
        ('"""Further terms', '"""More terms', False),
        ("FEWEST = 2  #", "FEWEST = 2  # of all,", False),
        ("\nFEWEST", "\n\n# of all\nFEWEST", False),
        ('paper="', 'paper="also ', False),
        ("FEWEST = 2  #", "FEWEST = 3  #", True),
        ("recovers=False", "recovers=True", True),
    ):
        assert old in text
        file.write_text(text.replace(old, new, 1))
        assert (digest(root, TRAINING, DCCA) != before) == counts, new


def test_what_is_meant():
    source = b'''"""Words."""
x = "# no comment"  # one
y = f"{x} # none"\r\n
def f():
    "What it does."
    return 1


z = Card(title="a" "b", recovers=True)
'''
    assert meant(source).decode().splitlines() == [
        'x = "# no comment"', 'y = f"{x} # none"', "def f():", "    return 1", "z = Card(title=, recovers=True)",
    ]  # fmt: skip


def test_an_edit_changes_what_depends_on_it(tmp_path: Path):
    root = copy(tmp_path)
    for name, trains, measures in (
        ("methods/dcca/model.py", True, True),
        ("methods/dcca/correlation.py", True, True),  # which it imports
        ("methods/gcnet/model.py", False, False),  # another's
        ("methods/md2n/model.py", False, False),
        ("methods/base.py", True, True),
        ("methods/dcca/config.py", False, False),  # settings are compared by value
        ("evaluation/metrics.py", True, True),  # checkpoints are chosen by them
        ("evaluation/protocols.py", False, True),
        ("data/normalise.py", True, True),
        ("data/readers/npz.py", False, False),
        ("report/tables.py", False, False),
    ):
        before = digest(root, TRAINING, DCCA), digest(root, MEASURING, DCCA)
        with (root / name).open("a") as file:
            file.write("\nANOTHER = 1\n")
        after = digest(root, TRAINING, DCCA), digest(root, MEASURING, DCCA)
        assert (after[0] != before[0], after[1] != before[1]) == (trains, measures), name


def test_shared_code_is_what_no_single_method_decides(tmp_path: Path):
    root = copy(tmp_path)
    assert digest(root, MEASURING) == shared_code()
    for name, shared in (
        ("methods/dcca/model.py", False),
        ("methods/md2n/model.py", False),
        ("evaluation/metrics.py", True),
        ("experiment/measuring.py", True),
        ("training/loop.py", True),
    ):
        before = digest(root, MEASURING)
        with (root / name).open("a") as file:
            file.write("\nANOTHER = 1\n")
        assert (digest(root, MEASURING) != before) == shared, name


def test_a_file_that_is_renamed_or_added_counts(tmp_path: Path):
    root = copy(tmp_path)
    (root / "training" / "more.py").write_text("")
    added = digest(root, TRAINING, DCCA)
    assert added != training_code("dcca")
    (root / "training" / "more.py").rename(root / "training" / "most.py")
    assert digest(root, TRAINING, DCCA) not in (added, training_code("dcca"))


@pytest.mark.parametrize("model", MODELS.names())
def test_whatever_a_method_loads_of_the_methods_source_counts(model: str):
    code = f"import sys, {MODELS.module(model)}; print(*(m for m in sys.modules if m.startswith('md2n.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    files = {ROOT.parent.joinpath(*name.split(".")) for name in loaded}
    source = {f.with_suffix(".py") for f in files if not f.is_dir()}
    assert source <= imported(ROOT, MODELS.module(model))


def test_what_a_registry_would_load_counts(tmp_path: Path):
    (tmp_path / "md2n" / "more").mkdir(parents=True)
    (tmp_path / "md2n" / "more" / "__init__.py").write_text("TABLE = {'a': 'md2n.more.lazy:Thing'}")
    (tmp_path / "md2n" / "more" / "lazy.py").write_text("def late():\n    from md2n.more.inner import x\n")
    (tmp_path / "md2n" / "more" / "inner.py").write_text("x = 1")
    found = imported(tmp_path / "md2n", "md2n.more")
    assert {f.name for f in found} == {"__init__.py", "lazy.py", "inner.py"}


def test_everything_that_is_named_is_there():
    assert [name for name in MEASURING if not (ROOT / name).exists()] == []


def test_a_run_of_two_codes_is_of_neither():
    assert gone_on("unknown", "b2") == "unknown+b2"
    assert gone_on("a1+b2", "c3") == "a1+b2+c3"
