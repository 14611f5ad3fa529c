"""The score network s_theta(x_t, y, t): a Transformer in time, with attention to the condition.

What it is asked is plain denoising, because the process takes the known part of the mean off first:

    r_t = x_t - known_t = s end + n e,      s = signal_t, n = std_t   (see ``process``).

Latents have zero mean and unit scale, so without looking at anything else the best estimate of the end from r_t is
``s r_t / (s^2 + n^2)``, and what it leaves open has the scale ``n / sqrt(s^2 + n^2)``.  The network F (of unit scale,
zero at the start of training) adds the rest:

    end^   = s r_t / (s^2 + n^2) + n / sqrt(s^2 + n^2) F        prediction = x0
    noise^ = n r_t / (s^2 + n^2) - s / sqrt(s^2 + n^2) F        prediction = noise

so it never has to copy a nearly clean input, nor to shrink a noisy one.  A first guess g of the end, which needs the
condition alone (``guess``), moves the mean of that estimate from zero to g: F becomes ``F + n / sqrt(s^2 + n^2) g``.

F reads ``s r_t / (s^2 + n^2)``, the partner x^a and g beside it, and by attention the tokens of the condition y.  At
t2, where s = 0 and x_t is x^a and noise, the first is zero: the one-step estimate there is a regression on the
available side that no noise can disturb, the same for every draw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from md2n.brief import brief
from md2n.diffusion.condition import condition_tokens
from md2n.diffusion.guess import FirstGuess
from md2n.diffusion.process import DuplexProcess, Estimate, Step
from md2n.errors import UsageError, did_you_mean
from md2n.nn.adaptive import AdaptiveBlock, AdaptiveNorm
from md2n.nn.attention import KeysValues
from md2n.nn.config import TransformerConfig
from md2n.nn.embedding import sinusoidal
from md2n.shapes import Bool, Float, Tensor

PREDICTIONS = ("x0", "noise")


@dataclass(frozen=True)
class Condition:
    """One side of a batch, ready to be asked at any number of steps.

    Args:
        partner: x^a, ``[batch, token, width]``.
        context: which modalities are on the side and which is looked for, ``[batch, inner]``.
        keys_values: of the condition's tokens, one pair per layer.
        readable: True at tokens that may be read, ``[batch, key]``.
        guess: g, ``[batch, token, width]``.
    """

    partner: Float[Tensor, "batch token width"]
    context: Float[Tensor, "batch inner"]
    keys_values: tuple[KeysValues, ...]
    readable: Bool[Tensor, "batch key"]
    guess: Float[Tensor, "batch token width"]

    __repr__ = brief

    def repeat(self, draws: int) -> "Condition":
        """The condition of ``draws`` copies of the batch, one after the other: rows ``[draws * batch]``."""

        def times(x: Tensor) -> Tensor:
            return x.repeat(draws, *[1] * (x.dim() - 1))

        return Condition(
            times(self.partner),
            times(self.context),
            tuple((times(k), times(v)) for k, v in self.keys_values),
            times(self.readable),
            times(self.guess),
        )


class ScoreNetwork(nn.Module):
    """s_theta for one target modality, or for all of them (the target is an input then).

    Args:
        process: whose chain it estimates.
        modalities: M.
        tokens: L.
        latent_width: D.
        size: of the Transformer; its width is even.
        prediction: what ``forward`` gives: ``x0``, the unknown end of the chain, or the ``noise`` in it.
        first_guess: whether there is one (``guess``), which the paper does not have.

    Raises:
        UsageError: unknown prediction.
    """

    def __init__(
        self,
        process: DuplexProcess,
        modalities: int,
        tokens: int,
        latent_width: int,
        size: TransformerConfig,
        prediction: str = "x0",
        first_guess: bool = True,
    ) -> None:
        super().__init__()
        if prediction not in PREDICTIONS:
            raise UsageError(f"a score network cannot predict '{prediction}'", did_you_mean(prediction, PREDICTIONS))
        self.process = process
        self.prediction = prediction
        width = self.width = size.width

        self.source_project = nn.ModuleList(nn.Linear(latent_width, width) for _ in range(modalities))
        self.source_place = nn.Parameter(0.1 * torch.randn(tokens, width))
        self.source_norm = nn.LayerNorm(width)
        self.side = nn.Linear(modalities, width, bias=False)
        self.target = nn.Embedding(modalities, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

        self.guess = FirstGuess(modalities, tokens, latent_width, width) if first_guess else None
        self.enter = nn.Linear(3 * latent_width, width)
        self.place = nn.Parameter(0.1 * torch.randn(tokens, width))
        self.blocks = nn.ModuleList(AdaptiveBlock(width, size.heads, size.dropout) for _ in range(size.layers))
        self.leave_norm = AdaptiveNorm(width, width)
        self.leave = nn.Linear(width, latent_width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def encode(
        self,
        latents: Float[Tensor, "batch modality token width"],
        side: Bool[Tensor, "batch modality"],
        partner: Float[Tensor, "batch token width"],
        target: int,
    ) -> Condition:
        """Everything about the side that does not depend on x_t or t, worked out once.

        Args:
            latents: of all modalities; off the side they are not read and may be NaN.
            side: the modalities that are given; without ``target``, which is never its own condition.
            partner: of the side (see ``condition``).
            target: column of the modality that is looked for.
        """
        others = [k for k in range(latents.shape[1]) if k != target]
        tokens, readable = condition_tokens(latents[:, others], side[:, others])
        parts = tokens.chunk(len(others), dim=1)
        embedded = [self.source_project[k](part) + self.source_place for k, part in zip(others, parts)]
        source = self.source_norm(torch.cat(embedded, dim=1))
        context = self.side(side.to(partner.dtype)) + self.target.weight[target]
        return Condition(
            partner=partner,
            context=context,
            keys_values=tuple(block.keys_values(source) for block in cast(Iterable[AdaptiveBlock], self.blocks)),
            readable=readable,
            guess=torch.zeros_like(partner) if self.guess is None else self.guess(latents, side, context, target),
        )

    def forward(
        self, x_t: Float[Tensor, "batch token width"], t: Step, condition: Condition
    ) -> Float[Tensor, "batch token width"]:
        """The estimate of the chain's unknown end, or of its noise, as ``prediction`` says.

        Args:
            x_t: state of the chain.
            t: one step in 1..T, or one per row.
            condition: from ``encode``, of as many rows.
        """
        s, n = self.process.signal(t, x_t), self.process.std(t, x_t)
        power = s.square() + n.square()
        r = x_t - self.process.known(condition.partner, t)
        linear = s / power * r
        F = self.network(linear, t, condition) + n * power.rsqrt() * condition.guess  # noqa: N806 - as above
        if self.prediction == "x0":
            return linear + n * power.rsqrt() * F
        return n / power * r - s * power.rsqrt() * F

    def network(
        self, linear: Float[Tensor, "batch token width"], t: Step, condition: Condition
    ) -> Float[Tensor, "batch token width"]:
        """F: what is left to say once the linear estimate is made."""
        # One clock for any T: the fraction of the way, in thousandths.
        time = torch.as_tensor(t, device=linear.device).to(linear.dtype).view(-1) * (1000 / self.process.steps)
        context = nn.functional.silu(self.time(sinusoidal(time, self.width)) + condition.context)
        x = self.enter(torch.cat([linear, condition.partner, condition.guess], dim=-1)) + self.place
        for block, keys_values in zip(self.blocks, condition.keys_values):
            x = block(x, context, keys_values, condition.readable)
        left: Tensor = self.leave(self.leave_norm(x, context))
        return left

    def estimate(
        self, x_t: Float[Tensor, "batch token width"], t: Step, condition: Condition
    ) -> Float[Tensor, "batch token width"]:
        """The chain's unknown end, whichever of the two the network predicts."""
        answer: Tensor = self(x_t, t, condition)
        return self.end(answer, x_t, t, condition.partner)

    def end(
        self,
        answer: Float[Tensor, "batch token width"],
        x_t: Float[Tensor, "batch token width"],
        t: Step,
        partner: Float[Tensor, "batch token width"],
    ) -> Float[Tensor, "batch token width"]:
        """The unknown end that an answer of the network implies: the answer itself, or what its noise leaves."""
        return answer if self.prediction == "x0" else self.process.x0_from_noise(answer, x_t, partner, t)

    def estimator(self, condition: Condition) -> Estimate:
        """``estimate`` with the condition filled in: what a sampler asks."""
        return lambda x_t, t: self.estimate(x_t, t, condition)
