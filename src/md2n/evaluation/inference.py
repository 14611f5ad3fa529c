"""Calling a method: in evaluation mode, batch by batch, with everything hidden from it poisoned."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset, SequenceBatch
from md2n.data.conversation import order_by_conversation, spans
from md2n.errors import DivergenceError, UsageError
from md2n.evaluation.protocols import Condition
from md2n.evaluation.results import PROTOCOLS
from md2n.methods.base import MultimodalModel
from md2n.seeding import numpy_generator
from md2n.shapes import Bool, Tensor


class Meter:
    """CPU seconds and number of samples of a method's calls, added up.

    Args:
        notice: called after every call, with the samples so far.
    """

    def __init__(self, notice: Callable[[int], None] = lambda samples: None) -> None:
        self.notice = notice
        self.cpu_s = 0.0
        self.samples = 0
        self.draws = 0

    @contextmanager
    def answering(self, samples: int) -> Iterator[None]:
        """Counts what happens inside: one call for ``samples`` samples."""
        begun = time.process_time()
        yield
        self.cpu_s += time.process_time() - begun
        self.samples += samples
        self.notice(self.samples)


@contextmanager
def evaluation_mode(model: MultimodalModel) -> Iterator[None]:
    """Evaluation mode, no gradients; the mode of every part is put back as it was."""
    modes = {part: part.training for part in model.modules()}
    model.eval()
    try:
        # Not inference_mode: a tensor that a method stores here could then never be trained through.
        with torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def conversations_for(model: MultimodalModel, dataset: Dataset) -> npt.NDArray[np.int64] | None:
    """``[N]`` codes of the conversations that no batch may cut; None where the method or the data have none."""
    return getattr(dataset, "conversation", None) if model.conversational else None


def batches(
    dataset: Dataset,
    batch_size: int,
    device: torch.device | str,
    conversation: npt.NDArray[np.int64] | None = None,
) -> Iterator[tuple[npt.NDArray[np.int64], SequenceBatch]]:
    """The whole data set in order: the positions in a batch, and the batch.

    Args:
        dataset: N samples.
        batch_size: samples in each but the last.
        device: where batches go.
        conversation: ``[N]`` codes of conversations that are not to be cut: batches differ in size then, and one that
            is not stored in one piece comes where it begins.

    Raises:
        UsageError: a batch size below 1.
    """
    if batch_size < 1:
        raise UsageError(f"a batch of {batch_size} samples is none", "give a batch size of 1 or more")
    order = np.arange(len(dataset), dtype=np.int64) if conversation is None else order_by_conversation(conversation)
    for start, stop in spans(len(dataset), batch_size, None if conversation is None else conversation[order]):
        positions = order[start:stop]
        yield positions, dataset.batch(positions).to(device)


def hidden_batch(
    loaded: SequenceBatch, condition: Condition, positions: npt.NDArray[np.int64], seed: int = 0
) -> tuple[SequenceBatch, SequenceBatch] | None:
    """The samples of a batch that take part in a condition, as a method gets them and as they are.

    Args:
        loaded: the samples at these positions.
        condition: which modalities to hide.
        positions: in the data set.
        seed: of the numbers hidden inside modalities.

    Returns:
        The same samples with hidden features and all labels poisoned, and without; None where every modality of all of
        them is hidden.
    """
    available = torch.from_numpy(condition.available[positions]).to(loaded.device)
    taking_part = available.any(dim=1)
    if not bool(taking_part.any()):
        return None
    whole = loaded if bool(taking_part.all()) else loaded.select(taking_part)
    left = whole.hide_cells(open_cells(whole, condition.inside, seed)) if condition.inside else whole
    return left.hide(available[taking_part]).poisoned(), whole


def open_cells(batch: SequenceBatch, share: float, seed: int) -> dict[str, Bool[Tensor, "batch _time _dim"]]:
    """Modality -> ``[B, T, d]``, False at the numbers that a share hides; the same in whatever batch a sample is.

    Args:
        batch: the samples, nothing hidden yet.
        share: of the known numbers, in [0, 1).
        seed: of the coins.
    """
    flags = {}
    for name in batch.names:
        x = batch.features[name]
        known = to_numpy(batch.known(name).expand_as(x))
        own = (numpy_generator(seed, PROTOCOLS["inside"], name, row) for row in batch.sample_keys.tolist())
        coins = np.stack([coin.random(x.shape[1:]) for coin in own])
        most = np.where(known, coins, -1.0).max(axis=2, keepdims=True)
        flags[name] = torch.from_numpy((coins >= share) | (coins == most)).to(batch.device)
    return flags


def check_conditions(model: MultimodalModel, dataset: Dataset, conditions: Sequence[Condition]) -> None:
    """Refuses conditions that were made for other data.

    Raises:
        UsageError: naming the condition and both shapes.
    """
    shape = (len(dataset), len(model.schema.names))
    for condition in conditions:
        if condition.available.shape != shape:
            raise UsageError(
                f"condition '{condition.name}' was made for {condition.available.shape} (samples, modalities), "
                f"the data have {shape}",
                "make the conditions from the same split and the same modalities",
            )


def refuse_nan(output: torch.Tensor, where: str) -> None:
    """Refuses predictions that are not finite numbers.

    Raises:
        DivergenceError: saying how many and where.
    """
    wrong = int((~torch.isfinite(output.reshape(len(output), -1)).all(dim=1)).sum())
    if wrong:
        raise DivergenceError(
            f"{wrong} of {len(output)} predictions {where} are not finite numbers",
            "the weights hold NaN (take an earlier checkpoint), or the method reads features that are hidden from it",
        )


def to_numpy(x: torch.Tensor) -> npt.NDArray[Any]:
    """A tensor from any device as an array; bfloat16, which NumPy does not have, as float32."""
    local = x.detach().cpu()
    return np.asarray((local.float() if local.dtype == torch.bfloat16 else local).numpy())
