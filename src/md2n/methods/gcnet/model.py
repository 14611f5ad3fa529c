r"""GCNet: a graph over the utterances of a conversation, so that neighbours replace missing features of an utterance.

A node holds the features of one utterance, pooled over time and concatenated, with zeros for missing modalities.
Bidirectional LSTMs run along the conversations.  Two graph branches then collect the features of neighbours within a
window: the relations of one are *time* (past, present, future), those of the other *speakers*.  LSTMs run along the
output of each branch.  The sum of the two branches is ``h``.  With linear layers ``R_k`` the loss is

    L = L_task(head(h)) + mean_missing |R_k h - x_k|^2 / d_k.

The networks are in ``md2n.methods.gcnet.graph``.

*Differences.*  ``x_k`` is the mean over the frames of an utterance, because the features of the paper describe whole
utterances.  A recovered sequence repeats this mean in each frame.  Our data do not name speakers, so the branch by
speaker has a single relation, as for the monologues of the paper.  In data without conversations (no group called
``video``, ``conversation`` or ``dialogue``) every sample is a graph of one node.
"""

from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import gap_to
from md2n.fusion.head import Head, make_head
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction, Recovery
from md2n.methods.gcnet.config import GCNetConfig
from md2n.methods.gcnet.graph import ConversationLSTM, Conversations, GraphBranch
from md2n.methods.parts.pooling import pooled_inputs, pooled_truth
from md2n.modality import Schema
from md2n.shapes import Float, Tensor


class GCNet(MultimodalModel):
    """Graph completion network."""

    card: ClassVar[Card] = Card(
        title="GCNet",
        paper="Lian, Chen, Sun, Liu, Tao: GCNet: Graph Completion Network for Incomplete Multimodal Learning in "
        "Conversation. TPAMI 45(7), 2023",
        year=2023,
        family="graph",
        differences="In data without conversations (no group video, conversation or dialogue) every sample is its "
        "own graph, without neighbours or context. In data with conversations it reads the available modalities of "
        "the utterances before and after, which no other method here does. Neighbours are those in the same batch. A "
        "batch holds whole conversations; in training, conversations as long as a batch can be split. One speaker. "
        "Features are means over frames; the recovery repeats its mean in each frame and has no standard deviation. "
        "Any number of modalities; dropout of the features. The task loss is L1 for real labels instead of the "
        "squared error. The reconstruction error is a mean over what is missing, not over utterances. Unlike the "
        "public code, there is a ReLU between the two layers of a graph branch and none after the second LSTM, and "
        "the head has two layers. Distillation from the complete view is not offered.",
        recovers=True,
    )
    conversational: ClassVar[bool] = True

    def __init__(self, schema: Schema, config: GCNetConfig) -> None:
        super().__init__(schema)
        self.config = config
        node = 2 * config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.before = ConversationLSTM(sum(m.input_dim for m in schema.modalities), config.hidden, config.dropout)
        self.by_time = GraphBranch(node, config.hidden, 3, config.dropout)
        self.by_speaker = GraphBranch(node, config.hidden, 1, config.dropout)
        self.head: Head = make_head(config.head, node, schema.task, config.dropout)
        self.reconstruct = nn.ModuleList(nn.Linear(node, m.dim) for m in schema.modalities)

    def _nodes(self, batch: SequenceBatch) -> Float[Tensor, "batch node"]:
        """The states h of the samples."""
        features = torch.cat([pooled_inputs(batch, m) for m in self.schema.modalities], dim=1)
        conversations = Conversations.from_batch(batch)
        index, lengths = conversations.lines()
        relations = conversations.relations(self.config.window)
        nodes = self.before(self.dropout(features), index, lengths)
        speaker = relations.any(dim=0, keepdim=True)
        states: list[Tensor] = [
            self.by_time(nodes, relations, index, lengths),
            self.by_speaker(nodes, speaker, index, lengths),
        ]
        return states[0] + states[1]

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        nodes = self._nodes(batch)
        wanted = batch.present & batch.missing
        error = nodes.new_zeros(())
        for k, (name, layer) in enumerate(zip(self.schema.names, self.reconstruct)):
            each = gap_to(pooled_truth(batch, name), layer(nodes)).square().mean(dim=1)
            error = error + (each * wanted[:, k]).sum()
        return Losses(
            {
                "task": self.head.mean_loss(self.head(nodes), batch.labels),
                "reconstruction": self.config.reconstruction * error / wanted.sum().clamp(min=1),
            }
        )

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.head.output(self.head(self._nodes(batch))))

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """The reconstructed mean, repeated in every frame; without a standard deviation, since the error is unknown."""
        nodes, features = self._nodes(batch), {}
        for k, (name, layer) in enumerate(zip(self.schema.names, self.reconstruct)):
            values = batch.readable(name)
            features[name] = torch.where(
                batch.missing[:, k, None, None], layer(nodes)[:, None].expand_as(values), values
            )
        return Recovery(features, {}, {name: x[None] for name, x in features.items()})
