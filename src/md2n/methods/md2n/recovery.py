"""Multi-stage duplex recovery in latent space: the diffusion core with a network per target modality.

``DuplexRecovery`` is what Table 3 injects into other methods: latents and flags in, latents with nothing missing out.
"""

import torch
from torch import nn

from md2n.diffusion.condition import make_partner
from md2n.diffusion.process import DuplexProcess
from md2n.diffusion.sampler import make_sampler, one_step
from md2n.diffusion.score import Condition, ScoreNetwork
from md2n.methods.md2n.config import DiffusionConfig
from md2n.methods.md2n.end_variance import EndVariance
from md2n.noise import Noise
from md2n.shapes import Bool, Float, Tensor


class DuplexRecovery(nn.Module):
    """Recovers every missing latent from the available ones, for a different set in every sample.

    Args:
        modalities: M.
        tokens: L.
        width: D.
        process: whose chains are reversed.
        config: networks and switches.

    Paper: Sec. 3.2, 3.3.
    """

    def __init__(
        self, modalities: int, tokens: int, width: int, process: DuplexProcess, config: DiffusionConfig
    ) -> None:
        super().__init__()
        self.config = config
        self.process = process
        self.sampler = make_sampler(config.sampler, self.process, config.strides)
        self.variance = EndVariance(modalities, tokens, width) if config.sampler == "gaussian" else None
        self.mix = make_partner(config.partner, modalities, width)
        networks = [
            ScoreNetwork(process, modalities, tokens, width, config.network, config.prediction, config.first_guess)
            for _ in range(1 if config.shared else modalities)
        ]
        self.own = nn.ModuleList(networks)
        self.networks = tuple(networks * modalities if config.shared else networks)

    def estimate(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        noise: Noise,
    ) -> Float[Tensor, "batch modality token width"]:
        """The latents with every unavailable one replaced by its one-step estimate: differentiable, no draws.

        One network call per modality.  Read only where available.
        """
        return self._filled(latents, available, noise)[0]

    def recover(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        noise: Noise,
        steps: int,
        draws: int = 1,
    ) -> tuple[Float[Tensor, "batch modality token width"], Float[Tensor, "all modality token width"]]:
        """The latents with every unavailable one replaced: by its one-step estimate, and by draws.

        A condition is encoded once for all of it.  Started at the partner, every draw's first call is the estimate
        itself, for at t2 no noise is in it: then ``draws`` cost ``1 + draws (steps - 1)`` network calls per modality.
        With one step a draw is the estimate, wherever recovery starts.

        Args:
            latents: read only where available.
            available: ``[B, M]``.
            noise: of the samples.
            steps: network calls behind a draw.
            draws: S.

        Returns:
            The estimates ``[B, M, L, D]``, and the draws ``[S B, M, L, D]``, one draw of the batch after another.

        Raises:
            ConfigError: more steps than the process has, or fewer than the start asks for.
        """
        if steps == 1:
            best = self.estimate(latents, available, noise)
            return best, best.repeat(draws, 1, 1, 1)
        if self.config.cascade:
            # What was drawn conditions what comes after it: no two draws share a condition.
            many = latents.repeat(draws, 1, 1, 1), available.repeat(draws, 1)
            return self.estimate(latents, available, noise), self._filled(*many, noise.draws(draws), steps)[1]
        return self._filled(latents, available, noise, steps, draws)

    def _filled(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        noise: Noise,
        steps: int = 0,
        draws: int = 1,
    ) -> tuple[Float[Tensor, "batch modality token width"], Float[Tensor, "all modality token width"]]:
        """Estimates and draws; where ``steps`` is 0 the draws are the estimates."""
        known, side = torch.where(available[:, :, None, None], latents, 0.0), available
        best, drawn = list(known.unbind(dim=1)), list(known.repeat(draws, 1, 1, 1).unbind(dim=1))
        for k, network in enumerate(self.networks):
            rows = (~available[:, k]).nonzero()[:, 0]
            if not len(rows):
                continue
            partner, own = self.mix(known[rows], side[rows]), noise.rows(rows).fork(k)
            condition = network.encode(known[rows], side[rows], partner, k)
            point = one_step(network.estimator(condition), self.process, partner, own.fork("estimate"))
            best[k] = best[k].index_copy(0, rows, point.to(latents.dtype))
            if steps:
                c2 = None if self.variance is None else self.variance.of(k, side[rows]).repeat(draws, 1, 1)
                each = self._drawn(network, condition, partner, point, own.fork("draws"), steps, draws, c2)
                places = (torch.arange(draws, device=rows.device)[:, None] * len(latents) + rows).flatten()
                drawn[k] = drawn[k].index_copy(0, places, each.to(latents.dtype))
            if self.config.cascade:
                # What was recovered conditions what comes after it.
                known = torch.stack(drawn if steps else best, dim=1)
                side = side | (torch.arange(side.shape[1], device=side.device) == k)
        estimates = torch.stack(best, dim=1)
        return estimates, torch.stack(drawn, dim=1) if steps else estimates

    def _drawn(
        self,
        network: ScoreNetwork,
        condition: Condition,
        partner: Float[Tensor, "row token width"],
        point: Float[Tensor, "row token width"],
        noise: Noise,
        steps: int,
        draws: int,
        variance: Tensor | None,
    ) -> Float[Tensor, "each token width"]:
        sure = self.config.start == "partner" and float(self.process.signal_table[self.process.handover]) == 0
        return self.sampler.sample(
            network.estimator(condition.repeat(draws)),
            partner.repeat(draws, 1, 1),
            noise.draws(draws),
            steps,
            self.config.start,
            first=point.repeat(draws, 1, 1) if sure else None,
            variance=variance,
        )
