"""What a prediction depends on is vouched for: a store, a run folder; and what a killed process left is tidied."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.data.store import checksum, open_store, write_store
from md2n.errors import DataError, InterruptedRun, RunError
from md2n.experiment.loading import data_checksum, load_run
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.serve.predictor import load
from md2n.training.rundir import read_run, read_tensors
from md2n.training.weights import encode_tensors
from tests.experiment.made import Hearing, StopAfter, made, short, store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("data"))


def spoil(file: Path) -> None:
    """Other numbers in an array of a store, of which its manifest knows nothing."""
    values = np.load(file, mmap_mode="r+")
    values[:] = values[::-1].copy()
    values.flush()


def test_a_store_whose_numbers_were_changed_is_refused_at_every_door(tmp_path: Path) -> None:
    data = store(tmp_path)
    config = short(data)
    with pytest.raises(InterruptedRun):
        run_training(config, tmp_path / "run", StopAfter(4))
    run_training(config, tmp_path / "done")
    spoil(data / "video.values.npy")
    for use in (
        lambda: run_training(config, tmp_path / "new"),
        lambda: run_training(config, tmp_path / "run"),
        lambda: run_evaluation(tmp_path / "done", ("fixed",)),
        lambda: run_evaluation(tmp_path / "done", ("fixed",), data=str(data)),
        lambda: load(tmp_path / "done").predict(open_store(data)),
    ):
        with pytest.raises(DataError, match=r"video.values.npy' is not what was written.*\n.*import or copy it again"):
            use()
    assert not (tmp_path / "new").exists()


def test_a_large_store_is_compared_in_part_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = store(tmp_path)
    monkeypatch.setattr("md2n.experiment.loading.WHOLE", 100)
    told: list[str] = []
    assert data_checksum(open_store(data), str(data), told.append) == checksum(data)
    assert len(told) == 1
    assert f"`md2n data check {data}` compares all" in told[0]


NORMALISER = ("normaliser.json", "normaliser.safetensors")
FILES = ("config.json", "schema.json", *NORMALISER, "certainty.json", "model.safetensors")


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_run_that_a_prediction_depends_on_is_vouched_for(data: Path, tmp_path: Path, name: str) -> None:
    run_training(short(data), tmp_path / "run")
    load_run(tmp_path / "run")
    file = tmp_path / "run" / name
    whole = file.read_bytes()
    for position in (len(whole) // 3, len(whole) - 3):
        changed = bytearray(whole)
        changed[position] ^= 1
        file.write_bytes(changed)
        with pytest.raises(RunError, match=rf"{name} is not what (md2n|training) wrote.*\n.*restore the file"):
            load_run(tmp_path / "run")
    file.write_bytes(whole)
    load_run(tmp_path / "run")


def test_a_normaliser_without_numbers_is_refused_also_where_nothing_vouches_for_it(data: Path, tmp_path: Path) -> None:
    run = run_training(short(data), tmp_path / "run")
    tensors, _ = read_tensors(run, "normaliser")
    facts = read_run(run)
    del facts["files"]  # as an older md2n wrote it
    (run / "run.json").write_text(json.dumps(facts))
    load_run(run)
    for spoilt in (torch.nan, 0.0):
        tensors["train.video.scale"][0] = spoilt
        (run / "normaliser.safetensors").write_bytes(encode_tensors(tensors))
        with pytest.raises(RunError, match=r"run': the saved normalisation holds no usable numbers in 'train.video'"):
            load_run(run)
    shorter = {name: t[1:2] if name.startswith("train.video") else t for name, t in tensors.items()}
    (run / "normaliser.safetensors").write_bytes(encode_tensors(shorter))
    with pytest.raises(RunError, match=r"normalisation of 'video' has shape \(1,\), the model takes 4 such features"):
        load_run(run)


def test_a_run_that_goes_on_is_vouched_for_as_well(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(4))
    run_training(short(data, sets=("trainer.threads=2",)), tmp_path / "run")  # config.json is written anew
    facts = read_run(tmp_path / "run")
    assert set(facts["files"]) == set(FILES) - {"model.safetensors"} | {"cells.json", "cells.safetensors"}
    run_training(short(data, sets=("trainer.threads=2", "evaluation.draws=3")), tmp_path / "run")  # and once more
    assert load_run(tmp_path / "run").config.evaluation.draws == 3


def test_other_versions_are_told_to_who_uses_a_run(data: Path, tmp_path: Path) -> None:
    run = run_training(short(data), tmp_path / "run")
    assert load_run(run).notes == ()
    facts = read_run(run)
    facts["versions"] |= {"torch": "1.0", "python": "2.7"}
    (run / "run.json").write_text(json.dumps(facts))
    (note,) = load_run(run).notes
    assert "torch 1.0 then and" in note
    assert "python" not in note  # it changes no answer
    told: list[str] = []
    run_evaluation(run, ("fixed",), notice=told.append)
    assert note in told
    assert note in load(run).predict(open_store(data)).notes


def test_what_a_killed_process_left_is_gone_after_the_next_start(data: Path, tmp_path: Path) -> None:
    def left(run: Path) -> list[Path]:
        names = ("cost.json.tmp", "model.safetensors.tmp", "checkpoints/phase00-step00000009.tmp/tensors.safetensors")
        for name in names:
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_bytes(b"half")
        return list(run.rglob("*.tmp"))

    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(4))
    assert len(left(tmp_path / "run")) == 3
    run_training(short(data), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.tmp"))
    (tmp_path / "run" / "checkpoints" / "phase00-step00000001").mkdir()  # killed between the end and their removal
    left(tmp_path / "run")
    run_training(short(data), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.tmp"))
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    left(tmp_path / "run")
    run_evaluation(tmp_path / "run", ("fixed",))
    assert not list((tmp_path / "run").glob("*.tmp"))


def test_training_says_what_a_check_finds_on_a_leaking_store(tmp_path: Path) -> None:
    samples = made()
    leaking = replace(samples, ids=np.asarray([f"s{i % 20}" for i in range(len(samples))]))
    data = write_store(tmp_path / "store", leaking)
    watcher = Hearing()
    run_training(short(data), tmp_path / "run", watcher)
    (error,) = [text for text in watcher.told if text.startswith("data: error")]
    assert "(same-id)" in error
    assert "are in more than one split" in error
    assert any(f"`md2n data check {data}` says more; training goes on" in text for text in watcher.told)
    watcher = Hearing()
    run_training(short(write_store(tmp_path / "sound", samples)), tmp_path / "other", watcher)
    assert not [text for text in watcher.told if text.startswith("data:")]
