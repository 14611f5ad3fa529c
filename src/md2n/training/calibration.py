"""The last act of training: a method that calibrates itself does so on validation samples, with the chosen weights."""

from collections.abc import Sequence

import numpy as np
import torch

from md2n.batch import Dataset
from md2n.methods.base import Calibrates, MultimodalModel
from md2n.training.feed import Feed

ROWS = 1024  # validation samples at most, evenly chosen
BATCH = 64


def calibrate(model: MultimodalModel, feed: Feed, valid_set: Dataset) -> Sequence[str]:
    """Calibrates a model in place, where it has anything to calibrate; nothing random, so a rerun gives the same.

    Args:
        model: with the chosen weights, on the feed's device; left in evaluation mode.
        feed: the training split.
        valid_set: validation samples.

    Returns:
        Sentences for the user.
    """
    model.eval()
    if not isinstance(model, Calibrates):
        return ()
    chosen = np.unique(np.linspace(0, len(valid_set) - 1, min(len(valid_set), ROWS)).astype(np.int64))
    parts = (chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH))
    with torch.no_grad():
        return model.calibrate(feed.complete(), [valid_set.batch(part).complete().to(feed.device) for part in parts])
