"""Small classes: what they count in the loss, and in the choice of a checkpoint."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.fusion.head import ClassHead
from md2n.methods.catalogue import MODELS, build, config_class
from md2n.modality import Schema, Task
from md2n.training import loop as trainer
from md2n.training.config import TrainerConfig
from md2n.training.imbalance import by_balance, class_weights, weigh
from md2n.training.rundir import RunDir
from tests.training.dummies import SCHEMA, TRAIN, VALID

EVEN = Task("classification", classes=("a", "b", "c"), counts=(50, 10, 10))
LOPSIDED = replace(EVEN, counts=(51, 10, 0))
UNKNOWN = replace(EVEN, counts=())


def test_weights_make_every_class_count_the_same_and_a_sample_one_on_average() -> None:
    weights = np.asarray(class_weights("balanced", EVEN))
    counts = np.asarray(EVEN.counts)
    np.testing.assert_allclose(weights * counts, 70 / 3)
    assert (weights * counts).sum() == pytest.approx(70)
    assert class_weights("balanced", LOPSIDED) == pytest.approx((61 / 102, 3.05, 0.0))
    root = np.asarray(class_weights("root", EVEN))
    np.testing.assert_allclose(root / root[0], np.sqrt(weights / weights[0]))
    assert (root * counts).sum() == pytest.approx(70)


@pytest.mark.parametrize("task", [EVEN, LOPSIDED, UNKNOWN, Task("regression", centre=3, scale=2)])
def test_auto_acts_on_lopsided_classes_alone(task: Task) -> None:
    acts = task is LOPSIDED
    assert class_weights("auto", task) == (class_weights("root", task) if acts else ())
    assert class_weights("none", task) == ()
    assert by_balance(TrainerConfig(), task) == acts
    assert by_balance(TrainerConfig(select_on="balanced"), task)
    assert not by_balance(TrainerConfig(select_on="score"), task)
    assert not by_balance(TrainerConfig(select_on="loss"), task)


@pytest.mark.parametrize("name", [n for n in MODELS.names() if n != "majority"])
def test_every_head_of_every_method_is_weighed(name: str) -> None:
    """The majority's answer is what the classes' sizes are read from, so it alone has none."""
    torch.manual_seed(0)
    model = build(name, Schema(SCHEMA.modalities, LOPSIDED), config_class(name)())
    heads = [part for part in model.modules() if isinstance(part, ClassHead)]
    assert heads
    weigh(model, ())
    assert all(head.weights is None for head in heads)
    weigh(model, (0.5, 2.0, 1.0))
    assert all(head.weights is not None and head.weights.tolist() == [0.5, 2.0, 1.0] for head in heads)


@pytest.mark.parametrize("task", [EVEN, LOPSIDED])
def test_the_trainer_weighs_and_selects_by_the_training_counts(task: Task, tmp_path: Path, monkeypatch) -> None:
    class Enough(Exception):
        """Ends the run where it would begin."""

    told = {}

    def loop(model, feed, valid, config, run, observer, validate):
        told.update(balanced=validate.keywords["balanced"], weights=model.backbone.head.weights)
        raise Enough

    monkeypatch.setattr(trainer, "Loop", loop)
    model = build("modality_dropout", Schema(SCHEMA.modalities, task), config_class("modality_dropout")())
    with RunDir(tmp_path / "run", {"seed": 0}) as run, pytest.raises(Enough):
        trainer.train(model, TRAIN, VALID, TrainerConfig(device="cpu"), 0, run)
    assert told["balanced"] == (task is LOPSIDED)
    assert (told["weights"] is not None) == (task is LOPSIDED)
