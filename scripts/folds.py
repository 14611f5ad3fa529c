"""Compares settings by folds: training and validation samples together, cut into folds, the test split never read.

    python -m scripts.folds --data ravdess_av,stressid --set model.gamma=1 --out runs/folds

The validation splits of small sets hold 18 to 45 samples, too few to tell two settings apart.  Here every sample of the
two splits is validation once: people, speakers and videos stay whole, the seed of a fold's run is its number.  Printed
per data set: the mean over folds of the mean over incomplete patterns (accuracy, or minus MAE), of the best epoch, and
of the last validations, which no choice of an epoch favours.

Runs stand in ``--out``, one folder for settings and code (it is printed), in it one per fold; the same command goes on
where it was stopped.  Two such folders are compared sample by sample, which is sharper than to compare two means:

    python -m scripts.folds --compare runs/folds/stressid/md2n-1a2b runs/folds/stressid/md2n-3c4d
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean

import numpy as np

from md2n.config import to_mapping
from md2n.data.folds import folds_of
from md2n.data.ready import load, load_datasets
from md2n.data.samples import UNASSIGNED, Samples
from md2n.durable import make_directory
from md2n.errors import UsageError
from md2n.evaluation.evaluator import evaluate, validation_score
from md2n.evaluation.protocols import fixed_conditions
from md2n.experiment.config import ExperimentConfig, resolve
from md2n.experiment.loading import data_checksum
from md2n.experiment.source import training_code
from md2n.methods.catalogue import build
from md2n.report.grid import COMPLETE
from md2n.report.samples import LEAST_SAMPLES, scores_in
from md2n.training.loop import train
from md2n.training.rundir import RunDir
from scripts.refusals import in_two_lines

LAST = 3  # validations that the end of a training is judged by
PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Fold:
    """One training: a configuration, and which fold is its validation."""

    config: ExperimentConfig
    number: int
    folds: int
    out: Path


def with_fold(samples: Samples, number: int, folds: int) -> Samples:
    """The samples with one fold of their training and validation rows as validation, the others as training."""
    rows = np.flatnonzero(samples.split < 2)
    split = np.full(len(samples), UNASSIGNED, np.uint8)
    split[rows] = folds_of(samples, rows, folds) == number
    return replace(samples, split=split)


def run(fold: Fold) -> tuple[float, float]:
    """Score of the best epoch and of the last validations."""
    config, place = fold.config, fold.out / f"fold-{fold.number}"
    record = place / "folds.json"
    if not record.exists():
        samples = with_fold(load(config.data.name, config.data), fold.number, fold.folds)
        data = load_datasets(samples, config.data)
        model = build(config.model.name, data.schema, config.model.settings, config.seed, len(data.train))
        with RunDir(place, to_mapping(config)) as opened:
            opened.describe(to_mapping(data.schema), {"checksum": data_checksum(samples, config.data.name)})
            train(model, data.train, data.valid, config.trainer, config.seed, opened)
            opened.checkpoints.clear()
        make_directory(place / PREDICTIONS)
        for answer in evaluate(model, data.valid, fixed_conditions(data.valid.present, data.schema.names)):
            file = place / PREDICTIONS / f"{answer.condition.name}.npz"
            np.savez_compressed(file, output=answer.output, labels=answer.labels, rows=answer.rows)
        lines = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
        scores = [line["score"] for line in lines if line["kind"] == "epoch" and "score" in line]
        scores = scores or [validation_score(model, data.valid).score]  # what is fitted has no epochs
        record.write_text(json.dumps({"best": max(scores), "last": fmean(scores[-LAST:])}))
    result = json.loads(record.read_text())
    return result["best"], result["last"]


def compared(first: Path, second: Path) -> tuple[float, float, int]:
    """Second minus first, best epochs: the difference of a mean over incomplete patterns, its standard error, samples.

    The error is over samples, paired, as if they were independent; of the one seed that each fold has.

    Raises:
        UsageError: the two have no sample in common, or one of them is no folder of folds.
    """
    sides = []
    for folder in (first, second):
        scores: dict[int, float] = {}
        for place in sorted(folder.glob(f"fold-*/{PREDICTIONS}")):
            files = sorted(f for f in place.glob("*.npz") if f.stem != COMPLETE)
            with np.load(files[0]) as arrays:
                classes = arrays["output"].ndim == 2
            sign = 1.0 if classes else -1.0
            scores |= {r: sign * v for r, v in scores_in(files, "accuracy" if classes else "mae").items()}
        sides.append(scores)
    rows = sorted(sides[0].keys() & sides[1].keys())
    if len(rows) < LEAST_SAMPLES:
        raise UsageError(f"{first} and {second} share no samples", "give two folders of folds of one data set")
    d = np.array([sides[1][r] - sides[0][r] for r in rows])
    return float(d.mean()), float(d.std(ddof=1) / len(d) ** 0.5), len(d)


def planned(data: str, preset: str, sets: Sequence[str], folds: int, out: Path) -> list[Fold]:
    """The folds of one data set.

    Raises:
        DataError: it is unknown or cannot be read.
    """
    load(data)
    plan = []
    for number in range(folds):
        config = resolve(preset, sets, data=data, seed=number)
        settings = to_mapping(replace(config, seed=0))
        key = [settings, folds, training_code(config.model.name)]
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:10]
        plan.append(Fold(config, number, folds, out / data / f"{config.model.name}-{name}"))
    return plan


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ready sets, with commas between")
    parser.add_argument(
        "--compare", nargs="+", type=Path, metavar="FOLDER", help="the first against each of the others"
    )
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", action="append", default=[], dest="sets", help="as of md2n train; repeatable")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/folds"))
    options = parser.parse_args()
    if options.compare:
        first, *others = options.compare
        for other in others:
            difference, error, count = compared(first, other)
            print(f"{other} - {first}: {difference:+.4f} (standard error {error:.4f}, {count} samples)")
        return
    if not options.data:
        parser.error("give --data, or --compare and folders")
    whole = {d: planned(d, options.preset, options.sets, options.folds, options.out) for d in options.data.split(",")}
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        waiting = {d: [pool.submit(run, fold) for fold in folds] for d, folds in whole.items()}
        for data, futures in waiting.items():
            best, last = zip(*(f.result() for f in futures))
            each = " ".join(f"{b:.3f}" for b in best)
            where = whole[data][0].out
            print(f"{data}  best {fmean(best):.4f}  last {fmean(last):.4f}  (folds: {each})  {where}", flush=True)


if __name__ == "__main__":
    main()
