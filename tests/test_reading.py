"""The boundary between other people's files and md2n: one named error, whatever was raised; no pipe is opened."""

import os
import socket
from pathlib import Path

import pytest

from md2n.config import load_json, load_toml
from md2n.data.readers.clips import read_clip_features
from md2n.data.readers.covarep import read_covarep
from md2n.data.readers.csd import open_sequence
from md2n.data.readers.detect import read
from md2n.data.readers.faces import read_face_table
from md2n.data.readers.folder import read_folder
from md2n.data.readers.mmsa import read_mmsa
from md2n.data.readers.npz import read_npz
from md2n.data.readers.word_files import read_word_file as read_word_table
from md2n.data.ready import load
from md2n.data.store import is_store, open_store
from md2n.errors import ConfigError, DataError, Md2nError, RunError, UsageError
from md2n.evaluation.protocols import load_masks, shared_masks
from md2n.evaluation.results import read_results
from md2n.experiment.config import resolve
from md2n.experiment.loading import load_run
from md2n.experiment.results_store import collect
from md2n.extraction.media import sound
from md2n.extraction.word_files import read_words
from md2n.reading import LONGEST, cause, named, read_bytes, read_json, reading, shown


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deeply"),
        (MemoryError(), "it would take more memory than there is"),
        (OverflowError("int too large"), "OverflowError: int too large"),
        (KeyError("format"), "it lacks 'format'"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "it is not UTF-8 text"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError(), "ValueError"),
    ],
)
def test_whatever_is_raised_is_one_line_about_the_file(error, text):
    assert cause(error) == text
    with pytest.raises(DataError, match=r"'a.b' cannot be read") as caught, reading("a.b", hint="do this"):
        raise error
    assert caught.value.message == f"'a.b' cannot be read: {text}"
    assert caught.value.hint == "do this"
    assert caught.value.__cause__ is error


def test_a_long_cause_and_a_strange_path_stay_readable():
    assert len(cause(ValueError("x" * 10_000))) < 2 * LONGEST
    assert shown("a\nb\0") == "a\\nb\\x00"
    assert len(shown("x" * 5000)) < 500


def test_errors_of_ours_pass_and_interrupts_too():
    for kind in (UsageError, RunError, KeyboardInterrupt):
        with pytest.raises(kind, match=r"^mine"), reading("a.b"):
            raise kind("mine")


def test_a_refusal_that_names_no_file_gets_it():
    @named()
    def refusing(path: Path, message: str) -> None:
        raise DataError(message, "do this")

    with pytest.raises(DataError, match=r"^'a/b': it is wrong"):
        refusing(Path("a/b"), "it is wrong")
    with pytest.raises(DataError, match=r"^'a/b/c' is wrong"):
        refusing(Path("a/b"), "'a/b/c' is wrong")


def test_a_file_is_read_whole_and_bounded(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a") == b"abc"
    with pytest.raises(OSError, match="it has 3 bytes, and such a file has at most 2"):
        read_bytes(tmp_path / "a", 2)
    (tmp_path / "b").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "b")


MASKS = {"names": ("a", "b"), "data_checksum": "", "split": "test"}
DOORS = {
    "read": (read, "a.pkl"),
    "load": (load, "a.npz"),
    "mmsa": (read_mmsa, "a.pkl"),
    "npz": (read_npz, "a.npz"),
    "folder": (read_folder, "samples.csv"),
    "clips": (read_clip_features, "labels.csv"),
    "csd": (lambda path: open_sequence(path).__enter__(), "a.csd"),
    "mat": (read_covarep, "a.mat"),
    "faces": (read_face_table, "a.csv"),
    "word table": (read_word_table, "a.csv"),
    "words": (read_words, "a.TextGrid"),
    "media": (sound, "a.wav"),
    "toml": (load_toml, "a.toml"),
    "json": (load_json, "a.json"),
    "config": (lambda path: resolve(str(path)), "a.toml"),
    "masks": (lambda path: load_masks(path, **MASKS), "a.npz"),
    "results": (read_results, "results.jsonl"),
    "outcomes": (lambda path: collect([path]), "results.jsonl"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_no_door_opens_what_never_ends(tmp_path, monkeypatch, door, kind):
    monkeypatch.chdir(tmp_path)
    opened, name = DOORS[door]
    path = tmp_path / name
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            bound.bind(name)
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(Md2nError) as caught:
            opened(path)
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["x" * 5000, "nul\0nul", "a/" * 3000], ids=["long", "nul", "deep"])
def test_no_door_stumbles_over_a_path(door, name):
    opened, _ = DOORS[door]
    with pytest.raises(Md2nError) as caught:
        opened(Path(name))
    assert shown(name)[:50] in shown(caught.value.message)


def test_a_folder_with_a_pipe_for_its_manifest_is_no_store(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    assert not is_store(tmp_path)
    with pytest.raises(DataError, match=r"manifest.json|is not a store"):
        open_store(tmp_path)


def test_a_run_folder_with_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "run.json")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"run.json' cannot be read: it is a pipe, not a file"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 50_000, "is not TOML: it is nested too deeply"),
        ("[trainer]\nepochs = " + "9" * 5000, "is not TOML: ValueError: Exceeds the limit"),
        ("[trainer]\nepochs = 0x" + "f" * 9000, "trainer.epochs is an integer of 36000 bits"),
        ("[trainer]\nlearning_rate = inf", "trainer.learning_rate = inf: no finite number"),
        ("[trainer]\nlearning_rate = nan", "trainer.learning_rate = nan: no finite number"),
        ("[trainer]\nthreads = 100000", "trainer.threads = 100000"),
        ('extends = "a\\u0000.toml"', "cannot be read: ValueError: embedded null byte"),
        ("extends = " + "1" * 30, "extends = 1"),
        (".".join("a" * 2000) + " = 1", "unknown key 'a'"),
    ],
)
def test_a_configuration_ends_in_an_error_of_its_own(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        resolve(str(tmp_path / "a.toml"))
    assert message in caught.value.message


@pytest.mark.parametrize("value", ["[" * 50_000, "9" * 5000, "0x" + "f" * 9000, "{a=" * 3000])
def test_a_setting_on_the_command_line_does_too(value):
    with pytest.raises(ConfigError):
        resolve(sets=[f"trainer.epochs={value}"])


def test_masks_are_drawn_only_where_none_are(tmp_path):
    import numpy as np

    with pytest.raises(DataError, match="cannot be read: File name too long"):
        shared_masks(Path("x" * 5000), np.ones((2, 2), bool), ("a", "b"), 0, data_checksum="", split="test")


@pytest.mark.parametrize("number", ["1e999", "-1e400", "Infinity", "NaN"])
def test_a_number_that_json_cannot_write_is_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "a.json").write_text(f'{{"loss": [0.5, {number}]}}')
    with pytest.raises(ValueError, match=f"{number} is no finite number"):
        read_json(tmp_path / "a.json")
