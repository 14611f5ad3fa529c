"""A real label keeps its unit from the store to the predictions, whatever it is; a run keeps the one it began with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.data.samples import LabelColumn, Samples
from md2n.data.store import open_store, write_store
from md2n.data.target import real_values
from md2n.errors import InterruptedRun, UsageError
from md2n.evaluation.results import read_results
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.serve.predictor import load
from md2n.training import device as devices
from md2n.training.rundir import write_file
from tests.experiment.made import StopAfter, made, outcome, short

SETS = ("trainer.epochs=6", "trainer.learning_rate=0.01")


def priced(a: float, b: float) -> Samples:
    samples = made(classes=False)
    column = samples.labels["mood"]
    values = real_values(a * column.values.astype(np.float64) + b)
    return replace(samples, labels={"mood": LabelColumn(values, column.task)})


def answered(folder: Path, a: float, b: float) -> tuple[np.ndarray, dict[str, float]]:
    """Predictions of all samples in the units of y, and the measures on the complete test split."""
    folder.mkdir()
    data = write_store(folder / "store", priced(a, b))
    run = run_training(short(data, sets=SETS), folder / "run")
    run_evaluation(run)
    rows = read_results(run / "results.jsonl")
    measures = {r.metric: r.value for r in rows if r.condition == "complete"}
    return (load(run).predict(open_store(data)).output.astype(np.float64) - b) / a, measures


def test_neither_predictions_nor_measures_depend_on_the_unit(tmp_path: Path) -> None:
    output, measures = answered(tmp_path / "unit", 1.0, 0.0)
    assert measures["r2"] > 0.1
    for i, (a, b) in enumerate([(8e4, 3e5), (1e-9, 0.0), (1.0, 1e12)]):
        other, told = answered(tmp_path / str(i), a, b)
        np.testing.assert_allclose(other, output, atol=5e-3)
        assert told["r2"] == pytest.approx(measures["r2"], abs=5e-3)
        assert told["pearson_r"] == pytest.approx(measures["pearson_r"], abs=5e-3)
        assert told["mae"] == pytest.approx(a * measures["mae"], rel=5e-3)


def test_a_run_that_goes_on_keeps_the_unit_it_began_with(tmp_path: Path) -> None:
    data = write_store(tmp_path / "store", priced(8e4, 3e5))
    run_training(short(data, sets=SETS), tmp_path / "whole")
    run = tmp_path / "run"
    with pytest.raises(InterruptedRun):
        run_training(short(data, sets=SETS), run, StopAfter(4))
    task = json.loads((run / "schema.json").read_text())["task"]
    known = priced(8e4, 3e5).labels["mood"].values[:48].astype(np.float64)
    assert (task["centre"], task["scale"]) == pytest.approx((known.mean(), known.std()))
    run_training(short(data, sets=SETS), run)
    assert outcome(run) == outcome(tmp_path / "whole")
    assert json.loads((run / "schema.json").read_text())["task"] == task


def without_unit(run: Path) -> None:
    """Makes a run folder what it was before labels had a unit."""
    schema = json.loads((run / "schema.json").read_text())
    for name in ("centre", "scale", "counts"):
        del schema["task"][name]
    write_file(run, "schema.json", json.dumps(schema).encode())


def test_a_folder_from_before_answers_as_it_did_and_goes_on_as_it_began(tmp_path: Path) -> None:
    data = write_store(tmp_path / "store", priced(8e4, 3e5))
    run = run_training(short(data), tmp_path / "run")
    samples = open_store(data)
    now = load(run)
    task = now.schema.task
    output = now.predict(samples).output
    without_unit(run)
    np.testing.assert_allclose(load(run).predict(samples).output * task.scale + task.centre, output, rtol=1e-6)

    begun = tmp_path / "begun"
    with pytest.raises(InterruptedRun):
        run_training(short(data, sets=SETS), begun, StopAfter(4))
    without_unit(begun)
    run_training(short(data, sets=SETS), begun)
    told = json.loads((begun / "schema.json").read_text())["task"]
    assert (told["centre"], told["scale"]) == (0.0, 1.0)


def test_a_device_without_float64_is_refused_where_the_label_needs_it(tmp_path: Path, monkeypatch) -> None:
    data = write_store(tmp_path / "store", priced(1.0, 1e12))
    monkeypatch.setattr(devices.torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(UsageError, match=r"label 'mood' .*needs float64.*\n.*--device cpu"):
        run_training(short(data, sets=("trainer.device=mps",)), tmp_path / "run")
