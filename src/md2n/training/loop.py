"""The only training loop.  Every method goes through it; methods differ in ``loss`` and ``phases``.

A run stopped at any moment goes on from its newest checkpoint and ends with the bits of a run never stopped:

- order of samples: a function of (seed, epoch);
- patterns, the generator given to ``loss`` and torch's own state, which dropout uses: functions of (seed, step);
- learning rate and weight average: functions of the step in the phase;
- weights, buffers, AdamW's moments, the average, the counters: in the checkpoint.

Exact on the CPU with the same number of threads; on CUDA as far as its kernels are deterministic.
"""

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset
from md2n.errors import DivergenceError, InterruptedRun, UsageError
from md2n.evaluation.certainty import LEAST
from md2n.evaluation.evaluator import validation_score
from md2n.evaluation.inference import conversations_for
from md2n.methods.base import MultimodalModel, Phase
from md2n.parallel.group import agreed, from_first
from md2n.seeding import generator, stream_seed
from md2n.training.calibration import calibrate, predictions_certainty
from md2n.training.checkpoint import Best, Checkpoint, Progress
from md2n.training.config import TrainerConfig
from md2n.training.device import autocast, choose_device, require_precision
from md2n.training.feed import Feed, stretches_of
from md2n.training.imbalance import by_balance, class_weights, weigh
from md2n.training.interrupt import stop_requests
from md2n.training.observer import EpochReport, Observer, Silent, StepReport
from md2n.training.optim import OptimizerState
from md2n.training.rundir import RunDir
from md2n.training.weights import load_parameters, state_tensors

Validate = Callable[[MultimodalModel, Dataset, int, torch.device], tuple[float, float]]


@dataclass(frozen=True)
class TrainingResult:
    """What came of training; the model given to ``train`` holds the chosen weights.

    Args:
        weights: path of ``model.safetensors``.
        score: validation score of the chosen weights, higher is better.
        loss: validation loss of the chosen weights.
        epoch: the epoch they were taken after, over all phases.
        epochs: epochs done, over all phases.
        steps: steps done.
    """

    weights: Path
    score: float
    loss: float
    epoch: int
    epochs: int
    steps: int


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
        run: an open run folder in which schema and data are described.
        observer: receives a report of every step.
        validate: score (higher is better) and loss of a model on a data set; by default the means over the incomplete
            patterns, with the same draws at every call, as ``config.select_on`` says.

    Returns:
        Where the chosen weights are, and how good.

    Raises:
        DivergenceError: a loss term, the gradient, the weights or a validation is not a number.
        InterruptedRun: Ctrl-C or SIGTERM; the state is saved.
        StorageError: the run folder cannot be written; the last checkpoint is untouched.
        RunError: the checkpoints cannot be used.
        UsageError: no such device, one without the precision that the label needs, or an empty split.
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
    validate = validate or partial(_validate, balanced=by_balance(config, task))
    watcher = observer or Silent()
    feed = Feed(train_set, config, seed, device, conversations_for(model, train_set))
    loop = Loop(model, feed, valid_set, config, run, watcher, validate)
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), stop_requests() as stop_wanted:
        torch.set_num_threads(config.threads)
        try:
            return loop.run(agreed(stop_wanted))
        except DivergenceError as error:
            run.log.flush()
            run.record("failed", reason=error.message)
            raise
        finally:
            torch.set_num_threads(threads)
            watcher.end()


def _validate(
    model: MultimodalModel, dataset: Dataset, seed: int, device: torch.device, balanced: bool
) -> tuple[float, float]:
    validation = validation_score(model, dataset, seed=seed, device=device, balanced=balanced)
    return validation.score, validation.loss


