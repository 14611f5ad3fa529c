"""What every test sample gives to the scores that the standing benchmark keeps: ``results/samples/<data set>.csv``.

One line per method and seed, one column per row of the data set; a cell is what the sample gives to the run's mean over
the incomplete patterns (``md2n.report.samples``), so the mean of a line is the run's number.  A line whose mean is not
the number in ``measures.csv`` is of another run: it is neither kept nor read.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from md2n.durable import make_directory, write_bytes
from md2n.evaluation.results import ResultRow
from md2n.report.grid import Grid, Naming, grid, measured
from md2n.report.runs import RunFacts
from md2n.report.samples import Scores, scores_by_label
from scripts.archive import SPLIT, primary, read

FOLDER = "samples"
NAMED = ("model", "seed")
ROUNDING = 1e-4  # numbers are kept with six digits

Line = tuple[tuple[str, int], Scores]  # method and seed, and what each sample gives


def keep_samples(folder: Path, rows: Sequence[ResultRow], runs: Sequence[RunFacts]) -> None:
    """Adds the lines of these runs, as far as ``measures.csv`` holds their numbers, and drops those of runs it has not.

    Raises:
        StorageError: they cannot be written.
    """
    whole = read(folder)[0]
    for dataset in dict.fromkeys(r.dataset for r in rows if r.split == SPLIT):
        chosen = [r for r in measured(rows, dataset, "fixed", split=SPLIT) if not r.target]
        if not chosen:
            continue
        metric = primary(chosen, dataset)[0]
        g = grid(chosen, metric)
        anew = scores_by_label(runs, g, Naming().labels(chosen), SPLIT)
        lines = [((g.models[label], seed), scores) for label, seeds in anew.items() for seed, scores in seeds.items()]
        now = grid([r for r in measured(whole, dataset, "fixed", split=SPLIT) if not r.target], metric)
        held = _of_the_numbers([*_lines(_file(folder, dataset)), *lines], now)
        columns = sorted({row for scores in held.values() for row in scores})
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*NAMED, *columns])
        for (model, seed), scores in sorted(held.items()):
            writer.writerow([model, seed, *(f"{scores[c]:.6g}" if c in scores else "" for c in columns)])
        make_directory(folder / FOLDER)
        write_bytes(_file(folder, dataset), out.getvalue().encode())


def read_samples(folder: Path, g: Grid) -> dict[str, dict[int, Scores]]:
    """Label -> seed -> what each sample gives, of the runs whose numbers the grid holds."""
    by_label: dict[str, dict[int, Scores]] = {}
    labels = {model: label for label, model in g.models.items()}
    for (model, seed), scores in _of_the_numbers(_lines(_file(folder, g.dataset)), g).items():
        by_label.setdefault(labels[model], {})[seed] = scores
    return by_label


def _of_the_numbers(lines: Iterable[Line], g: Grid) -> dict[tuple[str, int], Scores]:
    """The lines whose mean is the number that the grid has; of two such the last."""
    numbers = {
        (model, seed): score
        for label, model in g.models.items()
        for seed, score in g.seed_means(label, g.incomplete).items()
    }
    return {
        run: scores
        for run, scores in lines
        if run in numbers and abs(fmean(scores.values()) - numbers[run]) <= ROUNDING * max(1.0, abs(numbers[run]))
    }


def _file(folder: Path, dataset: str) -> Path:
    return folder / FOLDER / f"{dataset}.csv"


def _lines(file: Path) -> list[Line]:
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        heads, *lines = csv.reader(stream)
    columns = [int(c) for c in heads[len(NAMED) :]]
    return [((model, int(seed)), {c: float(v) for c, v in zip(columns, cells) if v}) for model, seed, *cells in lines]
