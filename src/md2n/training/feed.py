"""What a phase is fed: the training split in the epoch's order, in batches, with a pattern drawn for every sample."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset, SequenceBatch
from md2n.data.conversation import conversation_order, cuts
from md2n.data.dataset import epoch_order
from md2n.methods.base import Phase
from md2n.missing import draw_available
from md2n.seeding import generator
from md2n.training.config import TrainerConfig
from md2n.training.phases import split_batches


class Feed:
    """Batches as functions of the seed and of numbers a checkpoint holds; it has no state of its own.

    Args:
        dataset: the training split, N samples.
        config: batch size, and the probability that a sample stays complete.
        seed: of the run.
        device: where batches go.
        conversation: ``[N]`` codes of conversations, where the method reads them: a batch holds whole ones, so its
            size is near to what is asked for, and only one as long as an even batch is cut.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: TrainerConfig,
        seed: int,
        device: torch.device,
        conversation: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.dataset, self.config, self.seed, self.device = dataset, config, seed, device
        self.conversation = conversation
        self.batches = -(-len(dataset) // config.batch_size)

    def epoch(self, epoch: int, position: int) -> Iterator[npt.NDArray[np.int64]]:
        """Positions in the data set, batch by batch, of an epoch of which ``position`` batches are done."""
        if self.conversation is None:
            batches = split_batches(epoch_order(len(self.dataset), self.seed, epoch), self.config.batch_size)
        else:
            order = conversation_order(self.conversation, self.seed, epoch)
            batches = np.split(order, cuts(self.conversation[order], self.batches))
        yield from batches[position:]

    def batch(self, positions: npt.NDArray[np.int64], phase: Phase, step: int) -> SequenceBatch:
        """The samples as the phase wants them at a step: patterns drawn, or everything present."""
        batch = self.dataset.batch(positions)
        if phase.patterns == "drawn":
            coins = generator(self.seed, "patterns", step)
            batch = batch.hide(draw_available(batch.present, coins, self.config.keep_all))
        return batch.to(self.device)

    def complete(self) -> Iterator[SequenceBatch]:
        """Every sample once, in the order of the data, with everything present available: for a closed-form fit."""
        for positions in split_batches(np.arange(len(self.dataset), dtype=np.int64), self.config.batch_size):
            yield self.dataset.batch(positions).complete().to(self.device)
