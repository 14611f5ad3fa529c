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
from md2n.errors import DataError, UsageError
from md2n.fusion.transformer import GIVEN
from md2n.missing import pattern_flags
from md2n.modality import Schema, set_name
from md2n.models.backbone import Backbone
from md2n.models.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.models.config import FusionConfig
from md2n.shapes import Bool, Int, Tensor

MOST = 5  # modalities: 31 networks


class Dedicated(MultimodalModel):
    """One network per non-empty set of modalities.

    A set that no training sample holds whole has an untrained network; its largest trained subset answers for it (the
    one first in the order of modalities, where there are several).

    Raises:
        UsageError: more than five modalities.
    """

    card: ClassVar[Card] = Card(
        title="dedicated",
        paper="the usual protocol of the field: one model per pattern (e.g. Wang, Li, Cui: IMDer. NeurIPS 2023, "
        "Sec. 4.1)",
        year=2023,
        family="ceiling",
        differences="All networks are trained at once and their checkpoint is chosen once, by the mean over patterns; "
        "runs of their own would choose for each. At most five modalities, because there are 2^M - 1 networks and a "
        "step costs as much as all of them.",
        recovers=False,
    )

    flags: Bool[Tensor, "network modality"]
    trained: Int[Tensor, " network"]

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        count = len(schema.modalities)
        if count > MOST:
            raise UsageError(
                f"'dedicated' trains a network for every set of modalities: {2**count - 1} of them for {count}",
                f"choose at most {MOST} modalities with data.modalities, or another method (modality_dropout)",
            )
        # Smaller sets first; the last is the complete one.
        self.patterns = tuple(p for size in range(1, count + 1) for p in combinations(schema.names, size))
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

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        answering = self._answering()
        own = (batch.available[:, None] == self.flags).all(dim=2).long().argmax(dim=1)
        pieces, order = [], []
        for i in sorted(set(own.tolist())):
            rows = (own == i).nonzero()[:, 0]
            if answering[i] < 0:
                raise DataError(
                    f"no training sample holds any of {set_name(self.patterns[i])}, so no network was trained for it",
                    "leave the modality out, or train on samples that have it",
                )
            network = self._network(answering[i])
            pieces.append(network.head.output(self._raw(network, batch.select(rows))))
            order.append(rows)
        output = torch.cat(pieces)[torch.cat(order).argsort()]
        return Prediction(output, torch.zeros_like(output))

    def _answering(self) -> list[int]:
        """For each set the network that answers: its own, or that of its largest trained subset; -1 where none was.

        An untrained model answers with its own networks.
        """
        seen = [bool(n) for n in self.trained.tolist()]
        if not any(seen):
            return list(range(len(seen)))
        chosen = []
        for pattern in self.patterns:
            subsets = [j for j, other in enumerate(self.patterns) if seen[j] and set(other) <= set(pattern)]
            chosen.append(max(subsets, key=lambda j: (len(self.patterns[j]), -j), default=-1))
        return chosen
