"""The unit and the offset of a real label change nothing but the unit and the offset of what is predicted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.data.target import measure_labels, real_values
from md2n.evaluation.evaluator import validation_score
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import MODELS
from md2n.modality import Schema, Task
from md2n.seeding import generator
from tests.steps import Rows, built, few_steps
from tests.worlds import WORLDS, every_pattern, make_batch

SEQUENCES = WORLDS["sequences"]
UNITS = [(8e4, 3e5), (1e-6, 3e5)]
# They begin with the same answer for every sample, so that the sign of the label is the sign of all that is learned.
SYMMETRIC = ("majority", "dcca", "dccae")
TOLERANCE = 2e-3  # of a deviation


def labelled(task: Task, a: float, b: float) -> tuple[Schema, SequenceBatch]:
    """The world of sequences with the labels ``a y + b``, one of them unknown."""
    batch = make_batch(SEQUENCES, size=24)
    labels = a * batch.labels.double().numpy() + b
    labels[5] = np.nan
    task = measure_labels(replace(task, low=a * task.low + b, high=a * task.high + b), labels)
    return Schema(SEQUENCES.modalities, task), replace(batch, labels=torch.from_numpy(real_values(labels)))


def trained(name: str, task: Task, a: float, b: float) -> tuple[MultimodalModel, SequenceBatch]:
    schema, batch = labelled(task, a, b)
    torch.manual_seed(0)
    model = built(name, schema)
    few_steps(model, batch, 2, "unit", norm=1.0)
    return model, batch


def answers(name: str, task: Task, a: float, b: float) -> tuple[torch.Tensor, ...]:
    """Predictions, their deviations over draws, and the error a checkpoint is chosen by, back in the units of y."""
    model, batch = trained(name, task, a, b)
    batch = batch.select(torch.arange(7))  # one sample for each pattern
    with torch.no_grad():
        told = model.predict(every_pattern(batch), generator(7, "use"), draws=2)
    error = torch.tensor(validation_score(model, Rows(batch), draws=1).loss)
    std = torch.zeros_like(told.output) if told.std is None else told.std  # a method without draws has none
    return (told.output.double() - b) / a, std.double() / abs(a), error / abs(a)


def close(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...]) -> None:
    for x, y in zip(one, other):
        torch.testing.assert_close(x, y, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_label_in_other_units_is_predicted_in_these_units(name: str) -> None:
    free = Task("regression")
    one = answers(name, free, 1.0, 0.0)
    for a, b in UNITS:
        close(answers(name, free, a, b), one)
    if name in SYMMETRIC:
        close(answers(name, free, -8e4, 3e5), one)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_sentiment_in_other_units_is_predicted_in_these_units(name: str) -> None:
    """Zero stays neutral, and the declared range is of the same unit."""
    sentiment = Task("regression", low=-3, high=3, sentiment=True)
    one = answers(name, sentiment, 1.0, 0.0)
    close(answers(name, sentiment, 8e4, 0.0), one)
