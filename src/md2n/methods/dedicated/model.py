"""Dedicated: a separate fusion Transformer for every set of modalities that can be available.

It is an upper bound for one model of all patterns without recovery, and the usual protocol of publications: one model
per pattern.  In each step the network of pattern P is trained on the samples of the batch that hold all of P.  It reads
P only.  So each network gets the updates of a separate run.
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

ALL_SETS = 5  # up to this number of modalities every set has a network (31 networks)


class Dedicated(MultimodalModel):
    """One network per non-empty set of modalities; with more than five modalities, one per set of the fixed protocol.

    A set without a trained network uses the network of its largest trained subset.  Among subsets of equal size the
    first in the order of modalities is used.
    """

    card: ClassVar[Card] = Card(
        title="dedicated",
        paper="the usual protocol of the field: one model per pattern (e.g. Wang, Li, Cui: IMDer. NeurIPS 2023, "
        "Sec. 4.1)",
        year=2023,
        family="upper bound",
        differences="All networks are trained in one run. One checkpoint is chosen by the mean over patterns; separate "
        "runs would choose one for each. With more than five modalities only the sets of the fixed protocol have "
        "networks (2^M - 1 would be too many). Any other set uses the network of its largest subset that has one.",
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
            selection = batch if bool(rows.all()) else batch.select(rows)
            network = self._network(i)
            parts[set_name(pattern)] = network.task_loss(self._raw(network, selection), selection)
            if self.training:
                self.trained[i] += int(network.head.known(selection.labels).sum())
        return Losses(parts)

    def independent_parts(self) -> Sequence[str]:
        return tuple(f"networks.{i}." for i in range(len(self.networks)))

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        index = self._network_index(batch)
        pieces, order = [], []
        for i in sorted(set(index.tolist())):
            rows = (index == i).nonzero()[:, 0]
            network = self._network(i)
            pieces.append(network.head.output(self._raw(network, batch.select(rows))))
            order.append(rows)
        return Prediction(torch.cat(pieces)[torch.cat(order).argsort()])

    def _network_index(self, batch: SequenceBatch) -> Int[Tensor, " batch"]:
        """Index of the network of each row: that of the largest trained set whose modalities are all available.

        In an untrained model all networks count as trained.
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
        # argmax takes the first of several sets of equal size.
        return (fits * self.flags.sum(dim=1)).argmax(dim=1)
