"""Digests of the code: they follow contents and names, and nothing that makes no number."""

import shutil
from pathlib import Path

import md2n
from md2n.experiment.source import LEFT_OUT, MEASURING, TRAINING, digest, gone_on, measuring_code, training_code

ROOT = Path(md2n.__file__).parent


def copy(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT, tmp_path / "md2n", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_same_source_elsewhere_has_the_same_digest(tmp_path: Path):
    root = copy(tmp_path)  # as in a wheel: the same files in another place
    assert digest(root, TRAINING) == training_code()
    assert digest(root, MEASURING) == measuring_code() != training_code()
    file = root / "seeding.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(root, TRAINING) == training_code()


def test_an_edit_changes_what_depends_on_it(tmp_path: Path):
    root = copy(tmp_path)
    for name, trains, measures in (
        ("models/baselines/dcca.py", True, True),
        ("evaluation/metrics.py", True, True),  # checkpoints are chosen by them
        ("evaluation/protocols.py", False, True),
        ("data/normalise.py", True, True),
        ("data/readers/npz.py", False, False),
        ("report/tables.py", False, False),
    ):
        before = digest(root, TRAINING), digest(root, MEASURING)
        with (root / name).open("a") as file:
            file.write("\n# another line\n")
        assert (digest(root, TRAINING) != before[0], digest(root, MEASURING) != before[1]) == (trains, measures), name


def test_a_file_that_is_renamed_or_added_counts(tmp_path: Path):
    root = copy(tmp_path)
    (root / "nn" / "more.py").write_text("")
    added = digest(root, TRAINING)
    assert added != training_code()
    (root / "nn" / "more.py").rename(root / "nn" / "most.py")
    assert digest(root, TRAINING) not in (added, training_code())


def test_everything_that_is_named_is_there():
    assert [name for name in (*MEASURING, *LEFT_OUT) if not (ROOT / name).exists()] == []


def test_a_run_of_two_codes_is_of_neither():
    assert gone_on("unknown", "b2") == "unknown+b2"
    assert gone_on("a1+b2", "c3") == "a1+b2+c3"
