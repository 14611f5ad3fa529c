"""Fusion and heads: absent modalities are never read; outputs and losses are what their formulas say."""

import pytest
import torch
from torch.distributions import Categorical, Laplace, kl_divergence

from md2n.data.target import real_values
from md2n.errors import ConfigError
from md2n.fusion.head import ClassHead, make_head
from md2n.fusion.transformer import ABSENT, GIVEN, RECOVERED, make_fusion
from md2n.modality import Task
from md2n.nn.config import TransformerConfig
from md2n.seeding import generator

SIZE = TransformerConfig(1, 2, 16, 0.0)
SENTIMENT = Task("regression", low=-3, high=3, sentiment=True)
CLASSES = Task("classification", classes=("a", "b", "c"))


@pytest.mark.parametrize("kind", ["joint", "crossmodal"])
def test_absent_modalities_are_not_read(kind: str) -> None:
    fusion = make_fusion(kind, 3, 4, 8, SIZE).eval()
    latents = torch.randn(5, 3, 4, 8, generator=generator(0, "x"))
    state = torch.tensor([[GIVEN, ABSENT, RECOVERED]]).expand(5, -1)
    poisoned = latents.clone()
    poisoned[:, 1] = float("nan")
    assert torch.equal(fusion(latents, state), fusion(poisoned, state))


@pytest.mark.parametrize("kind", ["joint", "crossmodal"])
def test_given_and_recovered_are_told_apart(kind: str) -> None:
    fusion = make_fusion(kind, 2, 4, 8, SIZE).eval()
    latents = torch.randn(5, 2, 4, 8, generator=generator(0, "x"))
    given, recovered = torch.full((5, 2), GIVEN), torch.tensor([[GIVEN, RECOVERED]]).expand(5, -1)
    assert not torch.allclose(fusion(latents, given), fusion(latents, recovered))


def test_the_summary_begins_as_a_linear_reading_of_what_is_given() -> None:
    """Without its blocks it is affine in given latents and blind to recovered ones."""
    fusion = make_fusion("joint", 3, 4, 8, SIZE).double().eval()
    fusion.transformer = Untouched()  # type: ignore[assignment]
    state = torch.tensor([[GIVEN, RECOVERED, ABSENT]] * 2)
    x, y = torch.randn(2, 2, 3, 4, 8, generator=generator(0, "x"), dtype=torch.float64)
    nothing = fusion(torch.zeros_like(x), state)
    torch.testing.assert_close(
        fusion(x + 2 * y, state) - nothing, fusion(x, state) + 2 * fusion(y, state) - 3 * nothing
    )
    other = x.clone()
    other[:, 1:] += 1.0
    torch.testing.assert_close(fusion(other, state), fusion(x, state))
    other[:, 0] += 1.0
    assert float((fusion(other, state) - fusion(x, state)).abs().min()) > 1e-6


class Untouched(torch.nn.Module):
    def forward(self, tokens: torch.Tensor, readable: torch.Tensor, first: int) -> torch.Tensor:
        return tokens[:, :first]


def test_seven_class_head_gives_the_expectation() -> None:
    head = make_head("seven_class", 8, SENTIMENT, 0.0)
    sure = torch.full((2, 7), -50.0)
    sure[0, 6] = 50.0
    sure[1, 2] = sure[1, 3] = 50.0
    torch.testing.assert_close(head.output(sure), torch.tensor([3.0, -0.5]))


def test_seven_class_labels_round_half_to_even() -> None:
    head = make_head("seven_class", 8, SENTIMENT, 0.0)
    raw = torch.zeros(4, 7)
    raw[:, [5, 5, 1, 6]] = 0
    raw[0, 5] = raw[1, 5] = raw[2, 1] = raw[3, 6] = 100.0
    labels = torch.tensor([2.5, 1.5, -2.5, 9.0])  # 2, 2, -2, 3
    torch.testing.assert_close(head.loss(raw, labels), torch.zeros(4))


def test_unknown_labels_are_counted_out() -> None:
    head = make_head("auto", 8, CLASSES, 0.0)
    assert head.known(torch.tensor([0, -1, 2])).tolist() == [1, 0, 1]
    real = make_head("auto", 8, SENTIMENT, 0.0)
    assert real.known(torch.tensor([0.5, float("nan")])).tolist() == [1, 0]
    assert bool(torch.isfinite(real.loss(torch.zeros(2, 1), torch.tensor([0.5, float("nan")]))).all())


@pytest.mark.parametrize("task", [SENTIMENT, CLASSES])
def test_distance_to_oneself_is_zero_and_to_others_positive(task: Task) -> None:
    head = make_head("auto", 8, task, 0.0)
    raw = torch.randn(4, task.output_dim, generator=generator(0, "x"))
    torch.testing.assert_close(head.distance(raw, raw), torch.zeros(4))
    assert bool((head.distance(raw, raw.flip(0) + torch.arange(task.output_dim)) > 0).all())


def test_distance_is_the_divergence_of_what_the_task_loss_is_the_likelihood_of() -> None:
    raw, teacher = torch.randn(2, 4, 1, generator=generator(0, "x"), dtype=torch.float64)
    real = make_head("auto", 8, SENTIMENT, 0.0)
    said = kl_divergence(Laplace(teacher[:, 0], 1.0), Laplace(raw[:, 0], 1.0))
    torch.testing.assert_close(real.distance(raw, teacher), said)

    logits, taught = torch.randn(2, 4, CLASSES.output_dim, generator=generator(0, "x"), dtype=torch.float64)
    classes = make_head("auto", 8, CLASSES, 0.0)
    said = kl_divergence(Categorical(logits=taught), Categorical(logits=logits))
    torch.testing.assert_close(classes.distance(logits, taught), said)


