"""A whole modality as one vector, without learning anything: the mean over its frames."""

import torch

from md2n.batch import SequenceBatch
from md2n.modality import Modality
from md2n.shapes import Float, Tensor


def pooled(batch: SequenceBatch, name: str) -> Float[Tensor, "batch dim"]:
    """Mean over the frames that may be read, of each feature where it is known; zeros where there are none."""
    count = batch.known(name).sum(dim=1).clamp(min=1)
    mean: Tensor = batch.readable(name).sum(dim=1) / count
    return mean


def pooled_inputs(batch: SequenceBatch, modality: Modality) -> Float[Tensor, "batch input"]:
    """What an encoder reads of a modality as one vector: ``pooled``, and in what part of the frames it is unknown.

    Returns:
        ``[B, modality.input_dim]``.
    """
    mean = pooled(batch, modality.name)
    if not modality.gaps:
        return mean
    frames = batch.frames(modality.name).sum(dim=1, keepdim=True).clamp(min=1)
    unknown = batch.inputs(modality)[..., modality.dim :].sum(dim=1) / frames
    return torch.cat([mean, unknown], dim=1)


def pooled_truth(batch: SequenceBatch, name: str) -> Float[Tensor, "batch dim"]:
    """``pooled`` of everything that the data hold, NaN at features that no frame has: for losses only."""
    whole = batch.complete()
    if name not in batch.cells:
        return pooled(whole, name)
    return torch.where(whole.known(name).any(dim=1), pooled(whole, name), torch.nan)
