"""The duplex objective: both directions of every sample, at the same time t, with independent noise.

Eq. 6 and 15 ask of the score that ``e / sqrt(lambda) + s_theta`` be small, lambda the variance of the noise.  With the
score of an estimate, ``s_theta = (mu^_t - x_t) / lambda`` (see ``process.score``), and x_t = mu_t + sqrt(lambda) e,

    e / sqrt(lambda) + s_theta = (mu^_t - mu_t) / lambda = signal_t (end^ - end) / lambda.

Weighted by lambda, which is what Eq. 6 says that lambda(t) is for, its square is

    lambda | e / sqrt(lambda) + s_theta |^2  =  SNR_t (end^ - end)^2  =  (e^ - e)^2,

the error of the noise (``prediction="noise"``).  Divided by SNR_t it is the error of the end (``prediction="x0"``),
which also counts near t2, where SNR_t is zero, x_t is nearly all partner, and recovery begins.  Both are means over
tokens and width: the sums of the paper would be hundreds of times the task's loss.  (As printed, without the weight,
the square is 1 / lambda times the error of the noise: it grows without bound as t -> 0.)

For the drawn side S of a sample (and C the rest of what it holds) every modality is a target once: one in C is
recovered from S, which is what recovery does (L_m), and one in S from C (L_a).  A row whose opposite side is empty, or
whose target the data do not hold, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from md2n.brief import brief
from md2n.diffusion.process import DuplexProcess
from md2n.diffusion.score import ScoreNetwork
from md2n.errors import UsageError, did_you_mean
from md2n.noise import SequentialNoise
from md2n.shapes import Bool, Float, Int, Tensor

T_RANGES = ("trained", "as_printed")


@dataclass(frozen=True)
class DuplexLoss:
    """The two directions apart; zero where a batch has no row of that direction.

    Args:
        missing: L_m, recovering the missing side from the available one.
        available: L_a, recovering the available side from the missing one.
        estimates: where they were asked for, the latents with every unavailable one replaced by its one-step estimate.

    Paper: Eq. 14, Sec. 3.3.
    """

    missing: Float[Tensor, ""]
    available: Float[Tensor, ""]
    estimates: Float[Tensor, "batch modality token width"] | None = None

    __repr__ = brief

    @property
    def total(self) -> Float[Tensor, ""]:
        """L_score = L_a + L_m."""
        return self.available + self.missing


def draw_times(
    process: DuplexProcess, size: int, generator: torch.Generator, t_range: str = "trained", structure: bool = False
) -> Int[Tensor, " _batch"]:
    """One step per row, uniform.

    Args:
        process: T, t1 and t2.
        size: rows.
        generator: also says the device.
        t_range: ``trained``: 1..t2, all that recovery passes through when it starts at the partner (1..T without
            transfer); ``as_printed``: t1+1..T (Eq. 15), which leaves the refinement stage untrained.
        structure: the steps past t2 too, for recovery that starts from noise.

    Raises:
        UsageError: unknown range.
    """
    if t_range not in T_RANGES:
        raise UsageError(f"no range of steps is called '{t_range}'", did_you_mean(t_range, T_RANGES))
    if t_range == "as_printed":
        first, last = process.stages.t1 + 1, process.steps
    else:
        first, last = 1, process.steps if structure else process.handover
    return torch.randint(first, last + 1, (size,), generator=generator, device=generator.device)


def score_error(
    network: ScoreNetwork,
    answer: Float[Tensor, "batch token width"],
    partner: Float[Tensor, "batch token width"],
    clean: Float[Tensor, "batch token width"],
    t: Int[Tensor, " batch"],
    noise: Float[Tensor, "batch token width"],
) -> Float[Tensor, " batch"]:
    """Squared error of what the network predicted, per row: mean over tokens and width.

    ``lambda | e / sqrt(lambda) + s_theta |^2`` for a network that predicts the noise; the same divided by SNR_t for
    one that predicts the clean end.

    Args:
        network: which was asked.
        answer: what it answered.
        partner: of the side that conditions.
        clean: the target's latent, x_0.
        t: step of every row.
        noise: e.

    Paper: Eq. 6, Sec. 3.1.
    """
    aim = noise if network.prediction == "noise" else network.process.end(clean, partner, t)
    return (answer - aim).square().mean(dim=(1, 2))


def duplex_loss(
    networks: Sequence[ScoreNetwork],
    mix: nn.Module,
    latents: Float[Tensor, "batch modality token width"],
    present: Bool[Tensor, "batch modality"],
    side: Bool[Tensor, "batch modality"],
    generator: torch.Generator,
    *,
    duplex: bool = True,
    detach_target: bool = True,
    t_range: str = "trained",
    structure: bool = False,
    estimate: bool = False,
) -> DuplexLoss:
    """L_m and L_a of a batch in which every sample has its own side; one network call per modality.

    Each of the two is the mean over all its (sample, target) pairs.

    Args:
        networks: one per modality, in order; a shared one is given M times.
        mix: latents and side to partner (``condition.make_partner``).
        latents: of everything present; NaN may stand where a modality is not.
        present: what the data hold.
        side: the available side S; only its present part counts.
        generator: on the device of the latents.
        duplex: False leaves L_a out (ablation row iii).
        detach_target: the loss moves networks, conditions and partners, but not the latents that are aimed at: else
            the encoders would be paid for latents that are easy to guess.
        t_range: see ``draw_times``.
        structure: see ``draw_times``.
        estimate: also give the one-step estimates of everything unavailable.  Their rows go through the same calls: a
            second round of small calls would cost a fifth of the training step.

    Paper: Eq. 15, Sec. 3.3.
    """
    process = networks[0].process
    available = side & present
    missing = present & ~side
    from_available, from_missing = mix(latents, available), mix(latents, missing) if duplex else None
    times = draw_times(process, len(latents), generator, t_range, structure)
    source = SequentialNoise(generator)
    truth = latents.detach() if detach_target else latents

    columns = list(latents.unbind(dim=1))
    l_m: list[Tensor] = []
    l_a: list[Tensor] = []
    for k, network in enumerate(networks):
        backward = available[:, k]  # this modality is on the available side: it is recovered from the missing one
        opposite = torch.where(backward[:, None], missing, available)
        chosen = present[:, k] & opposite.any(dim=1)
        partner = from_available
        if from_missing is None:
            chosen = chosen & ~backward
        else:
            partner = torch.where(backward[:, None, None], from_missing, from_available)
        row = chosen.nonzero()[:, 0]
        gap = (~available[:, k] if estimate else torch.zeros_like(backward)).nonzero()[:, 0]
        if not len(row) + len(gap):
            continue
        clean = truth[row, k]
        noise = source.like(clean)
        begun = process.first_state(from_available[gap], source)
        both, from_both = torch.cat([row, gap]), torch.cat([partner[row], from_available[gap]])
        t = torch.cat([times[row], torch.full_like(gap, process.handover)])
        x_t = torch.cat([process.sample(clean, partner[row], times[row], noise), begun])
        condition = network.encode(latents[both], torch.cat([opposite[row], available[gap]]), from_both, k)
        answer, estimated = network(x_t, t, condition).split([len(row), len(gap)])
        error = score_error(network, answer, partner[row], clean, times[row], noise)
        l_m.append(error[~backward[row]])
        l_a.append(error[backward[row]])
        if estimate:
            end = network.end(estimated, begun, t[len(row) :], from_available[gap])
            columns[k] = columns[k].index_copy(0, gap, end.to(latents.dtype))

    def mean(parts: list[Tensor]) -> Tensor:
        pairs = torch.cat([*parts, latents.new_zeros(0)])
        return pairs.sum() / max(len(pairs), 1)

    return DuplexLoss(mean(l_m), mean(l_a), torch.stack(columns, dim=1) if estimate else None)
