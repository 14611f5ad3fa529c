"""ICDN: unimodal labels, placeholders, and which terms of the loss train which parts."""

from dataclasses import replace

import pytest
import torch

from md2n.methods.icdn.config import ICDNConfig
from md2n.methods.icdn.model import ICDN
from md2n.methods.icdn.unimodal_labels import ENOUGH, UnimodalLabels
from md2n.methods.parts.config import LatentConfig
from md2n.modality import Task
from md2n.nn.config import TransformerConfig
from md2n.seeding import generator
from tests.worlds import CLASSES, REAL, WORLDS, every_pattern, make_batch

SMALL = ICDNConfig(LatentConfig(length=2, width=8, hidden=16), TransformerConfig(1, 2, 16, 0.0), unimodal=8)
G = generator(0, "unused")
SCORES = Task("regression", low=0.0, high=10.0)


def made(world: str, config: ICDNConfig = SMALL) -> ICDN:
    torch.manual_seed(0)
    return ICDN(WORLDS[world], config)


def clusters(task: Task, size: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    """Representations in one cluster per class (in regression: per side of the midpoint), and the labels."""
    g = generator(0, "clusters")
    count = task.output_dim if task.kind == "classification" else 2
    group = torch.arange(size) % count
    places = torch.eye(count, 4) * 6
    labels = group if task.kind == "classification" else torch.where(group == 1, 8.0, 2.0)
    return places[group] + 0.1 * torch.randn(size, 4, generator=g), labels


def ready(task: Task) -> tuple[UnimodalLabels, torch.Tensor, torch.Tensor]:
    x, labels = clusters(task)
    made = UnimodalLabels([4, 4], task)
    for _ in range(3):
        made.update([x, x], torch.ones(len(x), 2, dtype=torch.bool), labels)
    return made, x, labels


@pytest.mark.parametrize("task", [CLASSES, SCORES], ids=["classes", "regression"])
def test_equal_relative_distances_give_the_label_of_the_sample(task: Task) -> None:
    made, x, labels = ready(task)
    assert made.ready
    target, gap = made.targets(x, 1, x, labels)
    assert not bool(gap.any())
    own = torch.nn.functional.one_hot(labels, 3).float() if task.kind == "classification" else labels[:, None]
    torch.testing.assert_close(target, own)


@pytest.mark.parametrize("task", [CLASSES, SCORES], ids=["classes", "regression"])
def test_a_modality_near_another_centre_has_its_label_moved_toward_it(task: Task) -> None:
    made, x, labels = ready(task)
    low = labels == labels.min()
    other = x[labels == labels.max()][:1].expand_as(x)  # the modality looks as the highest group does
    target, gap = made.targets(other, 1, x, labels)
    assert bool((gap[low] > 0.1).all())
    if task.kind == "classification":
        torch.testing.assert_close(target.sum(dim=1), torch.ones(len(x)))
        assert bool((target[low, 2] > target[low, 1]).all())
        assert bool((target >= 0).all())
    else:
        assert bool((target[low, 0] > labels[low] + 2).all())
        assert bool((target <= task.high).all())


def test_labels_stay_until_the_centres_have_seen_enough() -> None:
    x, labels = clusters(SCORES, 20)
    made = UnimodalLabels([4, 4], SCORES)
    made.update([x, x], torch.ones(20, 2, dtype=torch.bool), labels)
    assert bool((made.seen < ENOUGH).all())
    target, gap = made.targets(x.flip(0), 1, x, labels)
    assert torch.equal(target[:, 0], labels)
    assert not bool(gap.any())


def test_centres_are_means_over_available_modalities_with_known_labels() -> None:
    x, labels = clusters(CLASSES, 60)
    made = UnimodalLabels([4, 4], CLASSES)
    there = torch.stack([torch.arange(60) < 30, torch.arange(60) < 15], dim=1)
    made.update([x, torch.where(there[:, 1:], x, 50.0)], there, torch.where(there[:, 0], labels, -1))
    assert made.seen.tolist() == [[10, 10, 10], [5, 5, 5]]
    for c in range(3):
        torch.testing.assert_close(made.get_buffer("centre_0")[c], x[:30][labels[:30] == c].mean(dim=0))
        torch.testing.assert_close(made.get_buffer("centre_1")[c], x[:15][labels[:15] == c].mean(dim=0))


def test_sentiment_turns_at_zero_and_other_labels_at_their_mean() -> None:
    for task, middle, deviation in ((REAL, 0.0, 26**0.5 / 2), (SCORES, 1.5, (26 / 4 - 1.5**2) ** 0.5)):
        made = UnimodalLabels([1, 1], task)
        labels = torch.tensor([-1.0, 0.0, 3.0, 4.0])
        made.update([torch.zeros(4, 1)] * 2, torch.ones(4, 2, dtype=torch.bool), labels)
        assert float(made.midpoint) == pytest.approx(middle)
        assert float(made.deviation) == pytest.approx(deviation)


def test_centres_move_in_training_only_and_are_saved() -> None:
    batch = every_pattern(make_batch(WORLDS["vectors"]))
    model = made("vectors").eval()
    model.loss(batch, G)
    assert not bool(model.labels.seen.any())
    model.train().loss(batch, G)
    assert bool(model.labels.seen.any())
    other = made("vectors")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.labels.seen, model.labels.seen)


def test_without_the_modalities_own_tasks_their_heads_learn_nothing() -> None:
    batch = every_pattern(make_batch(WORLDS["vectors"]))
    model = made("vectors", replace(SMALL, difference=0.0)).train()
    losses = model.loss(batch, G)
    assert set(losses.parts) == {"task"}
    torch.autograd.backward(losses.total)
    assert all(p.grad is None for p in [*model.heads.parameters(), *model.own.parameters()])


def test_own_tasks_are_trained_once_labels_differ() -> None:
    model, batch = made("vectors").train(), make_batch(WORLDS["vectors"], size=30)
    batch = replace(batch, labels=torch.arange(30) % 3)  # ten of each class: the second step has seen enough
    assert model.loss(batch, G).parts["difference"] == 0
    losses = model.loss(batch, G)
    assert losses.parts["difference"] > 0
    torch.autograd.backward(losses.total)
    assert all(bool(p.grad is not None and p.grad.any()) for p in model.own.parameters())


def test_others_are_mapped_onto_the_placeholder_of_a_missing_target() -> None:
    batch, model = make_batch(WORLDS["sequences"]), made("sequences").eval()
    one = batch.hide(torch.tensor([True, False, True]).expand(batch.size, 3))
    before = model.predict(one, G).output, model.predict(batch, G).output
    with torch.no_grad():
        model.placeholder[1] += 1.0
    after = model.predict(one, G).output, model.predict(batch, G).output
    assert not torch.allclose(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_it_says_that_the_article_was_retracted() -> None:
    assert ICDN.card.retracted
    assert "etracted" in ICDN.card.paper
