"""Fill: what the methods share that fill gaps in features for a fusion Transformer trained on complete samples."""

import abc
from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F

from md2n.batch import SequenceBatch
from md2n.fusion.transformer import GIVEN
from md2n.methods.base import Losses, MultimodalModel, Phase, Prediction, Recovery
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import FusionConfig
from md2n.methods.parts.rows import FlatRows, KeptRows, choices
from md2n.modality import Schema
from md2n.noise import SampleNoise
from md2n.shapes import Bool, Float, Tensor

DRAWS = 8  # for a standard deviation of the recovery, as md2n's

# Which samples of a batch, the missing modality, and its point estimate as rows of numbers.
Point = tuple[Bool[Tensor, " batch"], int, Float[Tensor, "n q"]]
# The same, with a standard deviation and draws.
Drawn = tuple[Bool[Tensor, " batch"], int, Float[Tensor, "n q"], Float[Tensor, "n q"], Float[Tensor, "draw n q"]]


class Fill(FlatRows, MultimodalModel, abc.ABC):
    """Fills gaps by what it has fitted on training rows; then the fusion reads what is filled as given."""

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, config)
        self.shape_rows(schema)

    @abc.abstractmethod
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Fits on complete training batches what gaps are filled by."""

    @abc.abstractmethod
    def points(self, batch: SequenceBatch) -> Iterator[Point]:
        """Point estimates of what a batch misses."""

    @abc.abstractmethod
    def drawn(self, batch: SequenceBatch, noise: SampleNoise, count: int) -> Iterator[Drawn]:
        """Point estimates, standard deviations and ``count`` draws of what a batch misses."""

    def phases(self) -> Sequence[Phase]:
        return (Phase("rows", fit=self.fit, selects=False), Phase("fusion", patterns="complete"))

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))

    def _raw(self, batch: SequenceBatch) -> Float[Tensor, "batch outputs"]:
        """Raw outputs of the head, gaps filled: to fusion, in training too, what is filled is given."""
        filled = self._blank(batch)
        for members, k, point in self.points(batch):
            filled[batch.names[k]][members] = self.framed(point, k)
        latents = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.backbone.encoders)):
            # Filled rows have the answer's own length, read in full, whatever the batch is padded to.
            features, frames = self.padded(batch, k)
            gap, answer = batch.missing[:, k], filled[modality.name]
            answer = F.pad(answer, (0, modality.input_dim - modality.dim))
            features[:, : self.lengths[k]] = torch.where(gap[:, None, None], answer, features[:, : self.lengths[k]])
            frames[:, : self.lengths[k]] |= gap[:, None]
            latents.append(encoder(features, frames))
        state = torch.full_like(batch.available, GIVEN, dtype=torch.long)
        return self.backbone.fuse(torch.stack(latents, dim=1), state)

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The point estimates, draws and standard deviations of ``drawn``, as frames."""
        count = draws or DRAWS
        point, std = self._blank(batch), self._blank(batch)
        each = {name: x.repeat(count, 1, 1, 1) for name, x in self._blank(batch).items()}
        for members, k, mean, dev, values in self.drawn(batch, batch.noise(generator), count):
            name = batch.names[k]
            point[name][members] = self.framed(mean, k)
            std[name][members] = self.framed(dev, k)
            each[name][:, members] = self.framed(values, k)
        features, stds, every = {}, {}, {}
        for k, modality in enumerate(self.schema.modalities):
            values, gap = batch.readable(modality.name), batch.missing[:, k, None, None]
            features[modality.name] = torch.where(gap, self.stretched(point[modality.name], k, values), values)
            stds[modality.name] = self.stretched(std[modality.name], k, values)
            every[modality.name] = torch.where(gap, self.stretched(each[modality.name], k, values), values)
        return Recovery(features, stds, every)

    def _blank(self, batch: SequenceBatch) -> dict[str, Float[Tensor, "batch _time _dim"]]:
        """Zeros ``[B, length, d_k]`` for every modality, which stay where it is available."""
        like = batch.features[batch.names[0]]
        return {m.name: like.new_zeros(batch.size, n, m.dim) for m, n in zip(self.schema.modalities, self.lengths)}


class RowFill(KeptRows, Fill):
    """Fills gaps from kept training rows.

    The training rows it needs are part of the model's state, so a saved model answers as the trained one did.
    """

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema, config)
        self.make_rows(schema)

    def points(self, batch: SequenceBatch) -> Iterator[Point]:
        for query in self.queries(batch):
            for k, _ in self.missing_of(query.available):
                yield query.members, k, self.answer(query.available, k)(query)

    def drawn(self, batch: SequenceBatch, noise: SampleNoise, count: int) -> Iterator[Drawn]:
        """Draws are chosen among the candidates; every missing modality of every sample chooses by itself."""
        for query in self.queries(batch):
            own = noise.rows(query.members.nonzero()[:, 0])
            for k, _ in self.missing_of(query.available):
                mean, candidates = self.answer(query.available, k).candidates(query)
                dev = candidates.std(dim=1, correction=0)
                yield query.members, k, mean, dev, choices(own.fork(k), candidates, count)
