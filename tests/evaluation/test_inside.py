"""Numbers hidden inside what is there: nested, the same in any batch, never all of a frame; and what it measures."""

import numpy as np
import pytest
import torch

from md2n.data.cell_model import CellModel
from md2n.data.config import DataConfig
from md2n.data.ready import load, load_datasets
from md2n.evaluation.evaluator import evaluate
from md2n.evaluation.inference import open_cells
from md2n.evaluation.inside import evaluate_cells, inside_conditions
from md2n.evaluation.protocols import fixed_conditions
from md2n.evaluation.recovery import RecoveryTally
from md2n.methods.catalogue import build, config_class
from tests.worlds import WORLDS, make_batch


def test_shares_are_nested_and_a_frame_keeps_one_number() -> None:
    batch = make_batch(WORLDS["cells"], size=40)
    before = batch
    for share in (0.0, 0.1, 0.3, 0.5, 0.99):
        after = batch.hide_cells(open_cells(batch, share, 0))
        for name in batch.names:
            frames = batch.frames(name)
            known, most = after.known(name), batch.known(name)
            assert bool((known <= before.known(name)).all())
            assert bool(known.any(dim=2)[frames].all())
            if share in (0.1, 0.3):
                hidden = 1 - float(
                    known.expand_as(batch.features[name]).sum() / most.expand_as(batch.features[name]).sum()
                )
                assert hidden == pytest.approx(share, abs=0.07)
        before = after


def test_a_sample_loses_the_same_numbers_in_any_batch() -> None:
    batch = make_batch(WORLDS["cells"], size=12)
    whole = open_cells(batch, 0.4, 3)
    for i in (0, 7):
        alone = open_cells(batch.select(torch.tensor([i])), 0.4, 3)
        assert all(torch.equal(alone[name][0], whole[name][i]) for name in batch.names)
    other = open_cells(batch, 0.4, 4)
    assert not torch.equal(other["lab"], whole["lab"])


def test_with_nothing_hidden_it_is_the_complete_condition() -> None:
    data = load_datasets(load("digits"), DataConfig(name="digits"))
    torch.manual_seed(0)
    model = build("modality_dropout", data.schema, config_class("modality_dropout")())
    complete = fixed_conditions(data.test.present, data.schema.names)[-1]
    inside = inside_conditions(data.test.present)
    assert [c.name for c in inside] == ["inside=0", "inside=0.1", "inside=0.3", "inside=0.5"]
    one, zero, some = evaluate(model, data.test, [complete, inside[0], inside[2]])
    assert np.array_equal(one.output, zero.output)
    assert one.measures == zero.measures
    assert not np.array_equal(one.output, some.output)


def test_hidden_numbers_come_back_better_than_the_mean_with_intervals_that_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn, add = set(), RecoveryTally.add

    def watched(tally: RecoveryTally, truth: np.ndarray, recovered: np.ndarray, draws: np.ndarray) -> None:
        drawn.add(len(draws))
        add(tally, truth, recovered, draws)

    monkeypatch.setattr(RecoveryTally, "add", watched)
    data = load_datasets(load("digits"), DataConfig(name="digits"))
    model = CellModel.fit(data.samples, data.train.rows, data.normaliser)
    conditions = inside_conditions(data.test.present)
    results = evaluate_cells(model, data.test, conditions)
    assert [(r.condition.name, r.target) for r in results] == [
        (c.name, name) for c in conditions[1:] for name in data.schema.names
    ]
    for r in results:
        assert r.n == len(data.test)
        assert r.measures["recovery_r2"] > 0.1
        assert 0.86 < r.measures["recovery_coverage90"] < 0.95
    assert drawn == {20}  # part of the protocol: another count is another version
    by_size = evaluate_cells(model, data.test, conditions, batch_size=7)
    assert by_size[0].measures["recovery_r2"] == pytest.approx(results[0].measures["recovery_r2"])
    assert by_size[0].measures["recovery_crps"] == pytest.approx(results[0].measures["recovery_crps"])
