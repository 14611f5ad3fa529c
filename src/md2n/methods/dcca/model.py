r"""DCCA and DCCAE: maximally correlated codes of the modalities, and a linear head on the codes.

The features of modality k are pooled over its valid frames.  A perceptron for each modality maps them to the components
of a code ``z_k``.  The loss is

    L = - sum_{j<k} corr(z_j, z_k)  +  lambda sum_k |D_k(z_k) - x_k|^2

with the total correlation ``corr`` (``md2n.methods.dcca.correlation``).  DCCA has the first term only.  DCCAE adds a
decoder ``D_k`` per modality, which mirrors the encoder.  With ``lambda = 0`` it is DCCA.  Training has three phases:

1. *correlation*: maximises the correlation of all pairs of modalities, each on the samples that have both; no modality
   is hidden;
2. *codes*: computes the statistics of the batch norms over the training split in closed form, then the mean and the
   whitening matrix of the codes, which do not affect the loss;
3. *head*: trains one linear layer on the concatenated whitened codes; the encoders are fixed.

The code of a missing modality is the training mean, which is zero after centring.

*Differences.*  The paper has two complete views, large batches, and an arbitrary classifier on the codes.  Here there
is any number of views, the correlation is summed over pairs, and the head is trained with missing codes, too.  Batch
norm, ReLU and AdamW replace layer-wise pretraining, the paper's nonlinearity and L-BFGS.  The first phase runs to its
end, without a choice of checkpoint by validation.  Each modality has its own network (the public port uses one network
for both views).
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

FEWEST = 2  # rows that a batch statistic needs
GAIN = 10.0  # standard deviation of the codes: AdamW's steps do not depend on it, so a larger one trains faster
CORRELATION, CODES, HEAD = "correlation", "codes", "head"


class Perceptron(nn.Module):
    """Linear layers with batch norm and ReLU between them.

    Args:
        sizes: widths of all layers, from the input to the output.
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
    def fit_batch_norms(self, x: Float[Tensor, "row _width"]) -> Float[Tensor, "row _out"]:
        """Sets the statistics of every batch norm, first to last, to those of these rows; returns the output.

        The output in evaluation mode then depends on the weights and the training split, not on the last batches.
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
        differences="Any number of modalities: the total correlation is summed over pairs, and each modality has its "
        "own network (the public port uses one network for two views). Features are pooled over time, with dropout. "
        "Batch statistics, mean and whitening of the codes come from the whole training split. A missing code is the "
        "mean code. The linear head is trained on incomplete samples too, because one model serves every pattern. "
        "Batch norm, ReLU and AdamW replace layer-wise pretraining, the paper's nonlinearity and L-BFGS. The "
        "correlation phase runs to its end, without a choice by validation.",
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
        """Sets the mode.  In the last phase the encoders stay in evaluation mode, so their batch norms are fixed."""
        super().train(mode)
        if self.phase == HEAD:
            self.encoders.eval()
        return self

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        if self.phase == HEAD:
            return Losses({"task": self.head.mean_loss(self.head(self.codes(batch)), batch.labels)})
        codes = self._codes_of_rows(batch)
        # The zero keeps the loss differentiable for a batch without any pair.
        correlation = torch.stack([p.sum() for p in self.encoders.parameters()]).sum() * 0.0
        for j, k in combinations(codes, 2):
            shared = batch.available[:, j] & batch.available[:, k]
            if int(shared.sum()) >= FEWEST:
                a, b = (codes[i][shared[batch.available[:, i]]] for i in (j, k))
                total = canonical_correlations(a, b, self.config.ridge).sum()
                correlation = correlation - total.to(correlation)
        return Losses({"correlation": correlation, **self._further_losses(batch, codes)})

    def _further_losses(self, batch: SequenceBatch, codes: dict[int, Tensor]) -> dict[str, Tensor]:
        """Further terms of the loss of the first phase."""
        return {}

    def _codes_of_rows(self, batch: SequenceBatch) -> dict[int, Float[Tensor, "row component"]]:
        """Column of a modality -> codes of the samples that have it, before whitening.

        Other samples do not enter the batch statistics.  A modality of fewer than ``FEWEST`` samples has no entry.
        """
        codes = {}
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.encoders)):
            features = pooled_inputs(batch, modality)[batch.available[:, k]]
            if len(features) >= FEWEST:
                codes[k] = encoder(F.dropout(features, self.config.dropout, self.training))
        return codes

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Sets batch norms, mean and whitening of the codes from the training split, and the initial bias of the head.

        The head starts at the best constant prediction, so labels may have any unit.

        Raises:
            DataError: no training sample has one of the modalities.
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
            codes = encoder.fit_batch_norms(rows)
            self.centre[k] = codes.mean(dim=0)
            self.whiten[k] = GAIN * whitening(codes, self.config.ridge)
        last = self.head.layers[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(self.head.constant(torch.cat([labels for _, _, labels in parts])))

    def codes(self, batch: SequenceBatch) -> Float[Tensor, "batch all"]:
        """Concatenated whitened codes of the modalities; zero, the training mean, where missing."""
        codes = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.encoders)):
            with torch.no_grad():
                code = (encoder(pooled_inputs(batch, modality)) - self.centre[k]) @ self.whiten[k]
            codes.append(torch.where(batch.available[:, k, None], code, 0.0))
        return torch.cat(codes, dim=1)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.head.output(self.head(self.codes(batch))))


class DCCAE(DCCA):
    """DCCA with autoencoders: codes must also reconstruct their features."""

    card: ClassVar[Card] = Card(
        title="DCCAE",
        paper="Wang, Arora, Livescu, Bilmes: On Deep Multi-View Representation Learning. ICML 2015",
        year=2015,
        family="correlation",
        differences="As for DCCA, with decoders of the pooled features that mirror the encoders. The decoders are used "
        "in training only. A missing code is the mean code; it is not recovered.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: DCCAEConfig) -> None:
        super().__init__(schema, config)
        self.reconstruction = config.reconstruction
        # Created after DCCA's modules, so the encoders of DCCA and DCCAE have the same initial weights.
        inner = [config.hidden] * config.layers
        self.decoders = nn.ModuleList(Perceptron([config.components, *inner, m.dim]) for m in schema.modalities)

    def _further_losses(self, batch: SequenceBatch, codes: dict[int, Tensor]) -> dict[str, Tensor]:
        error = batch.present.new_zeros((), dtype=torch.float32)
        for k, (name, decoder) in enumerate(zip(self.schema.names, self.decoders)):
            if k in codes:
                truth = pooled_truth(batch, name)[batch.available[:, k]]
                error = error + gap_to(truth, decoder(codes[k])).square().sum(dim=1).mean()
        return {"reconstruction": self.reconstruction * error}


def linear_head(kind: str, width: int, schema: Schema) -> Head:
    """A head of one linear layer with zero initial weights, and with the loss and the output of its kind."""
    head = make_head(kind, width, schema.task, dropout=0.0)
    last = head.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    head.layers = nn.Sequential(last)
    return head
