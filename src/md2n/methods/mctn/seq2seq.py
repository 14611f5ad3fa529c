"""Recurrent translation: an encoder of both directions, a decoder with attention, and a reader of what was encoded.

No part is ever shown what it is to translate to: the decoder is fed its own last output, in training as in use.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from md2n.shapes import Bool, Float, Int, Tensor


class Encoder(nn.Module):
    """An LSTM in both directions over the readable positions, the directions summed; zeros at the others.

    Args:
        width: of what is read.
        hidden: of the result.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)

    def forward(
        self, x: Float[Tensor, "batch position width"], readable: Bool[Tensor, "batch position"]
    ) -> Float[Tensor, "batch position hidden"]:
        """The states.

        Args:
            x: what is read.
            readable: True up to a sample's last position (at least one), False after it.
        """
        packed = pack_padded_sequence(x, readable.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        forwards, backwards = states.chunk(2, dim=2)
        both: Tensor = forwards + backwards
        return both


class Attention(nn.Module):
    """Soft attention of one query to encoded positions: ``softmax(q W e)``."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(hidden, hidden, bias=False)

    def forward(
        self,
        query: Float[Tensor, "row hidden"],
        keys: Float[Tensor, "row position hidden"],
        encoded: Float[Tensor, "row position hidden"],
        readable: Bool[Tensor, "row position"],
    ) -> Float[Tensor, "row hidden"]:
        """The mean of ``encoded`` under the attention; ``keys`` is ``self.key(encoded)``, made once."""
        scores = torch.where(readable, (keys @ query[..., None])[..., 0], -torch.inf)
        mean: Tensor = (scores.softmax(dim=1)[:, None] @ encoded)[:, 0]
        return mean


class Decoder(nn.Module):
    """An LSTM that attends to the encoded source at each step and reads its own last output; told its target first.

    Args:
        targets: modalities that can be translated to.
        hidden: of the encoded source and of the result.
    """

    def __init__(self, targets: int, hidden: int) -> None:
        super().__init__()
        self.start = nn.Embedding(targets, hidden)
        self.begin = nn.Linear(hidden, hidden)
        self.cell = nn.LSTMCell(2 * hidden, hidden)
        self.attention = Attention(hidden)
        self.out = nn.Linear(2 * hidden, hidden)

    def forward(
        self,
        encoded: Float[Tensor, "row position hidden"],
        readable: Bool[Tensor, "row position"],
        target: Int[Tensor, " row"],
        steps: int,
    ) -> Float[Tensor, "row step hidden"]:
        """Outputs of ``steps`` steps, to be read out as features of each row's ``target``."""
        keys = self.attention.key(encoded)
        count = readable.sum(dim=1, keepdim=True)
        state = self.begin((encoded * readable[..., None]).sum(dim=1) / count).tanh()
        memory, out, outputs = torch.zeros_like(state), self.start(target), []
        for _ in range(steps):
            context = self.attention(state, keys, encoded, readable)
            state, memory = self.cell(torch.cat([out, context], dim=1), (state, memory))
            out = self.out(torch.cat([state, context], dim=1)).tanh()
            outputs.append(out)
        return torch.stack(outputs, dim=1)


class Reader(nn.Module):
    """An LSTM over what was encoded, and soft attention of a learned query to its states: one vector."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))

    def forward(
        self, encoded: Float[Tensor, "batch position hidden"], readable: Bool[Tensor, "batch position"]
    ) -> Float[Tensor, "batch hidden"]:
        """``readable`` as in ``Encoder``: nothing that is read has seen what stands after it."""
        states, _ = self.lstm(encoded)
        scores = torch.where(readable, self.score(states)[..., 0], -torch.inf)
        vector: Tensor = (scores.softmax(dim=1)[:, None] @ states)[:, 0]
        return vector
