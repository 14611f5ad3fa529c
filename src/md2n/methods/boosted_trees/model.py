"""Boosted trees: gradient-boosted decision trees on the numbers of all modalities side by side.

Trees read unknown numbers as they are: at each split the rows whose number is unknown go to the side that serves the
loss.  A row has a flag for each modality and then its numbers: frames end to end, or their mean over time for long
sequences.  Each training sample is a row several times, once whole and else with drawn modalities hidden, so one model
answers under every pattern.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.fusion.head import make_head, standardised
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.boosted_trees.config import BoostedTreesConfig
from md2n.methods.boosted_trees.fitting import Table, grow
from md2n.methods.boosted_trees.trees import Trees
from md2n.missing import draw_available
from md2n.modality import Schema
from md2n.shapes import Float, Tensor

NUMBERS = 256  # a sequence of more of them is read by its mean over time


class Start(nn.Module):
    """Adds the raw outputs that boosting starts from."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(outputs))

    def forward(self, answers: Float[Tensor, "batch outputs"]) -> Float[Tensor, "batch outputs"]:
        """Raw outputs from the sums over trees."""
        return answers + self.start


class BoostedTrees(MultimodalModel):
    """Histogram-based gradient boosting, grown by scikit-learn and kept as tensors."""

    card: ClassVar[Card] = Card(
        title="boosted trees",
        paper="gradient boosting (Friedman: Annals of Statistics 29(5), 2001), on histograms as in Ke et al.: "
        "LightGBM. NeurIPS 2017; scikit-learn's HistGradientBoosting",
        year=2017,
        family="reference",
        differences="Unknown numbers are left unknown, with a flag for each modality. A training sample is four rows: "
        "one is whole, three have drawn modalities hidden (modality dropout). The number of rounds, up to 100, is the "
        "best one for a held-out fifth of the training samples; then all are fitted. A sequence of more than "
        f"{NUMBERS} numbers is its mean over time; in shorter ones numbers past the end are unknown. Real labels are "
        "fitted by squared error: by absolute error, the fit hangs on the last digit of a label. Class weights are "
        "those of the trainer. Its other settings do not matter: the fit takes no gradient steps. A prediction walks "
        "every tree to a leaf: 100 trees at most, 100 for each class where there are more than two.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: BoostedTreesConfig) -> None:
        super().__init__(schema)
        self.config = config
        self.lengths = tuple(m.length if m.length * m.dim <= NUMBERS else 1 for m in schema.modalities)
        columns = sum(1 + n * m.dim for n, m in zip(self.lengths, schema.modalities))
        outputs = schema.task.output_dim
        self.trees = Trees(columns, outputs, config.leaves)
        self.head = make_head("auto", 1, schema.task, 0.0)
        self.head.layers = nn.Sequential(Start(outputs))

    def phases(self) -> Sequence[Phase]:
        return (Phase("grow", fit=self.fit),)

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Grows the trees on the samples with a known label.  What is hidden follows torch's own generator.

        Raises:
            DataError: no training label is known.
        """
        rows, labels, weights, samples, count = [], [], [], [], 0
        for whole in batches:
            labelled = whole.select(self.head.known(whole.labels) > 0)
            for copy in range(self.config.copies if labelled.size else 0):
                drawn = draw_available(labelled.present.cpu(), torch.default_generator)
                batch = labelled.hide(drawn.to(labelled.device)) if copy else labelled.complete()
                rows.append(self.columns(batch).float().cpu())
                labels.append(labelled.labels.cpu())
                weights.append(self.head.weight(labelled.labels).double().cpu())
                samples.append(torch.arange(count, count + labelled.size))
            count += labelled.size
        if not count:
            raise DataError("no training sample has a label", "choose another label column, or other splits")
        task, y = self.schema.task, torch.cat(labels)
        y = y if task.kind == "classification" else standardised(y, task).float().double()  # alike in any unit
        table = Table(*(v.numpy() for v in (torch.cat(rows), y, torch.cat(weights), torch.cat(samples))))
        grown = grow(table, task, self.config, int(torch.randint(2**31, ())))
        self.trees.hold(grown.trees, grown.outputs)
        first = self.head.layers[0]
        assert isinstance(first, Start)
        first.start.copy_(torch.from_numpy(grown.start))

    def columns(self, batch: SequenceBatch) -> Float[Tensor, "batch column"]:
        """The rows that trees read: flags of the modalities, then their numbers, NaN where unknown."""
        parts = [batch.available.to(batch.features[batch.names[0]].dtype)]
        for modality, length in zip(self.schema.modalities, self.lengths):
            x, known = batch.readable(modality.name), batch.known(modality.name)
            known = known.expand_as(x)
            if length == 1 and not modality.is_vector:
                parts.append(x.sum(dim=1) / known.sum(dim=1))  # 0 / 0: unknown
            else:
                numbers = torch.where(known, x, float("nan"))[:, :length]
                more = length - numbers.shape[1]
                parts.append(F.pad(numbers, (0, 0, 0, more), value=float("nan")).flatten(1))
        return torch.cat(parts, dim=1)

    def _raw(self, batch: SequenceBatch) -> Float[Tensor, "batch outputs"]:
        raw: Tensor = self.head(self.trees(self.columns(batch)))
        return raw

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.head.mean_loss(self._raw(batch), batch.labels)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.head.output(self._raw(batch)))
