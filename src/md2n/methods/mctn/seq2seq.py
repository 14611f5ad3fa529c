"""Recurrent translation: a bidirectional encoder, a decoder with attention, and a reader of encodings.

No module receives the target of a translation.  The decoder reads its own last output, in training as in use.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from md2n.shapes import Bool, Float, Int, Tensor


class Encoder(nn.Module):
    """A bidirectional LSTM over the readable positions; the two directions are summed.

    Args:
        width: width of the input.
        hidden: width of the output.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)

    def forward(
        self, x: Float[Tensor, "batch position width"], readable: Bool[Tensor, "batch position"]
    ) -> Float[Tensor, "batch position hidden"]:
        """The states; zero at positions that are not readable.

        Args:
            x: input.
            readable: True up to the last position of a sample (at least one), False after it.
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
        """The mean of ``encoded`` with attention weights; ``keys`` is ``self.key(encoded)``, computed once."""
        scores = torch.where(readable, (keys @ query[..., None])[..., 0], -torch.inf)
        mean: Tensor = (scores.softmax(dim=1)[:, None] @ encoded)[:, 0]
        return mean


class Decoder(nn.Module):
    """An LSTM that attends to the encoded source in each step and reads its own last output.

    The first input is an embedding of the target modality.

    Args:
        targets: number of target modalities.
        hidden: width of the encoded source and of the output.
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
        """The outputs of ``steps`` steps; a linear layer of each row's ``target`` maps them to features."""
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
    """Reduces an encoding to one vector: an LSTM, and soft attention of a learned query to its states."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))

    def forward(
        self, encoded: Float[Tensor, "batch position hidden"], readable: Bool[Tensor, "batch position"]
    ) -> Float[Tensor, "batch hidden"]:
        """The vector.  ``readable`` is as in ``Encoder``, so positions that are not readable do not affect it."""
        states, _ = self.lstm(encoded)
        scores = torch.where(readable, self.score(states)[..., 0], -torch.inf)
        vector: Tensor = (scores.softmax(dim=1)[:, None] @ states)[:, 0]
        return vector
