"""A table with empty cells, from training to filled values, through the doors that people use."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.data.samples import Ragged
from md2n.data.store import open_store, write_store
from md2n.experiment.pipeline import load_run, run_evaluation, run_training
from tests.cli.commands import ask
from tests.experiment.made import made, short


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``made`` with a tenth of its numbers unknown."""
    samples, rng = made(), np.random.default_rng(0)
    modalities = {}
    for name, ragged in samples.modalities.items():
        rows = [np.array(ragged.sample(i)) if ragged.present[i] else None for i in range(len(samples))]
        for row in (r for r in rows if r is not None):
            row[rng.random(row.shape) < 0.1] = np.nan
        modalities[name] = Ragged.from_arrays(rows)
    return write_store(tmp_path_factory.mktemp("data") / "store", replace(samples, modalities=modalities))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_training(short(data, "md2n"), tmp_path_factory.mktemp("runs") / "run")


def test_one_empty_cell_costs_no_vector(data: Path) -> None:
    samples = open_store(data)
    held = made().present
    assert samples.present.sum() >= 0.98 * held.sum()  # only what lost every number is gone


def test_the_schema_says_so_and_encoders_read_flags(run: Path) -> None:
    loaded = load_run(run)
    assert [m.gaps for m in loaded.schema.modalities] == [True, True]
    assert loaded.model.backbone.encoders[1].layers[1].in_features == 2 * 3


def test_recovery_fills_and_keeps(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "filled"
    done = ask(capsys, "recover", str(run), "--data", str(data), "--out", str(out), "--any-units")
    assert done.code == 0, done.err
    before, after = open_store(data), open_store(out)
    for name, ragged in before.modalities.items():
        filled = after.modalities[name]
        assert filled.cells is None
        assert filled.valid.all()
        assert filled.present.all()
        for i in np.flatnonzero(ragged.present).tolist():
            known = ragged.known(slice(*ragged.offsets[i : i + 2]))
            assert np.array_equal(filled.sample(i)[known], ragged.sample(i)[known].astype(np.float32))
    assert any("single numbers of 'pulse' recovered from the others" in note for note in after.notes)


def test_predictions_do_not_read_what_stands_at_unknown_cells(run: Path) -> None:
    model = md2n.load(run)
    x = {"video": np.ones((2, 3, 4), np.float32), "pulse": np.ones((2, 3), np.float32)}
    x["pulse"][0, 1] = np.nan
    first = model.predict(x, check_units=False).output
    x["pulse"][0, 1] = np.inf
    assert np.array_equal(model.predict(x, check_units=False).output, first)
    x["pulse"][0, 1] = 0.0
    assert not np.array_equal(model.predict(x, check_units=False).output[0], first[0])


def test_the_protocol_measures_predictions_and_numbers(run: Path) -> None:
    rows = run_evaluation(run, ["inside"])
    assert {r.protocol for r in rows} == {"inside@1"}
    assert {r.condition for r in rows} == {"inside=0", "inside=0.1", "inside=0.3", "inside=0.5"}
    assert {(r.target, r.condition) for r in rows if r.metric == "recovery_r2"} == {
        (name, f"inside={share}") for name in ("video", "pulse") for share in (0.1, 0.3, 0.5)
    }
    assert len(run_evaluation(run, ["inside"])) == len(rows)  # read, not measured again
    complete = {r.metric: r.value for r in run_evaluation(run, ["fixed"]) if r.condition == "complete" and not r.target}
    assert {r.metric: r.value for r in rows if r.condition == "inside=0"} == complete


def test_a_run_of_before_cells_fills_with_the_mean(run: Path, data: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    for name in ("cells.json", "cells.safetensors"):
        (old / name).unlink()
    recovered = md2n.load(old).recover(open_store(data), check_units=False)
    normaliser, ragged = load_run(old).normaliser, open_store(data).modalities["pulse"]
    for i in np.flatnonzero(ragged.present).tolist():
        unknown = ~ragged.known(slice(*ragged.offsets[i : i + 2]))
        mean = np.broadcast_to(normaliser.train["pulse"].centre, unknown.shape)
        np.testing.assert_allclose(recovered.features["pulse"][i][unknown], mean[unknown], rtol=1e-6)
