"""Multi-stage duplex recovery in latent space: the diffusion core with a network per target modality.

``DuplexRecovery`` is what Table 3 injects into other methods: latents and flags in, latents with nothing missing out.
"""

from dataclasses import replace

import torch
from torch import nn

from md2n.diffusion.condition import make_partner
from md2n.diffusion.objective import DuplexLoss, duplex_loss
from md2n.diffusion.process import make_process
from md2n.diffusion.sampler import make_sampler, one_step
from md2n.diffusion.score import Condition, ScoreNetwork
from md2n.models.config import DiffusionConfig
from md2n.shapes import Bool, Float, Tensor


class DuplexRecovery(nn.Module):
    """Recovers every missing latent from the available ones, for a different set in every sample.

    Args:
        modalities: M.
        tokens: L.
        width: D.
        config: process, networks and switches.

    Paper: Sec. 3.2, 3.3.
    """

    def __init__(self, modalities: int, tokens: int, width: int, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        self.process = make_process(
            config.steps, config.t1, config.t2, config.schedule, config.transfer, config.variance
        )
        self.sampler = make_sampler(config.sampler, self.process)
        self.mix = make_partner(config.partner, modalities, width)
        size = config.network
        made = [
            ScoreNetwork(
                self.process, modalities, tokens, width, size.width, size.heads, size.layers, size.dropout,
                config.prediction,
            )
            for _ in range(1 if config.shared else modalities)
        ]  # fmt: skip
        self.own = nn.ModuleList(made)
        self.networks = tuple(made * modalities if config.shared else made)

    def loss(
        self,
        latents: Float[Tensor, "batch modality token width"],
        present: Bool[Tensor, "batch modality"],
        available: Bool[Tensor, "batch modality"],
        generator: torch.Generator,
        detach_target: bool = True,
    ) -> DuplexLoss:
        """L_m, L_a and the one-step estimates; see ``md2n.diffusion.objective.duplex_loss``."""
        cascade = self.config.cascade
        score = duplex_loss(
            self.networks,
            self.mix,
            latents,
            present,
            available,
            generator,
            duplex=self.config.duplex,
            detach_target=detach_target,
            t_range=self.config.t_range,
            structure=self.config.start == "noise",
            estimate=not cascade,
        )
        return replace(score, estimates=self.estimate(latents, available, generator)) if cascade else score

    def estimate(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch modality token width"]:
        """The latents with every unavailable one replaced by its one-step estimate: differentiable, no spread.

        One network call per modality.  Read only where available.
        """
        return self._filled(latents, available, generator, None)

    def draw(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        generator: torch.Generator,
        steps: int,
    ) -> Float[Tensor, "batch modality token width"]:
        """The latents with every unavailable one replaced by a draw made of ``steps`` network calls."""
        return self._filled(latents, available, generator, steps)

    def _filled(
        self,
        latents: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        generator: torch.Generator,
        steps: int | None,
    ) -> Float[Tensor, "batch modality token width"]:
        known, side = torch.where(available[:, :, None, None], latents, 0.0), available
        columns = list(known.unbind(dim=1))
        for k, network in enumerate(self.networks):
            rows = (~available[:, k]).nonzero()[:, 0]
            if not len(rows):
                continue
            partner = self.mix(known[rows], side[rows])
            condition = network.encode(known[rows], side[rows], partner, k)
            recovered = self._one(network, condition, partner, generator, steps)
            columns[k] = columns[k].index_copy(0, rows, recovered.to(latents.dtype))
            if self.config.cascade:
                # What was recovered conditions what comes after it.
                known = torch.stack(columns, dim=1)
                side = side | (torch.arange(side.shape[1], device=side.device) == k)
        return torch.stack(columns, dim=1)

    def _one(
        self,
        network: ScoreNetwork,
        condition: Condition,
        partner: Float[Tensor, "row token width"],
        generator: torch.Generator,
        steps: int | None,
    ) -> Float[Tensor, "row token width"]:
        if steps is None:
            return one_step(network.given(condition), self.process, partner, generator)
        return self.sampler.sample(network.given(condition), partner, generator, steps, self.config.start)
