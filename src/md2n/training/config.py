"""Settings of the training loop; written to the run folder before the first step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class TrainerConfig:
    """How a method is trained; the same for every method.

    Args:
        epochs: passes over the training split, divided among a method's phases by their shares.
        steps: optimiser steps instead, divided in the same way, whatever the size of the training split; 0 goes by
            epochs.
        validations: how many in those steps, evenly; of no account where it goes by epochs.
        batch_size: samples per step.
        learning_rate: AdamW's, at the top of the cosine.
        weight_decay: AdamW's; biases, norms and embeddings are left out.
        warmup: part of the steps over which the rate rises linearly.
        final_rate: the cosine ends at this part of ``learning_rate``.
        gradient_clip: largest norm of the whole gradient; 0 turns clipping off.
        average: decay of the exponential weight average that is validated and saved; 0 turns it off.
        keep_all: probability that a training sample keeps every modality (the rest draw an incomplete pattern).
        patience: validations without improvement before a phase ends early; 0 turns it off.
        validate_every: epochs between validations, where it goes by epochs.
        class_weights: weights of the samples in the task loss.  ``none``: all equal; ``balanced``: every class
            counts the same; ``root``: the square root of that; ``auto``: root where the largest class has more than
            five times the training samples of the rarest, else none.
        select_on: what validation compares, as the mean over incomplete patterns: ``score`` (accuracy, or minus MAE),
            ``balanced`` (balanced accuracy, or minus MAE) or ``loss`` (cross-entropy, or MAE); ``auto`` is balanced
            for such classes, else the score.
        calibrate_predictions: whether predictions learn from validation samples, once the weights are chosen, how sure
            they may be: probabilities of classes are calibrated, real labels get intervals.
        checkpoint_s: seconds between checkpoints inside an epoch, on long epochs; one is written after each epoch
            at any rate.
        threads: torch threads; 1 is right for small networks and busy machines.
        precision: ``float32``, or ``bfloat16`` autocast (CUDA only).
        device: ``auto`` takes CUDA, then MPS, then the CPU.
    """

    epochs: Annotated[int, Gt(0)] = 40
    steps: Annotated[int, Ge(0)] = 0
    validations: Annotated[int, Gt(0)] = 20
    batch_size: Annotated[int, Gt(0)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    warmup: Annotated[float, Ge(0), Le(1)] = 0.05
    final_rate: Annotated[float, Ge(0), Le(1)] = 0.02
    gradient_clip: Annotated[float, Ge(0)] = 1.0
    average: Annotated[float, Ge(0), Le(1)] = 0.98
    keep_all: Annotated[float, Ge(0), Le(1)] = 0.15
    patience: Annotated[int, Ge(0)] = 8
    validate_every: Annotated[int, Gt(0)] = 2
    class_weights: Literal["auto", "none", "root", "balanced"] = "auto"
    select_on: Literal["auto", "score", "balanced", "loss"] = "auto"
    calibrate_predictions: bool = True
    checkpoint_s: Annotated[float, Gt(0)] = 60.0
    threads: Annotated[int, Gt(0), Le(256)] = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
