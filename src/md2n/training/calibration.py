"""The last act of training: what is learned from validation samples, with the chosen weights.

A method that calibrates itself does so; then any method's predictions are calibrated, by what it answers.
"""

from collections.abc import Sequence

import numpy as np
import torch

from md2n.batch import Dataset
from md2n.evaluation.certainty import Certainty, fit_certainty
from md2n.evaluation.inference import batches, conversations_for, evaluation_mode, refuse_nan, to_numpy
from md2n.evaluation.metrics import known
from md2n.methods.base import Calibrates, MultimodalModel
from md2n.seeding import generator, numpy_generator
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


def predictions_certainty(
    model: MultimodalModel, valid_set: Dataset, seed: int, device: torch.device
) -> Certainty | None:
    """How sure a model's predictions may be, for each number of given modalities; a rerun gives the same.

    Every validation sample draws an order of its modalities, and is predicted from the first of them, the first two,
    and so on: so the samples of one number are as exchangeable as the data's own.

    Args:
        model: with the chosen weights; its training mode stays as it is.
        valid_set: N samples; those without a label do not count.
        seed: of orders and draws.
        device: where the model is.

    Returns:
        None where too few labels are known (``md2n.evaluation.certainty``).

    Raises:
        DivergenceError: a prediction is not a number.
    """
    modalities = len(model.schema.names)
    orders = numpy_generator(seed, "certainty").random((len(valid_set), modalities), np.float32)
    outputs, labels, numbers = [], [], []
    with evaluation_mode(model):
        for positions, loaded in batches(valid_set, 256, device, conversations_for(model, valid_set)):
            place = torch.from_numpy(orders[positions]).to(device)
            # [B, M] places of the modalities in the sample's order, from 0; absent ones stand last.
            place = torch.where(loaded.present, place, 2.0).argsort(dim=1).argsort(dim=1)
            for number in range(1, modalities + 1):
                chosen = loaded.present.sum(dim=1) >= number
                if not bool(chosen.any()):
                    continue
                batch = loaded.select(chosen)
                inputs = batch.hide(place[chosen] < number).poisoned()
                prediction = model.predict(inputs, generator(seed, "certainty", number))
                refuse_nan(prediction.output, "in calibration")
                outputs.append(to_numpy(prediction.output))
                labels.append(to_numpy(batch.labels))
                numbers.append(np.full(batch.size, number))
    output, label, number_of = np.concatenate(outputs), np.concatenate(labels), np.concatenate(numbers)
    rows = known(label)
    return fit_certainty(model.schema.task, modalities, output[rows], label[rows], number_of[rows])
