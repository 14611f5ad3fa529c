"""Dedicated: a fusion Transformer of its own for every set of modalities that can be available.

The ceiling of what one model for all patterns can hope for without recovering anything: the published protocol, one
model per pattern.  In each step the network of pattern P is trained on the batch's samples that hold all of P, reading
only P; so each gets the updates that it would get in a run of its own.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.fusion.transformer import GIVEN
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import FusionConfig
from md2n.missing import incomplete_patterns, pattern_flags, pattern_name
from md2n.modality import Schema, set_name
from md2n.shapes import Bool, Int, Tensor

ALL_SETS = 5  # modalities: up to here every set has a network, 31 of them


class Dedicated(MultimodalModel):
    """One network per non-empty set of modalities; for more than five of them, per set of the fixed protocol.

    A set without a network, or whose network no training sample could train, is answered for by its largest trained
    subset (the one first in the order of modalities, where there are several).
    """

    card: ClassVar[Card] = Card(
        title="dedicated",
        paper="the usual protocol of the field: one model per pattern (e.g. Wang, Li, Cui: IMDer. NeurIPS 2023, "
        "Sec. 4.1)",
        year=2023,
        family="ceiling",
        differences="All networks are trained at once and their checkpoint is chosen once, by the mean over patterns; "
        "runs of their own would choose for each. With more than five modalities only the sets of the fixed protocol "
        "have networks (2^M - 1 would be too many); another set is answered for by its largest subset that has one.",
        recovers=False,
    )

    flags: Bool[Tensor, "network modality"]
    trained: Int[Tensor, " network"]

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        names, count = schema.names, len(schema.modalities)
        # Smaller sets first; the last is the complete one.
        if count <= ALL_SETS:
            self.patterns = tuple(p for size in range(1, count + 1) for p in combinations(names, size))
        else:
            self.patterns = (*incomplete_patterns(names), names)
        flags = torch.tensor([pattern_flags(p, schema.names) for p in self.patterns])
        self.register_buffer("flags", flags, persistent=False)
        self.register_buffer("trained", torch.zeros(len(self.patterns), dtype=torch.long))
        self.networks = nn.ModuleList(Backbone(schema, config, names=p) for p in self.patterns)

    def phases(self) -> Sequence[Phase]:
        return (Phase(patterns="complete"),)

    def _network(self, number: int) -> Backbone:
        network = self.networks[number]
        assert isinstance(network, Backbone)
        return network

    def _raw(self, network: Backbone, batch: SequenceBatch) -> torch.Tensor:
        latents = network.encode(batch)
        state = torch.full(latents.shape[:2], GIVEN, dtype=torch.long, device=latents.device)
        return network.fuse(latents, state)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        parts = {}
        for i, pattern in enumerate(self.patterns):
            rows = (batch.available | ~self.flags[i]).all(dim=1)
            if not bool(rows.any()):
                continue
            held = batch if bool(rows.all()) else batch.select(rows)
            network = self._network(i)
            parts[set_name(pattern)] = network.task_loss(self._raw(network, held), held)
            if self.training:
                self.trained[i] += int(network.head.known(held.labels).sum())
        return Losses(parts)

    def apart(self) -> Sequence[str]:
        return tuple(f"networks.{i}." for i in range(len(self.networks)))

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        own = self._answering(batch)
        pieces, order = [], []
        for i in sorted(set(own.tolist())):
            rows = (own == i).nonzero()[:, 0]
            network = self._network(i)
            pieces.append(network.head.output(self._raw(network, batch.select(rows))))
            order.append(rows)
        return Prediction(torch.cat(pieces)[torch.cat(order).argsort()])

    def _answering(self, batch: SequenceBatch) -> Int[Tensor, " batch"]:
        """The network that answers for every row: that of the largest trained set of which the row has all.

        An untrained model answers with all its networks.
        """
        trained = self.trained > 0
        fits = (batch.available[:, None] | ~self.flags).all(dim=2) & (trained | ~trained.any())
        if not bool(fits.any(dim=1).all()):
            row = batch.available[~fits.any(dim=1)][0].tolist()
            raise DataError(
                f"no training sample holds any of {pattern_name(tuple(row), batch.names)}, so no network was trained "
                "for it",
                "leave the modality out, or train on samples that have it",
            )
        # Of several of one size argmax takes the first.
        return (fits * self.flags.sum(dim=1)).argmax(dim=1)
