"""The only training loop.  Every method goes through it; what differs between methods is in ``loss`` and ``phases``.

A run stopped at any moment goes on from its newest checkpoint and ends with the bits of a run never stopped:

- order of samples: a function of (seed, epoch);
- patterns, and the generator given to ``loss``: functions of (seed, step), as is torch's own state, which dropout uses;
- learning rate and weight average: functions of the step in the phase;
- weights, buffers, AdamW's moments, the average, the counters: in the checkpoint.

Exact on the CPU with the same number of threads; on CUDA as far as its kernels are deterministic.
"""

import shlex
from functools import partial

import torch

from md2n.batch import Dataset
from md2n.errors import DivergenceError, UsageError
from md2n.evaluation.evaluator import validation_score
from md2n.evaluation.inference import conversations_for
from md2n.methods.base import MultimodalModel
from md2n.training.config import TrainerConfig
from md2n.training.device import choose_device, require_precision
from md2n.training.feed import Feed
from md2n.training.imbalance import by_balance, class_weights, weigh
from md2n.training.interrupt import stop_requests
from md2n.training.loop import Loop, TrainingResult, Validate
from md2n.training.observer import Observer, Silent
from md2n.training.rundir import RunDir


def validate_on_patterns(
    model: MultimodalModel, dataset: Dataset, seed: int, device: torch.device, balanced: bool = False
) -> tuple[float, float]:
    """Score and loss as means over the incomplete patterns; the same draws at every call."""
    validation = validation_score(model, dataset, seed=seed, device=device, balanced=balanced)
    return validation.score, validation.loss


def train(
    model: MultimodalModel,
    train_set: Dataset,
    valid_set: Dataset,
    config: TrainerConfig,
    seed: int,
    run: RunDir,
    observer: Observer | None = None,
    validate: Validate | None = None,
) -> TrainingResult:
    """Trains a method in a run folder, from its newest checkpoint if it has one.

    Args:
        model: freshly initialised, the same way at every call.
        train_set: N samples.
        valid_set: what the checkpoint is chosen on.
        config: of the loop.
        seed: of everything random.
        run: an open run folder that has been told its schema and data.
        observer: told of every step.
        validate: score (higher is better) and loss of a model on a data set; ``validate_on_patterns``, as
            ``config.select_on`` wants it, if not given.

    Returns:
        Where the chosen weights are, and how good.

    Raises:
        DivergenceError: a loss term, the gradient, the weights or a validation is not a number.
        InterruptedRun: Ctrl-C or SIGTERM; the state is saved.
        StorageError: the run folder cannot be written; the last checkpoint is untouched.
        RunError: the checkpoints cannot be used.
        UsageError: no such device, one that lacks the precision the label needs, or an empty split.
    """
    for name, dataset in (("training", train_set), ("validation", valid_set)):
        if len(dataset) == 0:
            data = shlex.quote(str(run.config.get("data", {}).get("name", "NAME")))
            raise UsageError(
                f"the {name} split is empty", f"`md2n data info {data}` shows how many samples each split has"
            )
    device = choose_device(config.device)
    threads = torch.get_num_threads()
    task = model.schema.task
    require_precision(task, device)
    model.to(device)
    weigh(model, class_weights(config.class_weights, task))
    validate = validate or partial(validate_on_patterns, balanced=by_balance(config, task))
    watcher = observer or Silent()
    feed = Feed(train_set, config, seed, device, conversations_for(model, train_set))
    loop = Loop(model, feed, valid_set, config, run, watcher, validate)
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), stop_requests() as stop_wanted:
        torch.set_num_threads(config.threads)
        try:
            return loop.run(stop_wanted)
        except DivergenceError as error:
            run.log.flush()
            run.record("failed", reason=error.message)
            raise
        finally:
            torch.set_num_threads(threads)
            watcher.end()
