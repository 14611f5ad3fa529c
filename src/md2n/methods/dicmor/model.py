r"""DiCMoR: normalising flows with a common space of codes generate missing from available latents.

Every modality has a flow ``f_k`` from its latents to codes (``md2n.methods.dicmor.flow``).  A missing latent is

    x_m = refine_m( mix_m over available k of f_m^{-1}( f_k(x_k) ) ).

``mix_m`` is the identity for a single available modality, and a 1x1 convolution of the concatenated latents for several
(``md2n.methods.parts.side``).  A mean of several codes would have a smaller variance than a code, so it would not be a
sample of the common distribution.  This distribution of codes is a Gaussian for each class, the same for all
modalities.  The loss is

    L = L_task + 0.1 ( sum_k bits_k / M  +  |x_m - x_m^true|^2 ),      bits_k = -log p(x_k | class) / (ln 2 D L),  >= 0.

The classes are those of the task.  A real label is rounded to one of seven levels of its declared range; without a
declared range there is a single class.

*Differences.*  The flow is that of the paper: actnorm, invertible 1x1 convolution, coupling.  The public code uses
couplings only, so half of each recovered latent is a copy of an available one.  Our latents are normalised per token.
They lie on a sphere, where a density is unbounded, so a little noise is added before the density is computed.  The
densities give the latents no gradient.  Bits are a mean over modalities; in the public code they are a sum.  Our
encoders are trained after the first phase, too, and get gradients from generated latents; in the public code neither is
the case.  We add decoders, which lead back to features; these are shrunk and scaled as validation samples say.
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

ROWS = 2048  # training latents that actnorm is fitted on
LEVELS = 7  # classes of a real label: -3 .. 3 for sentiment
ACTNORM = "actnorm"


class DiCMoR(RefinedRecovery):
    """Distribution-consistent modal recovering.

    Raises:
        UsageError: latents have a single channel, which a coupling cannot split.
    """

    card: ClassVar[Card] = Card(
        title="DiCMoR",
        paper="Wang, Cui, Li: Distribution-Consistent Modal Recovering for Incomplete Multimodal Learning. ICCV 2023",
        year=2023,
        family="recovery",
        differences="The flow is the paper's: actnorm, invertible 1x1 convolution, coupling. The public code leaves "
        "out the first two, so half of each recovered latent is a copy. Encoders are MD2N's. Their latents are "
        "normalised per token, so a little noise is added before the density is computed. The density gives latents "
        "no gradient. Actnorm is fitted once, on the training split. The flow has fewer and narrower steps and the "
        "refiner fewer blocks than in the public code. The density term is a mean over modalities, not a sum. "
        "Encoders are trained after the first phase, too (train_encoders). MD2N's fusion, which receives a flag for "
        "recovered modalities, replaces MulT. Any number of modalities. Real labels without a declared range share "
        "one Gaussian. Decoders are added, so features are recovered. The recovered latent is deterministic, so "
        "draws differ by the error of the decoders only. After training, recovered features are shrunk and "
        "their deviation is scaled, as validation samples say (calibration).",
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
        return (first, Phase(ACTNORM, fit=self.fit_actnorms, selects=False), second)

    @torch.no_grad()
    def fit_actnorms(self, batches: Iterable[SequenceBatch]) -> None:
        """Fits the actnorms of the flows to up to ``ROWS`` latents of the training split."""
        pairs = [(self.backbone.encode_in_use(b.complete()), b.present) for b, _ in zip(batches, range(ROWS))]
        latents, present = torch.cat([x for x, _ in pairs])[:ROWS], torch.cat([p for _, p in pairs])[:ROWS]
        for k in range(latents.shape[1]):
            known = latents[present[:, k], k]
            if len(known) > 1:
                self._flow(k).fit_actnorms(known.transpose(1, 2))

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
            present = batch.present[:, k]
            if bool(present.any()):
                bits.append(bits_per_number(density[present], code[0].numel()))
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
        """Inverts the flow of modality k at every available code and combines the latents."""
        others = [m for m in range(codes.shape[1]) if m != k]
        known = available[:, others]
        index = known.flatten().nonzero()[:, 0]
        flat = codes[:, others].flatten(0, 1)
        latents = torch.zeros_like(flat).index_copy(0, index, self._flow(k).inverse(flat[index]).to(flat.dtype))
        mixed: Tensor = self.mixes[k](latents.view(*known.shape, *flat.shape[1:]), known)
        return mixed

    def repeated(
        self, batch: SequenceBatch, noise: Noise, count: int, steps: int | None = None
    ) -> tuple[Float[Tensor, "all modality token width"], Flags]:
        one, available = super().repeated(batch, noise, 1, steps)
        return one.repeat(count, 1, 1, 1), available.repeat(count, 1)


def class_count(task: Task) -> int:
    """Number of Gaussians in the prior."""
    if task.kind == "classification":
        return task.output_dim
    return LEVELS if _ranged(task) else 1


def class_of(labels: Float[Tensor, " batch"] | Int[Tensor, " batch"], task: Task) -> Int[Tensor, " batch"]:
    """Index of the Gaussian of every label, -1 for an unknown label.

    Real labels are rounded to the nearest level, ties to even: for a sentiment in [-3, 3], to the nearest integer.
    """
    if task.kind == "classification":
        return labels.long()
    known = torch.isfinite(labels)
    if not _ranged(task):
        return torch.where(known, 0, -1)
    centre, unit = (task.low + task.high) / 2, (task.high - task.low) / (LEVELS - 1)
    limit = LEVELS // 2
    level = ((torch.nan_to_num(labels) - centre) / unit).clamp(-limit, limit).round().long() + limit
    return torch.where(known, level, -1)


def _ranged(task: Task) -> bool:
    return -float("inf") < task.low < task.high < float("inf")
