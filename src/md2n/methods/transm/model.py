r"""TransM (TransModality): Transformers translate modalities into one another; their encodings give the prediction.

Every ordered pair of modalities (a, b) has an encoder ``Enc_ab`` of a and a decoder ``Dec_ab`` to features of b.  The
joint representation is the concatenation of all encodings, each pooled over its positions:

    e_ab = Enc_ab(x_a),    xhat_b = Dec_ab(e_ab),    L = L_task(head([mean e_ab, mean e_ba, ..]))
           + 0.1 mean |Dec_ab(Enc_ab(x_a)) - x_b|^2  +  0.1 mean |Dec_ba(Enc_ba(xhat_b)) - x_a|^2.

*Missing modalities.*  A missing modality b is replaced by ``xhat_b``, the mean of its translations from the available
modalities.  Every ``Enc_b.`` reads ``xhat_b`` in place of ``x_b``.  The forward error compares translations of given
modalities with everything in the data, given or hidden.  The backward error compares translations of a replacement with
the given modalities.  For a complete sample every encoder reads given features, and all errors are forward errors.

*The task trains the translations.*  The head reads encodings of ``xhat_b``, so the gradient of the task reaches
``Dec_ab``, where it outweighs that of the errors.  ``xhat_b`` becomes what serves the task rather than ``x_b``, so the
recovery is worse for it (the card has numbers).  MCTN's head reads no translation.

*Differences.*  We know of no code by the authors and rely on descriptions of the paper by others.  The paper reads a
video as a sequence of utterances; we read one utterance as a sequence of frames, without its neighbours.  The paper's
joint representation also holds an encoding of each modality, and its backward encoder always reads the translation;
ours reads the given features if there are any.  The paper is said to use absolute errors of translations; we use
squared errors.  The paper has two pairs, text with audio and text with vision; we have all pairs, so that every pattern
can be predicted.  Our decoder has a learned query for each position, which attends to the encoding.  It reads neither
its target nor its own output and computes all positions at once.
"""

from itertools import permutations
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.fusion.head import Head, make_head
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction, Recovery
from md2n.methods.parts.positions import PositionEncoder, mean_square, over_frames, position_count, truth_at_positions
from md2n.methods.transm.config import TransMConfig
from md2n.modality import Schema
from md2n.nn.embedding import PositionEmbedding
from md2n.nn.transformer import Transformer
from md2n.shapes import Bool, Float, Tensor

INNER_DROPOUT = 1 / 3  # of the dropout of features; more would harm the translations


class Translator(nn.Module):
    """Translates tokens of one modality to features of another.

    Args:
        config: sizes.
        steps: number of positions of the target.
        dim: number of features of the target.
    """

    def __init__(self, config: TransMConfig, steps: int, dim: int) -> None:
        super().__init__()
        size = config.width, config.heads, config.layers, config.dropout * INNER_DROPOUT
        self.encoder = Transformer(*size)
        self.decoder = Transformer(*size, cross=True)
        self.queries = nn.Parameter(torch.randn(steps, config.width) * 0.5)
        self.out = nn.Linear(config.width, dim)

    def encode(
        self, tokens: Float[Tensor, "row token width"], readable: Bool[Tensor, "row token"]
    ) -> Float[Tensor, "row token width"]:
        """The encoding; it has no meaning at tokens that are not readable."""
        encoded: Tensor = self.encoder(tokens, readable)
        return encoded

    def decode(
        self, encoded: Float[Tensor, "row token width"], readable: Bool[Tensor, "row token"]
    ) -> Float[Tensor, "row step dim"]:
        """The features of the target at its positions."""
        features: Tensor = self.out(self.decoder(self.queries.expand(len(encoded), -1, -1), readable, encoded))
        return features


