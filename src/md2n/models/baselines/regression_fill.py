"""Regression fill: a ridge regression from the available features to each missing one, then a complete-data model.

The floor of every recovery: a generated modality that explains less than a linear map does was not worth generating.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.fusion.transformer import GIVEN
from md2n.modality import Modality, Schema
from md2n.models.backbone import Backbone
from md2n.models.base import Card, Losses, MultimodalModel, Phase, Prediction, Recovery
from md2n.models.baselines.ridge import Ridge, fit_ridge
from md2n.models.config import FusionConfig
from md2n.seeding import numpy_generator
from md2n.shapes import Bool, Float, Tensor

ROWS = 2048  # training rows kept for the ridge: the exact fit costs their cube at worst
FLAT = 2048  # sequences up to this many numbers are regressed frame by frame, longer ones by their mean over time


class RegressionFill(MultimodalModel):
    """Ridge from any available set to any missing modality; fits lazily, one pattern and target at a time.

    The training rows it needs are part of the model's state, so a saved model answers as the trained one did.
    """

    card: ClassVar[Card] = Card(
        title="regression fill",
        paper="ridge regression (Hoerl, Kennard: Technometrics 12(1), 1970) as single imputation",
        year=1970,
        family="floor",
        differences="Strength by generalised cross-validation for each pattern and target, on at most "
        f"{ROWS} training rows, drawn where there are more; sequences of more than {FLAT} numbers are regressed by "
        "their mean over time, and filled with one frame; in shorter ones frames past a sample's end are zeros, and "
        "unknown cells always; "
        "the predictor is the fusion Transformer trained on complete samples, gaps of their own filled as in use.",
        recovers=True,
    )

    rows: Tensor
    held: Tensor

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, config)
        self.lengths = tuple(m.length if m.length * m.dim <= FLAT else 1 for m in schema.modalities)
        self.widths = tuple(n * m.dim for n, m in zip(self.lengths, schema.modalities))
        self.register_buffer("rows", torch.zeros(0, sum(self.widths)))
        self.register_buffer("held", torch.zeros(0, len(schema.modalities), dtype=torch.bool))
        self._fits: dict[tuple[tuple[bool, ...], int], Ridge] = {}

    def phases(self) -> Sequence[Phase]:
        return (Phase("ridge", fit=self.fit, selects=False), Phase("fusion", patterns="complete"))

    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Keeps up to ``ROWS`` training rows, flattened, with what they hold; of more, a random sample."""
        rows: list[Tensor] = []
        held: list[Tensor] = []
        seen = 0
        place = numpy_generator(0, "rows of the ridge")
        for batch in batches:
            for row, holds in zip(self._flat(batch), batch.present):
                seen += 1
                if len(rows) < ROWS:
                    rows.append(row)
                    held.append(holds)
                elif (n := int(place.integers(seen))) < ROWS:
                    rows[n], held[n] = row, holds
        self.rows, self.held = torch.stack(rows), torch.stack(held)
        self._fits.clear()

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))

    def _raw(self, batch: SequenceBatch) -> Float[Tensor, "batch outputs"]:
        """Raw outputs of the head, gaps filled: to fusion, in training too, what is filled is given."""
        filled = self._filled(batch)
        latents = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.backbone.encoders)):
            # Filled rows have the ridge's own length, read in full, whatever the batch is padded to.
            features, frames = self._padded(batch, k)
            gap, answer = batch.missing[:, k], filled[modality.name]
            answer = torch.nn.functional.pad(answer, (0, modality.input_dim - modality.dim))
            features[:, : self.lengths[k]] = torch.where(gap[:, None, None], answer, features[:, : self.lengths[k]])
            frames[:, : self.lengths[k]] |= gap[:, None]
            latents.append(encoder(features, frames))
        state = torch.full_like(batch.available, GIVEN, dtype=torch.long)
        return self.backbone.fuse(torch.stack(latents, dim=1), state)

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The ridge's answer, without a spread, for a regression says nothing of how sure it is."""
        filled = self._filled(batch)
        features = {}
        for k, modality in enumerate(self.schema.modalities):
            given = batch.readable(modality.name)
            answer = filled[modality.name]
            if self.lengths[k] == 1:
                answer = answer.expand(-1, given.shape[1], -1)
            answer = torch.nn.functional.pad(answer, (0, 0, 0, max(0, given.shape[1] - answer.shape[1])))
            features[modality.name] = torch.where(batch.missing[:, k, None, None], answer[:, : given.shape[1]], given)
        return Recovery(features, {}, {k: x[None] for k, x in features.items()})

    def _padded(self, batch: SequenceBatch, k: int) -> tuple[Tensor, Tensor]:
        """What an encoder reads of modality k, and its frames, at least as long as the ridge's answer."""
        modality = self.schema.modalities[k]
        more = max(0, self.lengths[k] - batch.features[modality.name].shape[1])
        pad = torch.nn.functional.pad
        return pad(batch.inputs(modality), (0, 0, 0, more)), pad(batch.frames(modality.name), (0, more))

    def _flat(self, batch: SequenceBatch) -> Float[Tensor, "batch all"]:
        """What is available, one row per sample: frames end to end, or their mean over time for long sequences."""
        parts = []
        for k, (modality, length) in enumerate(zip(self.schema.modalities, self.lengths)):
            features, frames = self._padded(batch, k)
            features = features[..., : modality.dim]
            if length == 1 and not modality.is_vector:
                count = frames.sum(dim=1).clamp(min=1)[:, None]
                parts.append(features.sum(dim=1) / count)
            else:
                parts.append(features[:, :length].flatten(1))
        return torch.cat(parts, dim=1)

    def _filled(self, batch: SequenceBatch) -> dict[str, Float[Tensor, "batch _time _dim"]]:
        """The ridge's answer ``[B, length, d_k]`` for every modality; rows where it is available stay zero."""
        flat = self._flat(batch)
        patterns, which = torch.unique(batch.available, dim=0, return_inverse=True)
        answers = {m.name: flat.new_zeros(batch.size, n, m.dim) for m, n in zip(self.schema.modalities, self.lengths)}
        for p, pattern in enumerate(patterns):
            members = which == p
            inputs = flat[members][:, self._columns(pattern)]
            for k, modality in enumerate(self.schema.modalities):
                if not bool(pattern[k]):
                    answer = self._ridge(pattern, k, modality)(inputs)
                    answers[modality.name][members] = answer.view(-1, self.lengths[k], modality.dim)
        return answers

    def _columns(self, chosen: Bool[Tensor, " modality"]) -> Bool[Tensor, " all"]:
        widths = torch.tensor(self.widths, device=chosen.device)
        return chosen.repeat_interleave(widths)

    def _ridge(self, pattern: Bool[Tensor, " modality"], k: int, modality: Modality) -> Ridge:
        key = (tuple(map(bool, pattern)), k)
        if key not in self._fits:
            usable = (self.held | ~pattern).all(dim=1) & self.held[:, k]
            target = torch.zeros_like(pattern)
            target[k] = True
            if int(usable.sum()) < 2:
                # No training row holds both sides: the training mean is all that is known.
                usable = self.held[:, k]
                if not bool(usable.any()):
                    raise DataError(
                        f"no training sample holds modality '{modality.name}', so nothing can be regressed onto it",
                        "leave the modality out, or train on samples that have it",
                    )
            rows = self.rows[usable]
            self._fits[key] = fit_ridge(rows[:, self._columns(pattern)], rows[:, self._columns(target)])
        return self._fits[key]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        # The kept rows' number is the training set's, not the constructor's.
        for name in ("rows", "held"):
            if prefix + name in state_dict:
                setattr(self, name, torch.zeros_like(state_dict[prefix + name]))
        self._fits.clear()
        super()._load_from_state_dict(state_dict, prefix, *rest)
