"""The optimiser's parts: who decays, the shape of the rate, what the average forgets."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from md2n.errors import UsageError
from md2n.seeding import generator
from md2n.training.config import TrainerConfig
from md2n.training.optim import (
    WeightAverage,
    clip_gradient,
    decays,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    rate_factor,
    trained_parameters,
)


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 2)
        self.kernel = nn.Conv1d(2, 2, 3)
        self.norm = nn.LayerNorm(2)
        self.names = nn.Embedding(4, 2)
        self.attention = nn.MultiheadAttention(2, 1)
        self.queries = nn.Parameter(torch.zeros(4, 2))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)


def test_only_matrices_and_kernels_of_layers_decay() -> None:
    expected = {"line.weight", "kernel.weight", "attention.in_proj_weight", "attention.out_proj.weight"}
    assert decays(Parts()) == expected


def test_weight_decay_moves_only_what_decays() -> None:
    model = Parts()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    parameters = trained_parameters(model, ("",))
    optimizer = make_optimizer(model, parameters, TrainerConfig(weight_decay=0.5, learning_rate=0.1))
    for p in parameters.values():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    shrunk = {name for name, p in model.named_parameters() if bool((p < 1).all())}
    assert shrunk == decays(model)


def test_prefixes_choose_parameters_and_an_unknown_one_is_named() -> None:
    model = Parts()
    assert set(trained_parameters(model, ("line", "norm.b"))) == {"line.weight", "line.bias", "norm.bias"}
    assert "frozen" not in trained_parameters(model, ("",))
    with pytest.raises(UsageError, match=r"begins with 'lime'\n.*attention, frozen, kernel, line"):
        trained_parameters(model, ("lime",))


def test_the_rate_rises_to_one_and_ends_where_it_should() -> None:
    factors = [rate_factor(step, 100, 0.1, 0.02) for step in range(100)]
    assert factors[10] == 1.0 == max(factors)
    assert factors[-1] == pytest.approx(0.02)
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert rate_factor(10 + 89 // 2, 100, 0.1, 0.0) == pytest.approx(0.5, abs=0.01)  # half way down the cosine
    assert rate_factor(0, 100, 0.0, 0.02) == 1.0


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_the_rate_is_never_above_one_nor_negative(steps: int, warmup: float, final: float) -> None:
    assert all(0 <= rate_factor(step, steps, warmup, final) <= 1 for step in range(steps))


def test_the_average_of_still_weights_is_the_weights_to_the_bit() -> None:
    model = nn.Linear(7, 5)
    average = WeightAverage(model, 0.98)
    for n in range(50):
        average.update(model, n)
    assert all(torch.equal(average.values[k], v) for k, v in model.named_parameters())


def test_the_average_is_the_weights_without_decay_and_follows_its_recursion_with() -> None:
    model = nn.Linear(1, 1, bias=False)
    g = generator(0, "walk")
    off, on, expected = WeightAverage(model, 0.0), WeightAverage(model, 0.6), model.weight.item()
    for n in range(20):
        with torch.no_grad():
            model.weight += torch.randn(1, 1, generator=g)
        off.update(model, n)
        on.update(model, n)
        d = min(0.6, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * model.weight.item()
        assert torch.equal(off.values["weight"], model.weight)
    assert float(on.values["weight"]) == pytest.approx(expected, rel=1e-5)


def test_shown_gives_the_average_and_takes_it_back() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.9)
    before = model.weight.detach().clone()
    average.values["weight"].zero_()
    with pytest.raises(ZeroDivisionError), average.shown(model):
        assert not bool(model.weight.any())
        raise ZeroDivisionError
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(("largest", "after"), [(1.0, 1.0), (100.0, 5.0), (0.0, 5.0)])
def test_clipping_scales_the_whole_gradient_and_tells_its_norm(largest: float, after: float) -> None:
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    a.grad, b.grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert float(clip_gradient({"a": a, "b": b}, largest)) == pytest.approx(5.0)
    assert float(torch.hypot(a.grad, b.grad)) == pytest.approx(after, rel=1e-4)


def test_moments_go_through_tensors_and_back() -> None:
    def stepped(steps: int, restored: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        parameters = trained_parameters(model, ("",))
        optimizer = make_optimizer(model, parameters, TrainerConfig())
        for n in range(steps):
            if restored and n == 3:
                kept = {k: v.clone() for k, v in optimizer_tensors(optimizer, parameters).items()}
                optimizer = make_optimizer(model, parameters, TrainerConfig())
                load_optimizer(optimizer, parameters, kept)
            model(torch.full((2, 3), float(n))).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return model.weight.detach()

    assert torch.equal(stepped(8, restored=True), stepped(8, restored=False))
