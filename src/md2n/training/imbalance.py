"""Classes of unequal size: their weights in the task loss, and the measure that chooses a checkpoint.

Where every sample counts the same, loss and accuracy first favour a model that always answers a large class.  With N
samples of C classes, n_c of class c, the weights are

    balanced   N / (C n_c)           every class counts the same; a model answers as if all were equally frequent
    root       sqrt(N / (C n_c))     between that and equal samples

both divided by their mean over samples.  The former has the best balanced accuracy but answers small classes too often
for a good macro F1; ``auto`` takes the latter (docs/log.md).
"""

import numpy as np

from md2n.fusion.head import ClassHead
from md2n.methods.base import MultimodalModel
from md2n.modality import Task
from md2n.training.config import TrainerConfig

POWERS = {"none": 0.0, "root": 0.5, "balanced": 1.0}


def class_weights(choice: str, task: Task) -> tuple[float, ...]:
    """Weights of the classes, one on average over the training samples; empty where samples count alike.

    Args:
        choice: ``none``, ``root``, ``balanced``, or ``auto``, which is ``root`` for lopsided classes, else ``none``.
        task: whose ``counts`` say how often a class occurs; a class that never does has the weight 0.
    """
    if choice == "auto":
        choice = "root" if task.lopsided else "none"
    if not task.counts or choice == "none":
        return ()
    counts = np.asarray(task.counts, np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -POWERS[choice], 0.0)
    return tuple((weights * counts.sum() / (weights @ counts)).tolist())


def weigh(model: MultimodalModel, weights: tuple[float, ...]) -> None:
    """Sets the weights in every head of the model; none, where there are none."""
    heads = [part for part in model.modules() if isinstance(part, ClassHead)]
    for head in heads if weights else ():
        head.weigh(weights)


def by_balance(config: TrainerConfig, task: Task) -> bool:
    """Whether checkpoints are chosen on the balanced accuracy."""
    return config.select_on == "balanced" or (config.select_on == "auto" and task.lopsided)
