r"""MCTN: translates a source modality to the others and back; the encoding of the source gives the prediction.

Encoders are bidirectional LSTMs.  Decoders are LSTMs with attention (``md2n.methods.mctn.seq2seq``).  The source is
``x_S``, the first target ``T``, the other targets ``R``, all at a few positions in time:

    E = Enc(x_S),   xhat_T = Dec(E),    xhat_S = Dec(Enc(xhat_T)),      the first translation, forward and back
    E' = Enc'(E),   xhat_R = Dec'(E'),                                  the second translation

    L = L_task(head(read(E'))) + 0.1 |xhat_T - x_T|^2 + 0.1 |xhat_S - x_S|^2 + 0.1 |xhat_R - x_R|^2.

With two modalities there is no second translation, and the head reads ``E``.  A prediction depends on the source only.
No decoder receives its target, not even in training.

*Missing modalities.*  The source is the mean of all available modalities at each position, after each is mapped to the
same width.  (A vector has no time; it is split into one token for each position.)  The first missing modality in the
order of the data is T, the other missing ones are R.  So the pattern that the trainer draws for a sample determines its
targets.  The back-translation leads to every available modality.  A complete sample has no target and trains the task
alone.  A modality that is absent from the data has no error.

*Differences.*  The paper trains one model for each source and order of targets, and training has all targets.  Here one
model serves all patterns.  All pairs share the encoder and the decoder, which receives an embedding of its target.
Every modality has its own layers from and to features.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.fusion.head import Head, make_head
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction, Recovery
from md2n.methods.mctn.config import MCTNConfig
from md2n.methods.mctn.seq2seq import Decoder, Encoder, Reader
from md2n.methods.parts.positions import PositionEncoder, mean_square, over_frames, position_count, truth_at_positions
from md2n.methods.parts.utterance import compact
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Int, Tensor

Encoded = tuple[Float[Tensor, "row position hidden"], Bool[Tensor, "row position"]]
Translated = dict[int, tuple[Int[Tensor, " _row"], Float[Tensor, "_row _step _dim"]]]  # column -> rows, their features


class MCTN(MultimodalModel):
    """Multimodal cyclic translation network."""

    card: ClassVar[Card] = Card(
        title="MCTN",
        paper="Pham, Liang, Manzini, Morency, Poczos: Found in Translation: Learning Robust Joint Representations by "
        "Cyclic Translations Between Modalities. AAAI 2019",
        year=2019,
        family="translation",
        differences="One model for every pattern: the source is the mean over the available modalities at each "
        "position, the first missing modality is the target, the others are second targets. All pairs share the "
        "encoder and the decoder, which receives an embedding of its target. Sequences are read and translated at 16 "
        "positions over the longest sequence in the data, so a median text of mosi, 12 words, has 4. A vector is "
        "split into positions and translated in one step. Decoders read their own output in training, too. Dropout "
        "of the features. The recovery has no standard deviation. Distillation from the complete view is not "
        "offered.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: MCTNConfig) -> None:
        super().__init__(schema)
        self.config = config
        modalities, hidden = schema.modalities, config.hidden
        longest = max(m.length for m in modalities)
        self.positions = config.tokens if longest == 1 else min(config.steps, longest)
        self.steps = tuple(position_count(m, self.positions) for m in modalities)
        self.enter_by = nn.ModuleList(PositionEncoder(m, self.positions, hidden, config.dropout) for m in modalities)
        self.leave_by = nn.ModuleList(nn.Linear(hidden, m.dim) for m in modalities)
        self.encoder, self.decoder = Encoder(hidden, hidden), Decoder(len(modalities), hidden)
        self.hierarchical = len(modalities) > 2
        if self.hierarchical:
            self.second_encoder, self.second_decoder = Encoder(hidden, hidden), Decoder(len(modalities), hidden)
        self.reader = Reader(hidden)
        self.head: Head = make_head(config.head, hidden, schema.task, config.dropout)

    def _source(self, batch: SequenceBatch) -> Encoded:
        """The mean of the available modalities at each position, without positions that have none."""
        total = count = torch.zeros(())
        for modality, layer in zip(self.schema.modalities, self.enter_by):
            tokens, readable = layer(batch.inputs(modality), batch.frames(modality.name))
            total = total + tokens * readable[..., None]
            count = count + readable.to(tokens.dtype)
        mean = total / count.clamp(min=1)[..., None]
        return compact(mean, count > 0)

    def _encode(self, batch: SequenceBatch) -> tuple[Encoded, Encoded]:
        """The encoding of the source, and the encoding that gives the prediction."""
        x, readable = self._source(batch)
        first = self.encoder(x, readable)
        second = self.second_encoder(first, readable) if self.hierarchical else first
        return (first, readable), (second, readable)

    def _translate(self, decoder: Decoder, encoded: Encoded, wanted: Bool[Tensor, "row modality"]) -> Translated:
        """Decodes every flagged modality to features at its positions, all in one call."""
        rows, target = wanted.nonzero().unbind(dim=1)
        if not len(rows):
            return {}
        longest = max(self.steps[k] for k in set(target.tolist()))
        outputs = decoder(encoded[0][rows], encoded[1][rows], target, longest)
        translations: Translated = {}
        for k, layer in enumerate(self.leave_by):
            chosen = target == k
            if bool(chosen.any()):
                translations[k] = rows[chosen], layer(outputs[chosen, : self.steps[k]])
        return translations

    def _targets(self, batch: SequenceBatch) -> tuple[Bool[Tensor, "batch modality"], Bool[Tensor, "batch modality"]]:
        """The first missing modality of each sample, and the other missing ones."""
        missing = batch.missing
        first = missing & (missing.cumsum(dim=1) == 1)
        return first, missing & ~first

    def _error(
        self, translated: Translated, batch: SequenceBatch, holds: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, ""]:
        """Mean squared error of the translations of flagged modalities (zero without any)."""
        total = torch.zeros((), device=batch.device)
        count = torch.zeros((), dtype=torch.long, device=batch.device)
        for k, (rows, features) in translated.items():
            truth, real = truth_at_positions(batch, self.schema.modalities[k], self.steps[k])
            error, where = mean_square(features, truth[rows], real[rows] & holds[rows, k, None])
            total, count = total + error, count + where
        return total / count.clamp(min=1)

    def _translate_back(self, translated: Translated, batch: SequenceBatch) -> Translated:
        """The available modalities, decoded from the encoding of the translation."""
        if not translated:
            return {}
        tokens = torch.zeros(batch.size, self.positions, self.config.hidden, device=batch.device)
        for k, (rows, features) in translated.items():
            layer = self.enter_by[k]
            assert isinstance(layer, PositionEncoder)
            encoded = layer.encode_translation(features)
            tokens = tokens.to(encoded.dtype).index_copy(0, rows, encoded)
        readable = torch.ones(tokens.shape[:2], dtype=torch.bool, device=batch.device)
        incomplete = batch.missing.any(dim=1, keepdim=True)
        return self._translate(self.decoder, (self.encoder(tokens, readable), readable), batch.available & incomplete)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        config, (first, second) = self.config, self._encode(batch)
        target, others = self._targets(batch)
        translated = self._translate(self.decoder, first, target)
        parts = {
            "task": self.head.mean_loss(self.head(self.reader(*second)), batch.labels),
            "translate": config.translate * self._error(translated, batch, batch.present),
            "cycle": config.cycle * self._error(self._translate_back(translated, batch), batch, batch.available),
        }
        if self.hierarchical:
            second_translated = self._translate(self.second_decoder, second, others)
            parts["second"] = config.second * self._error(second_translated, batch, batch.present)
        return Losses(parts)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        _, second = self._encode(batch)
        return Prediction(self.head.output(self.head(self.reader(*second))))

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The translations, each position repeated over its interval of time; without a standard deviation."""
        (first, second), (target, others) = self._encode(batch), self._targets(batch)
        pieces: Sequence[Translated] = [self._translate(self.decoder, first, target)]
        if self.hierarchical:
            pieces = [*pieces, self._translate(self.second_decoder, second, others)]
        features = {}
        for k, modality in enumerate(self.schema.modalities):
            values = batch.readable(modality.name)
            for rows, translation in (piece[k] for piece in pieces if k in piece):
                values = values.index_copy(
                    0, rows, over_frames(translation, modality.length, values.shape[1]).to(values.dtype)
                )
            features[modality.name] = values
        return Recovery(features, {}, {name: x[None] for name, x in features.items()})