class TransM(MultimodalModel):
    """Translation between all pairs of modalities by Transformers."""

    card: ClassVar[Card] = Card(
        title="TransM",
        paper="Wang, Wan, Wan: TransModality: An End2End Fusion Method with Transformer for Multimodal Sentiment "
        "Analysis. WWW 2020",
        year=2020,
        family="translation",
        differences="No code by the authors is known. Input is the frames of one utterance instead of the utterances "
        "of a video. The joint representation is the encodings of the pairs alone, without an encoding of each "
        "modality. If both sides of a pair are given, there is no backward error. Errors of translations are squared "
        "instead of absolute. All pairs of modalities are translated instead of text with audio and text with "
        "vision, so that every pattern can be predicted. A missing modality is the mean of its translations from the "
        "available modalities. Decoders have a query for each position, compute all positions at once and do not "
        "read the target. A sequence has 16 positions over the longest sequence in the data (a median text of mosi, "
        "12 words, has 4). A vector is split into tokens and translated as one position. Width 32; dropout of the "
        "features. Errors are means over features. The task trains the replacements, too: the whole is trained end to "
        "end. So recovered features serve the task more than they resemble the truth. After 350 steps on rows and "
        "edges of digits, R² on validation samples is .17 and .10; without any gradient through the replacements .43 "
        "and .43; with ten times the weight of the errors .43 and .27 (one seed). "
        "The recovery has no standard deviation. Distillation from the complete view is not offered.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: TransMConfig) -> None:
        super().__init__(schema)
        self.config = config
        modalities = schema.modalities
        self.steps = tuple(position_count(m, config.steps) for m in modalities)
        self.enter_by = nn.ModuleList(
            PositionEncoder(m, config.tokens if m.is_vector else s, config.width, config.dropout)
            for m, s in zip(modalities, self.steps)
        )
        self.place = PositionEmbedding(config.width)
        self.pairs = tuple(permutations(range(len(modalities)), 2))
        self.translators = nn.ModuleDict(
            {f"{a}_{b}": Translator(config, self.steps[b], modalities[b].dim) for a, b in self.pairs}
        )
        self.joint = nn.Linear(len(self.pairs) * config.width, 2 * config.width)
        self.head: Head = make_head(config.head, 2 * config.width, schema.task, config.dropout)

    def _translator(self, a: int, b: int) -> Translator:
        translator = self.translators[f"{a}_{b}"]
        assert isinstance(translator, Translator)
        return translator

    def _translated(
        self, batch: SequenceBatch, compare: bool
    ) -> tuple[list[Tensor], dict[tuple[int, int], Tensor], list[tuple[Tensor, Tensor]]]:
        """Translates the given modalities.

        Args:
            batch: read where available; with ``compare`` also the truth of everything present.
            compare: whether to compute errors; if not, only missing modalities are decoded.

        Returns:
            The replacement of each modality, the pooled encoding of each pair, and errors with their counts.
        """
        total = [
            torch.zeros(batch.size, s, m.dim, device=batch.device) for s, m in zip(self.steps, self.schema.modalities)
        ]
        pooled: dict[tuple[int, int], Tensor] = {}
        errors: list[tuple[Tensor, Tensor]] = []
        truths = (
            [truth_at_positions(batch, m, s) for m, s in zip(self.schema.modalities, self.steps)] if compare else []
        )
        available = batch.available
        for a, (modality, layer) in enumerate(zip(self.schema.modalities, self.enter_by)):
            tokens, readable = layer(batch.inputs(modality), batch.frames(modality.name))
            rows = available[:, a].nonzero()[:, 0]
            if not len(rows):
                continue
            tokens, readable = self.place(tokens[rows]), readable[rows]
            for b in (b for b in range(len(total)) if b != a):
                translator = self._translator(a, b)
                encoded = translator.encode(tokens, readable)
                pooled[a, b] = _pool(encoded, readable, rows, batch.size)
                wanted = ~available[rows, b] | compare
                if not bool(wanted.any()):
                    continue
                features = translator.decode(encoded[wanted], readable[wanted])
                at = rows[wanted]
                gap = ~available[at, b]
                total[b] = total[b].to(features.dtype).index_add(0, at[gap], features[gap])
                if compare:
                    truth, real = truths[b]
                    errors.append(mean_square(features, truth[at], real[at]))
        count = available.sum(dim=1)[:, None, None]
        return [x / count for x in total], pooled, errors

    def _joint(
        self, batch: SequenceBatch, compare: bool = False
    ) -> tuple[Float[Tensor, "batch joint"], list[Tensor], Float[Tensor, ""], Float[Tensor, ""]]:
        """The joint representation, the replacements, and the forward and the backward mean squared error."""
        replaced, pooled, forward = self._translated(batch, compare)
        backward: list[tuple[Tensor, Tensor]] = []
        for b, layer in enumerate(self.enter_by):
            rows = batch.missing[:, b].nonzero()[:, 0]
            if not len(rows):
                continue
            assert isinstance(layer, PositionEncoder)
            tokens = self.place(layer.encode_translation(replaced[b][rows]))
            readable = torch.ones(tokens.shape[:2], dtype=torch.bool, device=batch.device)
            for a in (a for a in range(len(replaced)) if a != b):
                translator = self._translator(b, a)
                encoded = translator.encode(tokens, readable)
                pooled[b, a] = pooled.get((b, a), 0) + _pool(encoded, readable, rows, batch.size)
                back = batch.available[rows, a]
                if compare and bool(back.any()):
                    truth, real = truth_at_positions(batch, self.schema.modalities[a], self.steps[a])
                    features = translator.decode(encoded[back], readable[back])
                    backward.append(mean_square(features, truth[rows[back]], real[rows[back]]))
        joint = self.joint(torch.cat([pooled[pair] for pair in self.pairs], dim=1)).relu()
        return joint, replaced, _mean(forward, joint), _mean(backward, joint)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        joint, _, forward, backward = self._joint(batch, compare=True)
        return Losses(
            {
                "task": self.head.mean_loss(self.head(joint), batch.labels),
                "forward": self.config.translation * forward,
                "backward": self.config.translation * backward,
            }
        )

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.head.output(self.head(self._joint(batch)[0])))

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The replacements, each position repeated over its interval of time; without a standard deviation."""
        replaced, _, _ = self._translated(batch, compare=False)
        features = {}
        for k, modality in enumerate(self.schema.modalities):
            values = batch.readable(modality.name)
            answer = over_frames(replaced[k], modality.length, values.shape[1])
            features[modality.name] = torch.where(batch.missing[:, k, None, None], answer, values)
        return Recovery(features, {}, {name: x[None] for name, x in features.items()})


def _pool(
    encoded: Float[Tensor, "row token width"], readable: Bool[Tensor, "row token"], rows: Tensor, size: int
) -> Float[Tensor, "batch width"]:
    """Means over the readable tokens at the given rows of the batch, zeros in the other rows."""
    mean = (encoded * readable[..., None]).sum(dim=1) / readable.sum(dim=1, keepdim=True)
    return mean.new_zeros(size, mean.shape[1]).index_copy(0, rows, mean)


def _mean(errors: list[tuple[Tensor, Tensor]], like: Tensor) -> Float[Tensor, ""]:
    """The sum of the errors divided by the sum of the counts; zero without errors."""
    if not errors:
        return like.new_zeros(())
    return torch.stack([e for e, _ in errors]).sum() / torch.stack([n for _, n in errors]).sum().clamp(min=1)