class Loop:
    """The course of one run, from the newest checkpoint to the chosen weights.

    Args:
        model: on the feed's device, freshly initialised.
        feed: the training split.
        valid_set: what the checkpoint is chosen on.
        config: of the loop.
        run: an open run folder in which schema and data are described.
        observer: receives a report of every step.
        validate: score (higher is better) and loss of a model on a data set.
    """

    parts: OptimizerState

    def __init__(
        self,
        model: MultimodalModel,
        feed: Feed,
        valid_set: Dataset,
        config: TrainerConfig,
        run: RunDir,
        observer: Observer,
        validate: Validate,
    ) -> None:
        self.model, self.feed, self.valid_set, self.config = model, feed, valid_set, config
        self.seed, self.device = feed.seed, feed.device
        self.folder, self.observer, self.validate = run, observer, validate
        self.precision = autocast(config.precision, feed.device)
        self.phases = tuple(model.phases())
        self.stretches, self.steps = stretches_of(self.phases, config, feed.batches)
        self.progress = Progress()
        self.saved_step, self.saved_at = -1, time.monotonic()

    def run(self, stop_wanted: Callable[[], str]) -> TrainingResult:
        self.stop_wanted = stop_wanted
        checkpoint = self.resume()
        self.folder.clock("begin", step=self.progress.step, device=str(self.device), threads=self.config.threads)
        self.observer.begin(self.progress.step, self.planned_steps)
        while True:
            self.enter(checkpoint)
            checkpoint = None
            if self.phase.fit is not None and not self.progress.fitted:
                self.fit(self.phase)
                self.stop_if_wanted()
            while not self.phase_over:
                self.epoch()
                self.stop_if_wanted()
            self.leave()
            p = self.progress
            if p.phase + 1 == len(self.phases):
                return self.finish(p.best)
            self.progress = Progress(phase=p.phase + 1, epoch=p.epoch, step=p.step)

    @property
    def phase(self) -> Phase:
        return self.phases[self.progress.phase]

    @property
    def phase_over(self) -> bool:
        p = self.progress
        impatient = self.phase.selects and 0 < self.config.patience <= p.stale
        return p.phase_epoch >= self.stretches[p.phase] or impatient

    @property
    def planned_steps(self) -> int:
        """Steps before this phase, and all that it and the later ones may take."""
        p = self.progress
        return p.step - p.phase_step + sum(self.steps[p.phase :])

    def resume(self) -> Checkpoint | None:
        checkpoint = self.folder.checkpoints.newest()
        if checkpoint is not None:
            self.progress = checkpoint.progress
            self.saved_step = checkpoint.progress.step
            self.observer.notice(
                f"going on after step {checkpoint.progress.step} (epoch {checkpoint.progress.epoch + 1})"
            )
        if not self.folder.log.cut(self.progress.log_offset):
            self.observer.warn("log.jsonl has lost lines that the checkpoint knows of; it goes on without them")
        return checkpoint

    def enter(self, checkpoint: Checkpoint | None) -> None:
        steps = self.steps[self.progress.phase]
        self.parts = OptimizerState(self.model, self.phase, steps, self.config, self.device, checkpoint)
        if checkpoint is None:
            self.folder.log.write({"kind": "phase", "phase": self.phase.name, "step": self.progress.step})

    def leave(self) -> None:
        """Ends the phase with its best weights, or with the last averaged ones where it does not select."""
        best = self.progress.best
        if best is not None:
            self.folder.checkpoints.load(best.checkpoint).show(self.model)
            chosen = {"epoch": best.epoch, "score": best.score, "loss": best.loss}
            self.folder.log.write({"kind": "chosen", "phase": self.phase.name, **chosen})
        else:
            load_parameters(self.model, self.parts.average.values)
        self.parts.release()

    def stop_if_wanted(self) -> None:
        signal_name = self.stop_wanted()
        if not signal_name:
            return
        if self.saved_step != self.progress.step:
            self.save()
        self.folder.record("stopped", reason=signal_name)
        self.folder.clock("stop", step=self.progress.step)
        raise InterruptedRun(
            f"stopped by {signal_name} after step {self.progress.step}; the state is saved in {self.folder.path}",
            "the same command goes on from there",
        )

    def finish(self, best: Best | None) -> TrainingResult:
        if best is None:  # never: the last phase selects, and the end of a phase is always validated
            raise RuntimeError("training ended without a validation")
        for note in calibrate(self.model, self.feed, self.valid_set):
            self.observer.warn(note)
        if self.config.calibrate_predictions:
            certainty = predictions_certainty(self.model, self.valid_set, self.seed, self.device)
            if certainty is None:
                self.observer.warn(f"predictions get no intervals: these take {LEAST} validation samples with a label")
            else:
                self.folder.save_certainty(certainty)
        self.folder.log.flush()
        p = self.progress
        result = {"epoch": best.epoch, "score": best.score, "loss": best.loss, "epochs": p.epoch, "steps": p.step}
        path = self.folder.finish(state_tensors(self.model), result=result, device=str(self.device))
        self.folder.clock("done", step=p.step)
        return TrainingResult(path, best.score, best.loss, best.epoch, p.epoch, p.step)

    def epoch(self) -> None:
        p = self.progress
        began, first = time.monotonic(), p.position
        stretches = self.stretches[p.phase]
        left = self.steps[p.phase] * (p.phase_epoch + 1) // stretches - p.phase_step
        self.model.train()
        for positions in self.feed.stretch(p.step, left):
            self.step(positions)
            if p.position < first + left:
                self.stop_if_wanted()
                if time.monotonic() - self.saved_at >= self.config.checkpoint_s:
                    self.save()
        means = {name: total / p.samples for name, total in p.sums.items()}
        p.epoch, p.phase_epoch, p.position, p.sums, p.samples = p.epoch + 1, p.phase_epoch + 1, 0, {}, 0
        last = p.phase_epoch == stretches
        every = 1 if self.config.steps else self.config.validate_every
        due = self.phase.selects and (last or p.phase_epoch % every == 0)
        score, loss, better = self.validated() if due else (None, None, False)
        record = {"kind": "epoch", "phase": self.phase.name, "epoch": p.epoch, "step": p.step, "parts": means}
        self.folder.log.write(record | ({"score": score, "loss": loss, "best": better} if due else {}))
        self.save()
        took = round(time.monotonic() - began, 3)
        self.folder.clock("epoch", epoch=p.epoch, step=p.step, steps=left, seconds=took)
        report = EpochReport(self.phase.name, p.epoch, p.step, self.planned_steps, means, score, loss, better)
        self.observer.epoch(report)

    def step(self, positions: npt.NDArray[np.int64]) -> None:
        p = self.progress
        batch = self.feed.batch(positions, self.phase, p.step)
        torch.manual_seed(stream_seed(self.seed, "torch", p.step))
        with self.precision:
            losses = self.model.loss(batch, generator(self.seed, "loss", p.step, device=self.device))
            total = losses.total
        parts = {name: float(value.detach()) for name, value in losses.parts.items()}
        for name, value in parts.items():
            self.require_finite(value, f"the loss term '{name}'")
        norm = self.parts.backward(total)
        self.require_finite(norm, "the norm of the gradient")
        rate = self.parts.step(p.phase_step)
        p.step, p.phase_step, p.position = p.step + 1, p.phase_step + 1, p.position + 1
        p.samples += batch.size
        p.sums = {name: p.sums.get(name, 0.0) + value * batch.size for name, value in parts.items()}
        report = StepReport(self.phase.name, p.epoch + 1, p.step, self.planned_steps, parts, rate, norm)
        entry = {"phase": report.phase, "epoch": report.epoch, "step": p.step, "parts": parts}
        self.folder.log.write({"kind": "step", **entry, "rate": rate, "gradient_norm": norm})
        self.observer.step(report)

    def fit(self, phase: Phase) -> None:
        """The closed-form fit of a phase, over complete batches, without gradients."""
        if phase.fit is None:
            return
        torch.manual_seed(stream_seed(self.seed, "torch", "fit", self.progress.phase))
        self.model.eval()
        with torch.no_grad():
            phase.fit(self.feed.complete())
        self.progress.fitted = True
        self.parts.restart_average()
        if phase.selects:
            self.validated()
        self.save()

    def validated(self) -> tuple[float, float, bool]:
        """Score and loss of the averaged weights, and whether they are the best of the phase."""
        p = self.progress
        with self.parts.average.shown(self.model):
            measured = self.validate(self.model, self.valid_set, self.seed, self.device)
        score, loss = from_first(lambda: measured)  # another processor may differ in the last digit
        self.require_finite(score, "the validation score")
        self.require_finite(loss, "the validation loss")
        by_loss = self.config.select_on == "loss"
        better = p.best is None or (loss < p.best.loss if by_loss else score > p.best.score)
        if better:
            # Of the checkpoint that is written next: its average is what was validated.
            p.best, p.stale = Best(p.name, p.epoch, score, loss), 0
        else:
            p.stale += 1
        return score, loss, better

    def save(self) -> None:
        p = self.progress
        p.log_offset = self.folder.log.flush()
        checkpoint = self.parts.checkpoint(p)
        for name, value in checkpoint.weights.items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise DivergenceError(f"weight '{name}' is not a finite number after step {p.step}", self.advice())
        self.folder.checkpoints.save(checkpoint)
        self.saved_step, self.saved_at = p.step, time.monotonic()

    def require_finite(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        p = self.progress
        where = f"after step {p.step}, in epoch {p.epoch + 1} of phase '{self.phase.name}'"
        raise DivergenceError(f"{what} is {value} {where}", self.advice())

    def advice(self) -> str:
        names = self.folder.checkpoints.names()
        state = f"checkpoint {names[-1]} is whole and kept" if names else "no checkpoint was written yet"
        return f"{state}; train into another folder with a lower trainer.learning_rate, or look at the data"
