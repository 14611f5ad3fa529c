"""Pooling of a modality to one vector without parameters: the mean over its frames."""

import torch

from md2n.batch import SequenceBatch
from md2n.modality import Modality
from md2n.shapes import Float, Tensor


def pooled(batch: SequenceBatch, name: str) -> Float[Tensor, "batch dim"]:
    """Mean of each feature over the readable frames in which it is known; zero if there are none."""
    count = batch.known(name).sum(dim=1).clamp(min=1)
    mean: Tensor = batch.readable(name).sum(dim=1) / count
    return mean


def pooled_inputs(batch: SequenceBatch, modality: Modality) -> Float[Tensor, "batch input"]:
    """The pooled input of an encoder: ``pooled``, and for each feature the share of frames in which it is unknown.

    Returns:
        ``[B, modality.input_dim]``; the shares are left out of a modality without unknown features.
    """
    mean = pooled(batch, modality.name)
    if not modality.gaps:
        return mean
    frames = batch.frames(modality.name).sum(dim=1, keepdim=True).clamp(min=1)
    unknown = batch.inputs(modality)[..., modality.dim :].sum(dim=1) / frames
    return torch.cat([mean, unknown], dim=1)


def pooled_truth(batch: SequenceBatch, name: str) -> Float[Tensor, "batch dim"]:
    """``pooled`` of everything in the data, NaN for features that are unknown in all frames.  For losses only."""
    complete = batch.complete()
    if name not in batch.cells:
        return pooled(complete, name)
    return torch.where(complete.known(name).any(dim=1), pooled(complete, name), torch.nan)
