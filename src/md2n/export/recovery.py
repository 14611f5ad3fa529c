"""Recovery without shapes that depend on data: every modality is recovered for every row, and then chosen from.

``DuplexRecovery`` looks up the rows that miss a modality and works on them alone, which no graph can hold.  Here all
rows go through every network; where a modality is available its recovery is thrown away.  The strides of the sampler
are worked out beforehand, so that the graph is a fixed number of network calls.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from md2n.brief import brief
from md2n.diffusion.score import Condition
from md2n.errors import UsageError
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.shapes import Bool, Float, Tensor


@dataclass(frozen=True)
class Stride:
    """One step of the sampler, from t to s, as numbers.

    Args:
        t: where the chain is.
        own: factors of the recovered end in the chain's mean at t and at s.
        moved: factors of the partner.
        lead: how far the estimate is carried on along its last change (``Sampler.aim``).
    """

    t: int
    own: tuple[float, float]
    moved: tuple[float, float]
    lead: float

    __repr__ = brief


class DenseRecovery(nn.Module):
    """The one-step estimate of every missing latent, and one draw by a fixed number of network calls.

    Args:
        recovery: trained.
        calls: network calls behind a draw, one at least.

    Raises:
        UsageError: recovery in a cascade, from noise, without transfer, or by a sampler with fresh noise.
        ConfigError: more calls than the process has steps.
    """

    gains: Tensor

    def __init__(self, recovery: DuplexRecovery, calls: int) -> None:
        super().__init__()
        self.recovery = recovery
        process, sampler, turn = recovery.process, recovery.sampler, recovery.process.handover
        path = sampler.path(calls)
        refused = {
            "diffusion.cascade = true": recovery.config.cascade,
            "diffusion.start = 'noise'": recovery.config.start != "partner",
            "diffusion.transfer = 'none'": float(process.signal_table[turn]) != 0,
            f"diffusion.sampler = '{recovery.config.sampler}'": any(sampler.sigma(s, t) for t, s in pairwise(path)),
        }
        if wrong := [name for name, so in refused.items() if so]:
            raise UsageError(
                f"a model with {wrong[0]} cannot be exported: its recovery is no fixed chain of network calls",
                "train with the default of that setting",
            )
        self.turn = turn
        self.first = float(process.own[turn] + process.moved[turn]), float(process.std_table[turn])
        count = len(recovery.networks)
        table = None if recovery.variance is None else recovery.variance.table.detach()
        strides, gains, before = [], [], None
        for t, s in pairwise(path):
            one, zero = torch.ones(()), torch.zeros(())
            lead = float(sampler.aim(one, t, s, None if before is None else (zero, before))) - 1
            own, moved = (
                (float(process.own[t]), float(process.own[s])),
                (float(process.moved[t]), float(process.moved[s])),
            )
            strides.append(Stride(t, own, moved, lead))
            gain = torch.as_tensor(sampler.gain(s, t, table), dtype=torch.float32)
            gains.append(gain if gain.dim() else gain.expand(count, count, 1, 1))
            before = t
        self.strides = tuple(strides)
        self.register_buffer("gains", torch.stack(gains))  # stride, target, number of given modalities, token, width

    def forward(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        noise: Float[Tensor, "batch modality token width"] | None = None,
    ) -> tuple[Float[Tensor, "batch modality token width"], Float[Tensor, "batch modality token width"]]:
        """Estimates and draws, with the available latents as they are.

        Args:
            latents: read only where available.
            available: ``[B, M]``, one at least in every row.
            noise: unit normal numbers behind the draw; without it the draws are the estimates.
        """
        known = torch.where(available[:, :, None, None], latents, 0.0)
        partner = self.recovery.mix(known, available)
        best, drawn = [], []
        for k, network in enumerate(self.recovery.networks):
            condition = network.encode(known, available, partner, k)
            point = network.estimate(self.first[0] * partner, self.turn, condition)
            best.append(point)
            drawn.append(point if noise is None else self._drawn(k, condition, point, available, noise[:, k]))
        choose = available[:, :, None, None]
        return torch.where(choose, known, torch.stack(best, dim=1)), torch.where(
            choose, known, torch.stack(drawn, dim=1)
        )

    def _drawn(
        self,
        k: int,
        condition: Condition,
        point: Float[Tensor, "batch token width"],
        available: Bool[Tensor, "batch modality"],
        noise: Float[Tensor, "batch token width"],
    ) -> Float[Tensor, "batch token width"]:
        if len(self.strides) == 1:
            return point
        network, partner = self.recovery.networks[k], condition.partner
        # A row with nothing missing has one more than the table knows; what is drawn for it is thrown away.
        number = available.sum(dim=1).clamp(max=available.shape[1] - 1)
        level, spread = self.first
        x, before = level * partner + spread * noise, point
        for i, stride in enumerate(self.strides):
            now = point if i == 0 else network.estimate(x, stride.t, condition)
            end = now + stride.lead * (now - before)
            mean_t, mean_s = (stride.own[j] * end + stride.moved[j] * partner for j in (0, 1))
            x = mean_s + self.gains[i, k][number] * (x - mean_t)
            before = now
        return x
