"""Mean fill: the training mean replaces a missing modality in a fusion Transformer trained on complete samples.

The mean is taken at each position in time, over the training samples that have a frame there.  The fill is as long as
the average training sample.  Zero fill uses one frame of zeros, the centre of the normalised features.  For vectors the
two methods agree, except for the tails that normalisation does not count.  For sequences they differ in length, and
where the beginning or the end of a clip differs from its middle.

Mean fill is also the reference of the recovery measures.  The training mean and standard deviation of each feature at
each position describe a modality when nothing is known of the sample (a *climatology*).
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.fusion.transformer import GIVEN
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction, Recovery
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema
from md2n.shapes import Float, Int, Tensor

DRAWS = 8  # of a recovery by default, as in md2n


class MeanFill(MultimodalModel):
    """Mean imputation in feature space.  Natural gaps in training samples are filled in the same way."""

    card: ClassVar[Card] = Card(
        title="mean fill",
        paper="mean imputation, a customary reference (Little, Rubin: Statistical Analysis with Missing Data. 1987)",
        year=1987,
        family="reference",
        differences="A missing modality is the training mean of normalised features at each position in time, over the "
        "average training length. For vectors this is zero fill, except for the tails that normalisation leaves out. "
        "Draws of a recovery are normal, with the training mean and standard deviation. The predictor is the fusion "
        "Transformer trained on complete samples.",
        recovers=True,
    )

    length: Int[Tensor, " modality"]

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, config)
        self.register_buffer("length", torch.ones(len(schema.modalities), dtype=torch.long))
        for k, m in enumerate(schema.modalities):
            self.register_buffer(f"mean_{k}", torch.zeros(m.length, m.dim))
            self.register_buffer(f"deviation_{k}", torch.ones(m.length, m.dim))

    def phases(self) -> Sequence[Phase]:
        return (Phase("means", fit=self.fit, selects=False), Phase("fusion", patterns="complete"))

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Computes mean and standard deviation of every feature at every position, and the average length.

        Raises:
            DataError: no training sample has one of the modalities.
        """
        shapes = [(m.length, m.dim) for m in self.schema.modalities]
        sums = [torch.zeros(2, *shape, dtype=torch.float64) for shape in shapes]
        counts = [torch.zeros(m.length, m.dim if m.gaps else 1, dtype=torch.float64) for m in self.schema.modalities]
        held, frames_of = torch.zeros(2, len(shapes), dtype=torch.float64)
        for batch in batches:
            for k, (name, (length, _)) in enumerate(zip(self.schema.names, shapes)):
                known, x = batch.known(name)[:, :length].cpu(), batch.readable(name)[:, :length].cpu().double()
                sums[k][:, : x.shape[1]] += torch.stack([x.sum(dim=0), x.square().sum(dim=0)])
                counts[k][: x.shape[1]] += known.sum(dim=0)
                frames_of[k] += batch.frames(name)[:, :length].sum().cpu()
                held[k] += batch.available[:, k].sum().cpu()
        for k, (name, (length, _)) in enumerate(zip(self.schema.names, shapes)):
            if not held[k]:
                raise DataError(
                    f"no training sample holds modality '{name}', so it has no mean",
                    "leave the modality out, or train on samples that have it",
                )
            # A position without any frame gets the mean of all frames.
            counted = counts[k] > 0
            count = torch.where(counted, counts[k], counts[k].sum(dim=0)).clamp(min=1)
            mean, square = torch.where(counted, sums[k], sums[k].sum(dim=1, keepdim=True)) / count
            getattr(self, f"mean_{k}").copy_(mean)
            getattr(self, f"deviation_{k}").copy_((square - mean.square()).clamp(min=0).sqrt())
            self.length[k] = int((frames_of[k] / held[k]).round().clamp(1, length))

    def _raw(self, batch: SequenceBatch) -> torch.Tensor:
        latents = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.backbone.encoders)):
            name, length, gap = modality.name, int(self.length[k]), batch.missing[:, k]
            more = max(0, length - batch.features[name].shape[1])
            features = F.pad(batch.inputs(modality), (0, 0, 0, more))
            mean = F.pad(self._mean(k)[:length], (0, modality.input_dim - modality.dim))
            frames = F.pad(batch.frames(name), (0, more))
            features[:, :length] = torch.where(gap[:, None, None], mean, features[:, :length])
            frames[:, :length] |= gap[:, None]
            latents.append(encoder(features, frames))
        # Fusion never meets a filled modality in training, so filled modalities are marked as given.
        state = torch.full_like(batch.available, GIVEN, dtype=torch.long)
        return self.backbone.fuse(torch.stack(latents, dim=1), state)

    def _mean(self, k: int) -> Float[Tensor, "_time dim"]:
        mean: Tensor = getattr(self, f"mean_{k}")
        return mean

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The training mean, with normal draws of the training standard deviation."""
        features, std, drawn = {}, {}, {}
        count, noise = draws or DRAWS, batch.noise(generator)
        for k, name in enumerate(self.schema.names):
            values, gap = batch.readable(name), batch.missing[:, k, None, None]
            # Frames beyond the longest training sample use the statistics of the last position.
            place = torch.arange(values.shape[1], device=values.device).clamp(max=len(self._mean(k)) - 1)
            mean = self._mean(k)[place].expand_as(values)
            deviation = getattr(self, f"deviation_{k}")[place].expand_as(values)
            unit = noise.fork(k).draws(count).like(values.repeat(count, 1, 1)).view(count, *values.shape)
            features[name] = torch.where(gap, mean, values)
            std[name] = torch.where(gap, deviation, 0.0)
            drawn[name] = torch.where(gap, mean + deviation * unit, values)
        return Recovery(features, std, drawn)
