"""Boosted trees: the tensors answer as the library that grew them, and files that do not fit are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError, RunError
from md2n.methods.boosted_trees import fitting
from md2n.methods.boosted_trees.config import BoostedTreesConfig
from md2n.methods.boosted_trees.model import BoostedTrees
from md2n.methods.boosted_trees.trees import Trees
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from md2n.training.imbalance import weigh
from md2n.training.weights import load_weights, state_tensors
from tests.worlds import CLASSES, REAL, WORLDS, every_pattern, make_batch

MODALITIES = (Modality("a", 3), Modality("b", 2, 2))
SMALL = BoostedTreesConfig(iterations=8, leaf_rows=5)


def fitted(schema: Schema, batch: SequenceBatch, config: BoostedTreesConfig = SMALL) -> BoostedTrees:
    torch.manual_seed(0)
    model = BoostedTrees(schema, config).eval()
    model.fit([batch.select(torch.arange(batch.size // 2)), batch.select(torch.arange(batch.size // 2, batch.size))])
    return model


def answer(model: BoostedTrees, batch: SequenceBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.predict(batch, generator(0, "use")).output


@pytest.mark.parametrize("classes", [1, 2, 3, 0], ids=["one class", "two classes", "three classes", "real"])
def test_tensors_answer_as_the_library_does(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three classes in the task; a class that no label has gets a small share."""
    models = []
    plain = fitting._fitted
    monkeypatch.setattr(fitting, "_fitted", lambda *args: models.append(plain(*args)) or models[-1])
    task = CLASSES if classes else REAL
    batch = make_batch(Schema(MODALITIES, task), size=90, gaps=True)
    if classes:
        batch = replace(batch, labels=(batch.labels + torch.arange(90)) % classes)
    model = fitted(Schema(MODALITIES, task), batch)
    test = every_pattern(make_batch(Schema(MODALITIES, task), size=60, seed=1))
    output, x = answer(model, test), model.columns(test).numpy()
    if not classes:
        np.testing.assert_allclose(output, models[-1].predict(x), atol=1e-5)
        return
    if classes > 1:
        expected = models[-1].predict_proba(x)
        shares = output[:, :classes] / output[:, :classes].sum(dim=1, keepdim=True)
        np.testing.assert_allclose(shares, expected, atol=1e-5)
        assert len(model.trees.root) % (1 if classes == 2 else 3) == 0
        assert len(output.unique(dim=0)) > 5
    assert 0 < float(output[:, classes:].sum(dim=1).max()) < 0.02 or classes == 3


def test_numbers_at_a_threshold_and_unknown_ones_go_where_the_library_sends_them() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = torch.randn(300, 2, generator=generator(0, "x"))
    x[::7, 0] = float("nan")
    y = (x[:, 0].nan_to_num(3.0) + x[:, 1]).numpy()
    grown = HistGradientBoostingRegressor(max_iter=5, early_stopping=False).fit(x.numpy(), y)
    trees = [tree.nodes for one in grown._predictors for tree in one]
    walked = Trees(2, 1, 31)
    walked.hold(trees, [0] * len(trees))
    for nodes in trees:
        inner = nodes[nodes["is_leaf"] == 0]
        near = torch.tensor(inner["num_threshold"], dtype=torch.float32).clamp(-1e30, 1e30)
        for at in (near, near.nextafter(torch.tensor(9.0)), near.nextafter(torch.tensor(-9.0)), near * float("nan")):
            asked = torch.stack([at, near.flip(0)], dim=1)
            expected = grown.predict(asked.numpy()) - grown._baseline_prediction.item()
            np.testing.assert_allclose(walked(asked)[:, 0], expected, atol=1e-5)


def test_one_modality_is_enough_where_it_tells_the_class() -> None:
    """The training rows with hidden modalities are what this is learned on."""
    schema = Schema((Modality("a", 1), Modality("b", 1)), CLASSES)
    labels = torch.arange(120) % 3
    batch = make_batch(schema, size=120)
    values = labels[:, None, None].float() + 0.1 * torch.randn(120, 1, 1, generator=generator(0, "v"))
    batch = replace(batch, labels=labels, features={"a": values, "b": -values})
    model = fitted(schema, batch, BoostedTreesConfig(iterations=15, leaf_rows=5))
    for given in ([True, False], [False, True], [True, True]):
        hidden = batch.hide(torch.tensor(given).expand(120, -1))
        assert float((answer(model, hidden).argmax(dim=1) == labels).float().mean()) > 0.98


def test_a_heavier_class_is_answered_more_often() -> None:
    schema = Schema(MODALITIES, Task("classification", classes=("no", "yes")))
    batch = make_batch(schema, size=120)
    batch = replace(batch, labels=(torch.rand(120, generator=generator(0, "y")) < 0.2).long())
    torch.manual_seed(0)
    heavier = BoostedTrees(schema, SMALL).eval()
    weigh(heavier, (1.0, 8.0))
    heavier.fit([batch])
    assert float(answer(heavier, batch)[:, 1].mean()) > float(answer(fitted(schema, batch), batch)[:, 1].mean()) + 0.2


def test_a_long_sequence_is_read_by_its_mean_over_the_frames_that_there_are() -> None:
    schema = Schema((Modality("long", 2, 200), Modality("b", 1)), REAL)
    batch = make_batch(schema, size=5)
    columns = BoostedTrees(schema, SMALL).columns(batch)
    assert columns.shape == (5, 2 + 2 + 1)
    for i in range(5):
        torch.testing.assert_close(columns[i, 2:4], batch.features["long"][i][batch.valid["long"][i]].mean(dim=0))


def test_samples_without_a_label_do_not_count() -> None:
    schema = WORLDS["vectors"]
    batch = make_batch(schema, size=60)
    unknown = replace(batch, labels=torch.where(torch.arange(60) < 40, batch.labels, -1))
    one, other = fitted(schema, unknown), fitted(schema, unknown.select(torch.arange(40)))
    assert len(one.trees.value) and len(other.trees.value)
    with pytest.raises(DataError, match="no training sample has a label"):
        fitted(schema, replace(batch, labels=torch.full((60,), -1)))


@pytest.mark.parametrize(
    ("name", "value"), [("feature", 99), ("next", -1), ("next", 10**6), ("root", 10**6), ("output", 3), ("unknown", 2)]
)
def test_trees_that_lead_out_of_their_arrays_are_refused(name: str, value: int) -> None:
    schema = WORLDS["vectors"]
    model = fitted(schema, make_batch(schema, size=40))
    weights = state_tensors(model)
    load_weights(BoostedTrees(schema, SMALL), weights)
    weights[f"trees.{name}"].view(-1)[-1] = value
    with pytest.raises(RunError, match="the arrays of its trees do not fit together"):
        load_weights(BoostedTrees(schema, SMALL), weights)
