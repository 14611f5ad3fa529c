r"""GCNet: utterances of a conversation as nodes of a graph, so that neighbours fill in for what an utterance misses.

A node is an utterance's features, pooled over time, side by side, with zeros for what is missing.  LSTMs run along
conversations in both directions; two graph branches gather from neighbours within a window, one by *time* (past,
present, future), one by *speaker*; LSTMs run along what was gathered; the branches are summed to ``h``, and

    L = L_task(head(h)) + mean_missing |R_k h - x_k|^2 / d_k,

``R_k`` linear.  The networks are in ``md2n.methods.gcnet.graph``.

*Differences.*  ``x_k`` is the mean over an utterance's frames, as the paper's features are of whole utterances: a
sequence is given back as that mean in each of its frames.  No data here say who speaks, so the branch by speaker knows
one, as for the paper's monologues.  Data without conversations (no group called ``video``, ``conversation`` or
``dialogue``) make every sample a graph of its own, and the method a network on a single node.
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
        differences="Where the data have no conversations (no group video, conversation or dialogue) every sample is "
        "its own graph: no neighbour, no context. Where they have, it reads what is available of the "
        "utterances before and after, which no other method here may. Neighbours are those in the same "
        "batch, which holds whole conversations, in training but for those as long as a batch. "
        "One speaker. Features are means over frames, and so is what comes back, repeated in each frame, without a "
        "spread. Any number of modalities; dropout on the features; L1 for real labels, where the original has the "
        "squared error, which is a mean over what is missing, not over utterances; a ReLU between the two layers "
        "of a graph branch, none after the second LSTM, and a head of two layers, unlike the public code. "
        "Distillation from the complete view is not offered.",
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
        """The state of every sample, h."""
        features = torch.cat([pooled_inputs(batch, m) for m in self.schema.modalities], dim=1)
        conversations = Conversations.of(batch)
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
        """The reconstructed mean over frames in every frame; without a spread, for it says nothing of its error."""
        nodes, features = self._nodes(batch), {}
        for k, (name, layer) in enumerate(zip(self.schema.names, self.reconstruct)):
            values = batch.readable(name)
            features[name] = torch.where(
                batch.missing[:, k, None, None], layer(nodes)[:, None].expand_as(values), values
            )
        return Recovery(features, {}, {name: x[None] for name, x in features.items()})
