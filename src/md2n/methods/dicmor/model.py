r"""DiCMoR: what is missing is generated from what is there by normalising flows that share one space of codes.

Every modality has a flow ``f_k`` from its latents to codes (``md2n.methods.dicmor.flow``).  A missing latent is

    x_m = refine_m( mix_m over available k of f_m^{-1}( f_k(x_k) ) ),

``mix`` a 1x1 convolution of several side by side, the identity of a single one (``side``); a mean of several codes
would have less deviation than a code, and be none of the distribution that is shared.  What all flows have in common
are their codes' distributions: a Gaussian for each class, the same for all modalities,

    L = L_task + 0.1 ( sum_k bits_k / M  +  |x_m - x_m^true|^2 ),      bits_k = -log p(x_k | class) / (ln 2 D L),  >= 0.

Classes are the task's, or a real label rounded to seven levels of its declared range (one where none is declared).

*Differences.*  The flow is the paper's (actnorm, invertible 1x1, coupling); the released code calls couplings only, so
half of what it recovers is a copy of what is available.  Latents here are normalised per token: they lie on a sphere,
where a density has no bound, so a little noise is added before it is measured.  Densities are learned on
latents that they do not move; bits are a mean over modalities, in the public code a sum.  Encoders go on learning after
the first phase, the original's do not, nor does what it generates move them.  Decoders lead back to features.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.errors import UsageError
from md2n.methods.base import Card, Phase
from md2n.methods.dicmor.config import DiCMoRConfig
from md2n.methods.dicmor.flow import ClassPrior, Flow, bits_per_number
from md2n.methods.parts.refined import Flags, Latents, RefinedRecovery
from md2n.methods.parts.side import Mix
from md2n.modality import Schema, Task
from md2n.noise import Noise
from md2n.shapes import Float, Int, Tensor

ROWS = 2048  # training latents that actnorm is set on
LEVELS = 7  # of a real label: -3 .. 3 for sentiment
ACTNORM = "actnorm"


class DiCMoR(RefinedRecovery):
    """Distribution-consistent modal recovering.

    Raises:
        UsageError: latents of a single channel, which a coupling cannot divide.
    """

    card: ClassVar[Card] = Card(
        title="DiCMoR",
        paper="Wang, Cui, Li: Distribution-Consistent Modal Recovering for Incomplete Multimodal Learning. ICCV 2023",
        year=2023,
        family="recovery",
        differences="The paper's flow: actnorm, invertible 1x1, coupling; the released code leaves out the first two, "
        "so half of what it recovers is a copy. MD2N's encoders, whose latents are normalised per token, hence a "
        "little noise before their density is measured; the flows do not move the latents they learn on; actnorm is "
        "set once, on the training split. Fewer and narrower flow steps and refiner blocks than the original; its "
        "density is a mean over modalities, not a sum. Encoders go on learning after their own phase "
        "(train_encoders). MD2N's fusion, which is told what was recovered, in place of the original's MulT. Any "
        "number of modalities; real labels without a declared range share one Gaussian; decoders, so that it gives "
        "features back; its recovery is one answer, so draws differ by the decoders' error only.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: DiCMoRConfig) -> None:
        super().__init__(schema, config)
        self.config = config
        latent = config.fusion.latent
        if latent.width < 2:
            raise UsageError(
                "a flow divides the channels of a latent in two, and it has only one",
                "set fusion.latent.width to 2 or more",
            )
        self.flows = nn.ModuleList(Flow(latent.width, config.flow_steps, config.flow_hidden) for _ in schema.modalities)
        count = len(schema.modalities)
        self.mixes = nn.ModuleList(Mix(count - 1, latent.width) for _ in range(count))
        self.prior = ClassPrior(class_count(schema.task), latent.width, self.backbone.tokens)

    def phases(self) -> Sequence[Phase]:
        first, second = super().phases()
        return (first, Phase(ACTNORM, fit=self.settle, selects=False), second)

    @torch.no_grad()
    def settle(self, batches: Iterable[SequenceBatch]) -> None:
        """Sets the flows' actnorms on up to ``ROWS`` latents of the training split."""
        pairs = [(self.backbone.encode_in_use(b.complete()), b.present) for b, _ in zip(batches, range(ROWS))]
        latents, present = torch.cat([x for x, _ in pairs])[:ROWS], torch.cat([p for _, p in pairs])[:ROWS]
        for k in range(latents.shape[1]):
            held = latents[present[:, k], k]
            if len(held) > 1:
                self._flow(k).settle(held.transpose(1, 2))

    def _flow(self, k: int) -> Flow:
        flow = self.flows[k]
        assert isinstance(flow, Flow)
        return flow

    def method_losses(
        self, clean: Latents, batch: SequenceBatch, generator: torch.Generator
    ) -> dict[str, Float[Tensor, ""]]:
        shape, noise = clean.shape, self.config.noise
        eps = torch.randn(shape, generator=generator, device=clean.device, dtype=clean.dtype)
        noisy = torch.where(batch.present[:, :, None, None], clean.detach() + noise * eps, 0.0)
        bits = []
        classes = class_of(batch.labels, self.schema.task)
        for k in range(shape[1]):
            code, log_determinant = self._flow(k)(noisy[:, k].transpose(1, 2))
            density = self.prior.log_density(code, classes) + log_determinant
            held = batch.present[:, k]
            if bool(held.any()):
                bits.append(bits_per_number(density[held], code[0].numel()))
        return {"density": self.config.density * torch.stack(bits).mean()}

    def generate(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        known = torch.where(available[:, :, None, None], latents, 0.0)
        if bool(available.all()):
            return known
        codes = torch.stack([self._flow(k)(known[:, k].transpose(1, 2))[0] for k in range(known.shape[1])], dim=1)
        columns = list(known.unbind(dim=1))
        for k in range(known.shape[1]):
            rows = (~available[:, k]).nonzero()[:, 0]
            if len(rows):
                latent = self._inverse(k, codes[rows], available[rows]).transpose(1, 2)
                columns[k] = columns[k].index_copy(0, rows, latent.to(latents.dtype))
        return torch.stack(columns, dim=1)

    def _inverse(
        self, k: int, codes: Float[Tensor, "row modality width token"], available: Flags
    ) -> Float[Tensor, "row width token"]:
        """Modality k by its own flow's inverse of every available code, and these as one."""
        others = [m for m in range(codes.shape[1]) if m != k]
        side = available[:, others]
        places = side.flatten().nonzero()[:, 0]
        every = codes[:, others].flatten(0, 1)
        every = torch.zeros_like(every).index_copy(0, places, self._flow(k).inverse(every[places]).to(every.dtype))
        mixed: Tensor = self.mixes[k](every.view(*side.shape, *every.shape[1:]), side)
        return mixed

    def repeated(
        self, batch: SequenceBatch, noise: Noise, count: int, steps: int | None = None
    ) -> tuple[Float[Tensor, "all modality token width"], Flags]:
        one, available = super().repeated(batch, noise, 1, steps)
        return one.repeat(count, 1, 1, 1), available.repeat(count, 1)


def class_count(task: Task) -> int:
    """Gaussians of the prior."""
    if task.kind == "classification":
        return task.output_dim
    return LEVELS if _ranged(task) else 1


def class_of(labels: Float[Tensor, " batch"] | Int[Tensor, " batch"], task: Task) -> Int[Tensor, " batch"]:
    """The Gaussian of every label, -1 where the label is unknown.

    A sentiment in [-3, 3] is rounded half to even.
    """
    if task.kind == "classification":
        return labels.long()
    known = torch.isfinite(labels)
    if not _ranged(task):
        return torch.where(known, 0, -1)
    middle, unit = (task.low + task.high) / 2, (task.high - task.low) / (LEVELS - 1)
    most = LEVELS // 2
    level = ((torch.nan_to_num(labels) - middle) / unit).clamp(-most, most).round().long() + most
    return torch.where(known, level, -1)


def _ranged(task: Task) -> bool:
    return -float("inf") < task.low < task.high < float("inf")
