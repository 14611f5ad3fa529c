"""A whole modality as one vector, without learning anything: the mean over its frames."""

from md2n.batch import SequenceBatch
from md2n.shapes import Float, Tensor


def pooled(batch: SequenceBatch, name: str) -> Float[Tensor, "batch dim"]:
    """Mean over the frames that may be read; zeros where there are none."""
    count = batch.frames(name).sum(dim=1, keepdim=True).clamp(min=1)
    mean: Tensor = batch.readable(name).sum(dim=1) / count
    return mean
