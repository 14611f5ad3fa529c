"""Multi-stage duplex recovery in latent space: the diffusion core with a network per target modality.

``DuplexRecovery`` is what Table 3 injects into other methods: latents and flags in, latents with nothing missing out.
"""

from itertools import pairwise

import torch
from torch import nn

from md2n.diffusion.condition import Latents, Partner, Side
from md2n.diffusion.objective import draw_times, score_losses, training_query
from md2n.diffusion.process import DuplexProcess
from md2n.diffusion.sampler import Estimate, make_sampler, start_at_partner, times, walk
from md2n.diffusion.score import ScoreNetwork
from md2n.models.config import DiffusionConfig
from md2n.shapes import Float, Tensor


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
        self.process = DuplexProcess(
            config.schedule, config.steps, config.t1, config.t2, config.transfer, config.variance
        )
        self.sampler = make_sampler(config.sampler)
        self.partner = Partner(modalities, learned=config.partner == "learned")
        size = config.network
        count = 1 if config.shared else modalities
        self.networks = nn.ModuleList(
            ScoreNetwork(
                modalities, tokens, width, size.width, size.heads, size.layers, size.dropout, modalities // count
            )
            for _ in range(count)
        )
        # Without transfer there is no partner to start from: plain diffusion starts from noise at T.
        self.plain = config.transfer == "none"
        self.start = config.steps if self.plain else config.t2
        walks_structure = config.start == "noise" and not self.plain
        self.structure = (
            ScoreNetwork(modalities, tokens, width, size.width, size.heads, size.layers, size.dropout)
            if walks_structure
            else None
        )

    def estimate(
        self, k: int, x_t: Tensor, t: int | Tensor, latents: Latents, side: Side, partner: Tensor
    ) -> Float[Tensor, "row token width"]:
        """xhat_0 of target k, one call of its network, all rows given."""
        network = self._network(k)
        said = network(x_t, t, network.encode(latents, side, partner), k if self.config.shared else 0)
        clean: Tensor = self.process.x0_from_noise(x_t, partner, t, said) if self._noise else said
        return clean

    def _network(self, k: int) -> ScoreNetwork:
        network = self.networks[0 if self.config.shared else k]
        assert isinstance(network, ScoreNetwork)
        return network

    @property
    def _noise(self) -> bool:
        return self.config.prediction == "noise"

    def train_step(
        self, latents: Latents, targets: Latents, available: Side, present: Side, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Latents]:
        """One training step of both directions, and the one-step estimates that fusion is to meet.

        For each target one network call serves its score-matching rows (at random t) and the rows that miss it (at the
        start of inference), so a step costs M calls.

        Args:
            latents: ``[B, M, L, D]`` of everything present; conditions are read from here.
            targets: what the score loss aims at: the latents, with or without gradient.
            available: S.
            present: where the data hold the truth.
            generator: of times and noise.

        Returns:
            L_m, L_a, and ``[B, M, L, D]`` with the given latents where available and estimates elsewhere.
        """
        t = draw_times(len(latents), self.process, self.config.t_range, self.start, generator)
        hidden = present & ~available
        partners = self.partner(latents, available), self.partner(latents, hidden)
        said, wanted, missing, filled = [], [], [], []
        for k in range(latents.shape[1]):
            q = training_query(k, self.process, targets, partners, available, present, t, self.config.duplex, generator)
            rows = (~available[:, k]).nonzero()[:, 0]
            x_start = self._x_start(partners[0][rows], generator)
            both = self.estimate(
                k,
                torch.cat([q.x_t, x_start]),
                torch.cat([q.t, torch.full_like(rows, self.start)]),
                latents[torch.cat([q.rows, rows])],
                torch.cat([q.side, available[rows]]),
                torch.cat([q.partner, partners[0][rows]]),
            )
            trained, recovered = both[: len(q.rows)], both[len(q.rows) :]
            if self._noise:
                # E|e - ehat|^2 through the estimate: the noise that takes xhat_0 to x_t.
                std = self.process.std(q.t, q.x_t)
                said.append((q.x_t - self.process.mean(trained, q.partner, q.t)) / std)
                wanted.append(q.noise)
            else:
                said.append(trained)
                wanted.append(targets[q.rows, k])
            missing.append(~available[q.rows, k])
            filled.append(latents[:, k].index_copy(0, rows, recovered.to(latents.dtype)))
        l_m, l_a = score_losses(said, wanted, missing)
        if self.structure is not None:
            l_a = l_a + self._structure_loss(latents, available, partners[0], generator)
        if self.config.cascade:
            return l_m, l_a, self.recover(latents, available, generator, steps=1)
        return l_m, l_a, torch.stack(filled, dim=1)

    def recover(
        self, latents: Latents, available: Side, generator: torch.Generator, steps: int = 1
    ) -> Float[Tensor, "batch modality token width"]:
        """The latents with every unavailable one replaced by a draw.

        Args:
            latents: ``[B, M, L, D]``; read only where available.
            available: S.
            generator: of the noise.
            steps: network calls per target below t2; 1 is the one-step estimate.
        """
        side, known = available, torch.where(available[:, :, None, None], latents, 0.0)
        filled = known
        for k in range(latents.shape[1]):
            rows = (~available[:, k]).nonzero()[:, 0]
            if not len(rows):
                continue
            drawn = self._walk(k, known[rows], side[rows], generator, steps)
            column = filled[:, k].index_copy(0, rows, drawn.to(filled.dtype))
            filled = torch.stack([column if j == k else filled[:, j] for j in range(filled.shape[1])], dim=1)
            if self.config.cascade:
                known = filled
                side = side | (torch.arange(side.shape[1], device=side.device) == k)
        return filled

    def _walk(
        self, k: int, latents: Latents, side: Side, generator: torch.Generator, steps: int
    ) -> Float[Tensor, "row token width"]:
        """One draw of target k for rows that miss it; the condition is encoded once for all steps."""
        partner = self.partner(latents, side)
        network = self._network(k)
        condition = network.encode(latents, side, partner)
        target = k if self.config.shared else 0

        def estimate(x_t: Tensor, t: int) -> Tensor:
            said = network(x_t, t, condition, target)
            clean: Tensor = self.process.x0_from_noise(x_t, partner, t, said) if self._noise else said
            return clean

        if self.structure is None:
            x_t = self._x_start(partner, generator)
            return walk(self.sampler, self.process, estimate, x_t, partner, times(self.start, steps), generator)
        return self._from_noise(estimate, latents, side, partner, generator, steps)

    def _from_noise(
        self, estimate: Estimate, latents: Latents, side: Side, partner: Tensor, generator: torch.Generator, steps: int
    ) -> Tensor:
        """All three stages: the structure network predicts x^a from noise, then transfer and refinement."""
        assert self.structure is not None
        structure = self.structure
        condition = structure.encode(latents, side, torch.zeros_like(partner))
        x_t = torch.randn(partner.shape, generator=generator, device=partner.device, dtype=partner.dtype)
        t2, calls = self.config.t2, max(1, steps // 4)
        way = times(self.config.steps, calls, t2) if self.config.steps > t2 else [t2]
        x_a = partner
        for t, s in pairwise(way):
            x_a = structure(x_t, t, condition)
            noise = torch.randn(x_t.shape, generator=generator, device=x_t.device, dtype=x_t.dtype)
            # Above t2 the chain is one of the partner alone: the estimate of its clean end is the estimate of x^a.
            x_t = self.sampler.step(self.process, x_t, x_a, x_a, s, t, noise)
        return walk(self.sampler, self.process, estimate, x_t, x_a, times(t2, steps), generator)

    def _structure_loss(
        self, latents: Latents, available: Side, partner: Tensor, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """The available-side network's part of L_a on (t2, T]: x^a from its noised self and the condition."""
        assert self.structure is not None
        low, high = self.config.t2 + 1, self.config.steps
        if low > high:
            return partner.new_zeros(())
        t = torch.randint(low, high + 1, (len(partner),), generator=generator, device=partner.device)
        noise = torch.randn(partner.shape, generator=generator, device=partner.device, dtype=partner.dtype)
        x_t = self.process.sample(partner, partner, t, noise)
        condition = self.structure.encode(latents, available, torch.zeros_like(partner))
        error: Tensor = (self.structure(x_t, t, condition) - partner.detach()).square().mean()
        return error

    def _x_start(self, partner: Tensor, generator: torch.Generator) -> Tensor:
        """The chain's state where inference starts: x_{t2} around the partner, or noise at T without transfer."""
        if self.plain:
            return torch.randn(partner.shape, generator=generator, device=partner.device, dtype=partner.dtype)
        return start_at_partner(self.process, partner, generator)
