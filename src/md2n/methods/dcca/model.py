r"""DCCA and DCCAE: codes of the modalities that correlate as much as they can, and a linear head on the codes.

Every modality's features, pooled over its valid frames, pass a perceptron of their own to k components ``z_k``.  Then

    L = - sum_{j<k} corr(z_j, z_k)  +  lambda sum_k |D_k(z_k) - x_k|^2,

``corr`` the total correlation (``md2n.methods.dcca.correlation``).  DCCA has no second term, DCCAE adds a mirrored
decoder per modality: at ``lambda = 0`` it is DCCA.  Training goes in three phases:

1. *correlation*, on complete samples: pairs of modalities that the data hold together;
2. *codes*, in closed form: the batch norms' statistics over the whole training split, then mean and whitening of the
   codes, to which the loss is blind;
3. *head*: one linear layer on the whitened codes side by side, encoders fixed.

The code of a missing modality is the mean of the training split: zero, once codes are centred.

*Differences.*  The paper has two complete views, large batches, and any classifier on top; here there are any number of
views, pairs are summed, and the head meets missing codes in training.  Batch norm, ReLU and AdamW stand for layer-wise
pretraining, a nonlinearity of its own and L-BFGS; the first phase runs to its end, without a choice on validation.
Each modality has a network of its own (the public port passes both views through one).
"""

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import gap_to
from md2n.errors import DataError
from md2n.fusion.head import Head, make_head
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.dcca.config import DCCAConfig, DCCAEConfig
from md2n.methods.dcca.correlation import canonical_correlations, whitening
from md2n.methods.parts.pooling import pooled_inputs, pooled_truth
from md2n.modality import Schema
from md2n.shapes import Float, Tensor

FEWEST = 2  # rows of which a batch statistic can be taken
GAIN = 10.0  # deviation of the codes a head sees: AdamW moves a weight by its rate a step, whatever it is multiplied by
CORRELATION, CODES, HEAD = "correlation", "codes", "head"


