"""The last block of a Transformer, asked for the first tokens only."""

import torch

from md2n.nn.transformer import Transformer
from md2n.seeding import generator


def test_the_first_tokens_are_those_of_the_whole_sequence_in_use_and_in_training() -> None:
    torch.manual_seed(0)
    transformer = Transformer(width=8, heads=2, layers=2, dropout=0.5).double()
    x = torch.randn(3, 5, 8, generator=generator(0, "x"), dtype=torch.float64, requires_grad=True)
    readable = torch.tensor([[True, True, True, False, True]] * 3)
    for training in (False, True):
        transformer.train(training)
        torch.manual_seed(1)
        whole = transformer(x, readable)[:, :2]
        torch.manual_seed(1)
        few = transformer(x, readable, first=2)
        torch.testing.assert_close(few, whole)  # the same numbers are dropped
        gradients = (torch.autograd.grad(y.square().sum(), x)[0] for y in (few, whole))
        torch.testing.assert_close(*gradients)
