r"""Utterances as nodes of a graph: the relations between nodes, graph convolutions, and LSTMs along conversations.

Nodes i and j are neighbours if they are utterances of one conversation and ``|place_i - place_j| <= window``.  Every
node is a neighbour of itself.  A relational graph convolution has a matrix for each relation r,

    h_i' = W h_i + sum_r mean_{j in N_r(i)} W_r h_j

(Schlichtkrull et al. 2018).  A graph convolution has a single matrix: ``h_i' = W h_i + sum_{j in N(i)} V h_j``.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True)
class Conversations:
    """The conversations in a batch of B utterances.

    Args:
        conversation: ``[B]`` number of the conversation of each utterance.
        place: ``[B]`` position of the utterance in its conversation.
    """

    conversation: Int[Tensor, " batch"]
    place: Int[Tensor, " batch"]

    __repr__ = brief

    @staticmethod
    def from_batch(batch: SequenceBatch) -> "Conversations":
        """The conversations of a batch.  A sample without a conversation forms one of its own."""
        alone = -1 - torch.arange(batch.size, device=batch.device)
        if batch.conversation is None or batch.place is None:
            return Conversations(alone, torch.zeros_like(alone))
        return Conversations(torch.where(batch.conversation < 0, alone, batch.conversation), batch.place)

    def relations(self, window: int) -> Bool[Tensor, "3 batch batch"]:
        """True where node j (last axis) is a past neighbour of node i, node i itself, or a future neighbour.

        Two utterances at the same place of a conversation are not neighbours.
        """
        same = self.conversation[:, None] == self.conversation
        lag = self.place - self.place[:, None]
        itself = torch.eye(len(lag), dtype=torch.bool, device=lag.device)
        return torch.stack([same & (lag < 0) & (lag >= -window), itself, same & (lag > 0) & (lag <= window)])

    def lines(self) -> tuple[Int[Tensor, "line longest"], Int[Tensor, " line"]]:
        """Indices into the batch, one conversation per line in the order of places, padded by zeros; and lengths."""
        by_place = self.place.argsort(stable=True)
        order = by_place[self.conversation[by_place].argsort(stable=True)]
        # unique sorts the numbers of conversations, which is the order of the lines.
        _, lengths = torch.unique(self.conversation, return_counts=True)
        inside = torch.arange(int(lengths.max()), device=order.device) < lengths[:, None]
        index = torch.zeros(inside.shape, dtype=torch.long, device=order.device)
        index[inside] = order
        return index, lengths


class ConversationLSTM(nn.Module):
    """Two bidirectional LSTM layers along every conversation.  A single utterance is a sequence of length one.

    Args:
        width: width of a node.
        hidden: width of each direction.
        dropout: between the layers.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=dropout)

    def forward(
        self, nodes: Float[Tensor, "batch width"], index: Int[Tensor, "line longest"], lengths: Int[Tensor, " line"]
    ) -> Float[Tensor, "batch both"]:
        packed = pack_padded_sequence(nodes[index], lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        inside = torch.arange(index.shape[1], device=index.device) < lengths[:, None]
        flat: Tensor = states[inside]
        return flat[index[inside].argsort()]


class GraphBranch(nn.Module):
    """A relational graph convolution, a graph convolution, and LSTMs over the nodes and the output of both.

    Args:
        width: width of a node; ``2 hidden``.
        hidden: width of the layers.
        relations: number of relations.
        dropout: between the layers of the LSTMs.
    """

    def __init__(self, width: int, hidden: int, relations: int, dropout: float) -> None:
        super().__init__()
        self.own = nn.Linear(width, hidden)
        self.kinds = nn.ModuleList(nn.Linear(width, hidden, bias=False) for _ in range(relations))
        self.again = nn.Linear(hidden, hidden)
        self.around = nn.Linear(hidden, hidden, bias=False)
        self.along = ConversationLSTM(width + hidden, hidden, dropout)

    def forward(
        self,
        nodes: Float[Tensor, "batch width"],
        relations: Bool[Tensor, "kind batch batch"],
        index: Int[Tensor, "line longest"],
        lengths: Int[Tensor, " line"],
    ) -> Float[Tensor, "batch both"]:
        edges = relations.to(nodes.dtype)
        shares = edges / edges.sum(dim=2, keepdim=True).clamp(min=1)
        gathered = self.own(nodes)
        for share, kind in zip(shares, self.kinds):
            gathered = gathered + share @ kind(nodes)
        gathered = gathered.relu()
        gathered = self.again(gathered) + edges.sum(dim=0) @ self.around(gathered)
        states: Tensor = self.along(torch.cat([nodes, gathered], dim=1), index, lengths)
        return states
