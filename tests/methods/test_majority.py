"""Majority: the constant for each kind of label; it is trained, stopped and loaded like any other method."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.evaluation.evaluator import validation_score
from md2n.methods.majority.config import MajorityConfig
from md2n.methods.majority.model import SIDE, Majority, constant_label
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from md2n.training.config import TrainerConfig
from md2n.training.loop import train
from md2n.training.rundir import RunDir, read_weights
from md2n.training.weights import load_weights
from tests.steps import Rows
from tests.worlds import CLASSES, REAL, make_batch

MODALITIES = (Modality("a", 2), Modality("b", 2))


def fitted(task: Task, labels: Iterable[float]) -> tuple[Majority, SequenceBatch]:
    schema, told = Schema(MODALITIES, task), torch.tensor(list(labels))
    batch = replace(make_batch(schema, size=len(told)), labels=told)
    model = Majority(schema, MajorityConfig())
    model.fit([batch.select(torch.arange(2)), batch.select(torch.arange(2, len(told)))])
    return model.eval(), batch


def answer(model: Majority, batch: SequenceBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.predict(batch, generator(0, "use")).output


def test_classes_are_the_most_frequent_one_and_unknown_labels_do_not_count() -> None:
    model, batch = fitted(CLASSES, [0, 2, 2, -1, -1, -1, 1, 2])
    output = answer(model, batch)
    torch.testing.assert_close(output, torch.tensor([2.0, 2.0, 4.0]).div(8).expand(8, 3))


def test_a_class_that_never_occurred_has_a_finite_cross_entropy() -> None:
    model, batch = fitted(CLASSES, [1, 1, 1])
    other = replace(batch, labels=torch.zeros(3, dtype=torch.long))
    assert bool(torch.isfinite(model.loss(other, generator(0, "loss")).total))


def test_real_labels_are_their_median_which_no_constant_beats() -> None:
    labels = [5.0, float("nan"), 1.0, 2.0, 100.0, 3.0]
    model, batch = fitted(Task("regression"), labels)
    assert torch.equal(answer(model, batch), torch.full((6,), 3.0))
    best = float(model.loss(batch, generator(0, "loss")).total.detach())
    assert best == pytest.approx((2 + 2 + 1 + 97 + 0) / 5)
    for other in (2.0, 2.9, 3.1, 22.2):
        with torch.no_grad():
            model.constant.fill_(other)
        assert float(model.loss(batch, generator(0, "loss")).total.detach()) > best


@pytest.mark.parametrize(
    ("labels", "constant"),
    [
        ([-1.0, -2.0, -0.5, 3.0], -0.75),  # the median has the majority's sign already
        ([0.0, 0.0, 0.0, 1.0, 2.0, -3.0], SIDE),  # neutral by median, positive by majority: as in MOSEI
        ([0.0, 0.0, 0.0, -1.0, -2.0, 3.0], -SIDE),
        ([0.0, 0.0, 1.0, -1.0], 0.0),  # no majority
    ],
)
def test_a_sentiment_lies_on_the_majoritys_side(labels: list[float], constant: float) -> None:
    model, batch = fitted(REAL, labels)
    torch.testing.assert_close(answer(model, batch), torch.full((len(labels),), constant))


def test_only_sentiments_are_moved() -> None:
    assert constant_label([0.0, 0.0, 0.0, 1.0, 2.0], sentiment=False) == 0.0


def test_without_any_label_it_is_refused() -> None:
    with pytest.raises(DataError, match="no training sample has a label"):
        fitted(CLASSES, [-1, -1, -1])


def test_the_one_loop_trains_it_without_a_step(tmp_path: Path) -> None:
    schema = Schema(MODALITIES, CLASSES)
    data, model = Rows(make_batch(schema, size=20)), Majority(schema, MajorityConfig())
    with RunDir(tmp_path / "run", {"seed": 0}) as run:
        run.describe({}, {})
        found = train(model, data, data, TrainerConfig(batch_size=8), 0, run)
    assert (found.epochs, found.steps) == (0, 0)
    assert found.score == validation_score(model, data).score
    loaded = Majority(schema, MajorityConfig())
    load_weights(loaded, read_weights(tmp_path / "run"))
    assert torch.equal(answer(loaded, data.whole), answer(model, data.whole))
    assert bool(loaded.constant.any())