@pytest.mark.parametrize("task", [SENTIMENT, CLASSES])
def test_distance_pulls_the_less_the_nearer_it_is(task: Task) -> None:
    """Else a weight above that of the task would make the label count for nothing."""
    head = make_head("auto", 8, task, 0.0)
    teacher = torch.randn(1, task.output_dim, generator=generator(0, "x"))
    pulls = []
    for gap in (1.0, 0.1, 0.01):
        raw = (teacher + gap * torch.arange(1, task.output_dim + 1)).requires_grad_()
        pulls.append(float(torch.autograd.grad(head.distance(raw, teacher).sum(), raw)[0].norm()))
    assert pulls[0] > 5 * pulls[1] > 25 * pulls[2] > 0


def test_a_head_that_cannot_serve_the_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="head 'l1' cannot predict a classification label"):
        make_head("l1", 8, CLASSES, 0.0)
    with pytest.raises(ConfigError, match=r"for sentiment in \[-3, 3\]"):
        make_head("seven_class", 8, Task("regression", low=1, high=5), 0.0)


def test_the_head_for_classes_takes_those_of_the_label_or_of_a_sentiment_and_l1_elsewhere() -> None:
    heads = [make_head("classes", 8, task, 0.0) for task in (CLASSES, SENTIMENT, Task("regression", low=1, high=5))]
    assert [type(head).__name__ for head in heads] == ["ClassHead", "SevenClassHead", "RegressionHead"]


def test_regression_starts_at_the_centre_of_the_training_labels_wherever_the_range_ends() -> None:
    head = make_head("auto", 8, Task("regression", low=0, high=1e9, centre=3e5, scale=80.0), 0.0)
    start = head.output(head(torch.zeros(1, 8)))
    assert float(start) == pytest.approx(3e5, abs=80)


@pytest.mark.parametrize(("centre", "scale"), [(3e5, 8e4), (0.0, 1e-9), (1e12, 1.0)])
def test_regression_is_in_deviations_inside_and_in_own_units_outside(centre: float, scale: float) -> None:
    head = make_head("auto", 8, Task("regression", centre=centre, scale=scale), 0.0)
    raw = torch.tensor([[-1.0], [0.0], [2.5]])
    labels = torch.from_numpy(real_values(centre + scale * raw[:, 0].double().numpy()))
    torch.testing.assert_close(head.loss(raw, labels), torch.zeros(3), atol=2e-4, rtol=0)
    output = head.output(raw)
    torch.testing.assert_close((output.double() - centre) / scale, raw[:, 0].double(), atol=2e-4, rtol=0)
    assert float(head.constant(labels)) == pytest.approx(0.0, abs=2e-4)


def test_a_class_counts_what_it_was_weighed_with() -> None:
    head = make_head("auto", 4, CLASSES, 0.0)
    raw, labels = torch.randn(5, 3, generator=generator(0, "x")), torch.tensor([0, 0, 2, -1, 1])
    plain = head.loss(raw, labels)
    assert float(head.mean_loss(raw, labels)) == pytest.approx(float(plain[[0, 1, 2, 4]].mean()))
    assert isinstance(head, ClassHead)
    before = head.constant(labels)
    head.weigh((0.5, 1.0, 3.0))
    weighed = (plain[0] + plain[1]) * 0.5 + 3 * plain[2] + plain[4]
    assert float(head.mean_loss(raw, labels)) == pytest.approx(float(weighed) / 4)
    assert head.constant(labels).argmax() == 2 != before.argmax()
    assert "weights" not in head.state_dict()


@pytest.mark.parametrize(
    ("kind", "task", "labels"),
    [
        ("l1", SENTIMENT, [1.0, float("nan"), -2.0, 0.5, 3.0, 0.7]),
        ("cross_entropy", CLASSES, [0, 2, -1, 2, 1, 2, 2]),
        ("seven_class", SENTIMENT, [1.2, 0.8, float("nan"), -2.6, 3.0, 0.0]),
    ],
)
def test_the_constant_of_a_head_is_near_the_least_loss_of_all_constants(
    kind: str, task: Task, labels: list[float]
) -> None:
    head, known = make_head(kind, 4, task, 0.0), torch.tensor(labels)
    many = known.repeat(500)  # so that the one added to each count does not count
    best = head.constant(many).detach()
    least = head.mean_loss(best.expand(len(many), -1), many)
    for seed in range(20):
        other = best + 0.3 * torch.randn(best.shape, generator=generator(seed, "constant"))
        assert head.mean_loss(other.expand(len(many), -1), many) >= least - 1e-4
    nobody = torch.full_like(known, -1 if known.dtype == torch.long else float("nan"))
    assert bool(torch.isfinite(head.constant(nobody)).all())
    assert not bool(head.mean_loss(best.expand(len(nobody), -1), nobody))


def test_a_mean_loss_is_over_known_labels() -> None:
    head = make_head("l1", 4, SENTIMENT, 0.0)
    labels = torch.tensor([1.0, float("nan"), 3.0])
    assert float(head.mean_loss(torch.zeros(3, 1), labels)) == 2.0