class Perceptron(nn.Module):
    """Linear layers with batch norm and ReLU between them.

    Args:
        sizes: widths from the input to the output.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for before, after in pairwise(sizes[:-1]):
            self.layers.extend((nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()))
        self.layers.append(nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, x: Float[Tensor, "row _width"]) -> Float[Tensor, "row _out"]:
        for layer in self.layers:
            x = layer(x)
        return x

    @torch.no_grad()
    def settle(self, x: Float[Tensor, "row _width"]) -> Float[Tensor, "row _out"]:
        """Sets every batch norm to the statistics of these rows, first to last, and gives their output.

        What evaluation uses is then a function of the weights and of the training split, not of the last batches.
        """
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm1d):
                mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
                layer.load_state_dict(layer.state_dict() | {"running_mean": mean, "running_var": variance})
                x = F.batch_norm(x, mean, variance, layer.weight, layer.bias, eps=layer.eps)
            else:
                x = layer(x)
        return x


class DCCA(MultimodalModel):
    """Deep canonical correlation analysis of any number of modalities."""

    card: ClassVar[Card] = Card(
        title="DCCA",
        paper="Andrew, Arora, Bilmes, Livescu: Deep Canonical Correlation Analysis. ICML 2013",
        year=2013,
        family="correlation",
        differences="Any number of modalities: total correlation summed over pairs, each modality with its own "
        "network (the public port passes two views through one); features pooled over time, with dropout; "
        "batch statistics, mean and whitening of the codes from the whole training split; a missing code "
        "is the mean; the linear head is trained on incomplete samples too, because one model serves "
        "every pattern. Batch norm, ReLU and AdamW in place of layer-wise pretraining, the paper's "
        "nonlinearity and L-BFGS; correlation is trained to its end, without a choice on validation.",
        recovers=False,
    )

    centre: Tensor
    whiten: Tensor

    def __init__(self, schema: Schema, config: DCCAConfig) -> None:
        super().__init__(schema)
        self.config = config
        inner, views = [config.hidden] * config.layers, len(schema.modalities)
        self.encoders = nn.ModuleList(Perceptron([m.input_dim, *inner, config.components]) for m in schema.modalities)
        self.head = linear_head(config.head, views * config.components, schema)
        self.register_buffer("centre", torch.zeros(views, config.components))
        self.register_buffer("whiten", torch.eye(config.components).repeat(views, 1, 1))

    def phases(self) -> Sequence[Phase]:
        return (
            Phase(CORRELATION, share=1.0, selects=False, patterns="complete"),
            Phase(CODES, fit=self.fit, selects=False),
            Phase(HEAD, share=2.0, trains=("head",)),
        )

    def train(self, mode: bool = True) -> "DCCA":
        """Training mode; encoders that are fixed stay in evaluation mode, or their batch norms would move."""
        super().train(mode)
        if self.phase == HEAD:
            self.encoders.eval()
        return self

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        if self.phase == HEAD:
            return Losses({"task": self.head.mean_loss(self.head(self.codes(batch)), batch.labels)})
        codes = self._codes_of_rows(batch)
        # Attached to the weights even where a batch has no pair to correlate.
        correlation = torch.stack([p.sum() for p in self.encoders.parameters()]).sum() * 0.0
        for j, k in combinations(codes, 2):
            together = batch.available[:, j] & batch.available[:, k]
            if int(together.sum()) >= FEWEST:
                a, b = (codes[i][together[batch.available[:, i]]] for i in (j, k))
                total = canonical_correlations(a, b, self.config.ridge).sum()
                correlation = correlation - total.to(correlation)
        return Losses({"correlation": correlation, **self._more(batch, codes)})

    def _more(self, batch: SequenceBatch, codes: dict[int, Tensor]) -> dict[str, Tensor]:
        """Further terms of the first phase."""
        return {}

    def _codes_of_rows(self, batch: SequenceBatch) -> dict[int, Float[Tensor, "row component"]]:
        """Column of a modality -> codes of the samples that have it, before whitening; absent where too few have it.

        Samples without it take no part in batch statistics.
        """
        codes = {}
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.encoders)):
            features = pooled_inputs(batch, modality)[batch.available[:, k]]
            if len(features) >= FEWEST:
                codes[k] = encoder(F.dropout(features, self.config.dropout, self.training))
        return codes

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Settles batch norms on the training split, keeps mean and whitening of its codes, and begins the head.

        The head begins at the best constant, so that labels may have any unit.

        Raises:
            DataError: no training sample has some modality.
        """
        parts = [([pooled_inputs(b, m) for m in self.schema.modalities], b.available, b.labels) for b in batches]
        held = torch.cat([available for _, available, _ in parts])
        for k, (name, encoder) in enumerate(zip(self.schema.names, self.encoders)):
            rows = torch.cat([features[k] for features, _, _ in parts])[held[:, k]]
            if not len(rows):
                raise DataError(
                    f"no training sample holds modality '{name}', so it has no mean code",
                    "leave the modality out, or train on samples that have it",
                )
            assert isinstance(encoder, Perceptron)
            codes = encoder.settle(rows)
            self.centre[k] = codes.mean(dim=0)
            self.whiten[k] = GAIN * whitening(codes, self.config.ridge)
        last = self.head.layers[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(self.head.constant(torch.cat([labels for _, _, labels in parts])))

    def codes(self, batch: SequenceBatch) -> Float[Tensor, "batch all"]:
        """Whitened codes of the modalities side by side, the training mean (zero) where missing."""
        codes = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.encoders)):
            with torch.no_grad():
                code = (encoder(pooled_inputs(batch, modality)) - self.centre[k]) @ self.whiten[k]
            codes.append(torch.where(batch.available[:, k, None], code, 0.0))
        return torch.cat(codes, dim=1)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.head.output(self.head(self.codes(batch))))


class DCCAE(DCCA):
    """DCCA whose codes must also tell the features they came from."""

    card: ClassVar[Card] = Card(
        title="DCCAE",
        paper="Wang, Arora, Livescu, Bilmes: On Deep Multi-View Representation Learning. ICML 2015",
        year=2015,
        family="correlation",
        differences="As DCCA, with mirrored decoders of the pooled features. The decoders serve training only: what "
        "is missing is the mean code, not recovered.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: DCCAEConfig) -> None:
        super().__init__(schema, config)
        self.reconstruction = config.reconstruction
        # After all that DCCA has: both begin with the same weights.
        inner = [config.hidden] * config.layers
        self.decoders = nn.ModuleList(Perceptron([config.components, *inner, m.dim]) for m in schema.modalities)

    def _more(self, batch: SequenceBatch, codes: dict[int, Tensor]) -> dict[str, Tensor]:
        error = batch.present.new_zeros((), dtype=torch.float32)
        for k, (name, decoder) in enumerate(zip(self.schema.names, self.decoders)):
            if k in codes:
                truth = pooled_truth(batch, name)[batch.available[:, k]]
                error = error + gap_to(truth, decoder(codes[k])).square().sum(dim=1).mean()
        return {"reconstruction": self.reconstruction * error}


def linear_head(kind: str, width: int, schema: Schema) -> Head:
    """A head of one linear layer that starts at zero, with the loss and the output of its kind."""
    head = make_head(kind, width, schema.task, dropout=0.0)
    last = head.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    head.layers = nn.Sequential(last)
    return head
