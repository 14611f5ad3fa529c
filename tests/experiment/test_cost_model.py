"""The cost model gives back the costs it was fitted on, and runs of the real commands are what it is fitted on."""

import os
from pathlib import Path

import numpy as np
import pytest

from md2n.data.store import open_store
from md2n.errors import Md2nError, UsageError
from md2n.experiment import cost_model
from md2n.experiment.cost_model import FEW, TRAINED, Measured, RecoveryCost, Sizes, TrainingCost, measure
from tests.cli.commands import refused

SIZES = Sizes(3, 4, 5)


def test_a_linear_cost_is_fitted_exactly() -> None:
    known = RecoveryCost(start=2.0, row=1e-3, call=1e-4, mib=300, part_row=2048, read=10, write=20)
    runs = [
        Measured(known.cpu_s(rows, calls), known.memory_mib(rows)) for rows, calls in ((FEW, 16), (512, 16), (512, 1))
    ]
    fitted = cost_model._recovery(runs, 512, 16, 10, 20)
    for name in ("start", "row", "call", "mib", "part_row", "read", "write"):
        assert getattr(fitted, name) == pytest.approx(getattr(known, name)), name
    training = TrainingCost(start=4.0, epoch=3e-3, mib=400, parameters=7, sizes=SIZES)
    runs = [Measured(training.cpu_s(rows, epochs), 400) for rows, epochs in TRAINED]
    again = cost_model._training(runs, 7, SIZES)
    assert again.cpu_s(10**6, 40) == pytest.approx(training.cpu_s(10**6, 40))
    assert (again.mib, again.parameters) == (400, 7)


def test_noise_gives_no_negative_costs() -> None:
    runs = [Measured(3.0, 400), Measured(2.0, 390), Measured(1.0, 380)]
    recovery, training = cost_model._recovery(runs, 512, 16, 1, 1), cost_model._training(runs, 7, SIZES)
    assert min(recovery.start, recovery.row, recovery.call, recovery.part_row) >= 0
    assert min(training.start, training.epoch) >= 0


def test_gradients_go_round_a_ring() -> None:
    cost = TrainingCost(0, 0, 0, parameters=1000, sizes=SIZES)
    assert [cost.step_bytes(n) for n in (1, 2, 4)] == [0, 4000, 6000]


def test_made_rows_have_the_sizes_and_half_miss_one_modality(tmp_path: Path) -> None:
    cost_model._store(tmp_path / "store", SIZES, 120)
    store = open_store(tmp_path / "store")
    assert {k: (r.dim, int(r.lengths.max())) for k, r in store.modalities.items()} == dict.fromkeys(
        ("m0", "m1", "m2"), (5, 4)
    )
    assert np.bincount(store.present.sum(axis=1)).tolist() == [0, 0, 60, 60]
    assert store.present.sum(axis=0).tolist() == [100, 100, 100]
    assert all(len(store.rows(split)) for split in ("train", "valid"))


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4")
def test_a_command_is_measured_and_its_refusal_is_handed_on() -> None:
    own = cost_model._run(["--version"])
    assert 0 < own.cpu_s < 5
    assert 5 < own.mib < 500
    with pytest.raises(Md2nError, match="no command is called 'trein'") as refusal:
        cost_model._run(["trein"])
    assert refusal.value.exit_code == UsageError.exit_code
    assert "train" in refusal.value.hint


def test_sizes_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="two or more modalities"):
        measure(Sizes(1, 1, 1), "md2n", 8, 2)
    refused(capsys, 2, "1 or more", "plan", "--rows", 0)
    refused(capsys, 2, "md3n", "plan", "--rows", 10, "--model", "md3n")


@pytest.mark.slow
def test_a_plan_is_near_a_run() -> None:
    training, recovery = measure(Sizes(2, 1, 8), "md2n", 2, 1)
    assert 0.5 < recovery.start < 30
    assert recovery.row > 0
    assert training.epoch > 0
    assert training.parameters > 1000
