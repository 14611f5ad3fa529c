"""What every test sample gives to the scores that the standing benchmark keeps: ``results/samples/<data set>.csv``.

One line per method and seed, one column per row of the data set; a cell is what the sample gives to the run's mean over
the incomplete patterns (``md2n.report.samples``), so the mean of a line is the run's number.  A line whose mean is not
the number in ``measures.csv`` is of another run, and is not read.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from md2n.durable import make_directory, write_bytes
from md2n.evaluation.results import ResultRow
from md2n.report.grid import Grid, Naming, grid, measured
from md2n.report.runs import RunFacts
from md2n.report.samples import Scores, scores_by_label
from scripts.kept import SPLIT, primary

FOLDER = "samples"
NAMED = ("model", "seed")
ROUNDING = 1e-4  # numbers are kept with six digits


def keep_samples(folder: Path, rows: Sequence[ResultRow], runs: Sequence[RunFacts]) -> None:
    """Adds the lines of these runs, in the place of what there is of the same method and seed.

    Raises:
        StorageError: they cannot be written.
    """
    rows = [r for r in rows if r.split == SPLIT]
    for dataset in dict.fromkeys(r.dataset for r in rows):
        found = [r for r in measured(rows, dataset, "fixed") if not r.target]
        if not found:
            continue
        g = grid(found, primary(rows, dataset)[0])
        anew = scores_by_label(runs, g, Naming().labels(found), SPLIT)
        held: dict[tuple[str, int], Scores] = {**_lines(_file(folder, dataset))}
        held |= {(g.models[label], seed): told for label, seeds in anew.items() for seed, told in seeds.items()}
        columns = sorted({row for told in held.values() for row in told})
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*NAMED, *columns])
        for (model, seed), told in sorted(held.items()):
            writer.writerow([model, seed, *(f"{told[c]:.6g}" if c in told else "" for c in columns)])
        make_directory(folder / FOLDER)
        write_bytes(_file(folder, dataset), out.getvalue().encode())


def read_samples(folder: Path, g: Grid) -> dict[str, dict[int, Scores]]:
    """Label -> seed -> what each sample gives, of the runs whose numbers the grid holds."""
    held = _lines(_file(folder, g.dataset))
    found: dict[str, dict[int, Scores]] = {}
    for label, model in g.models.items():
        for seed, score in g.seed_means(label, g.incomplete).items():
            told = held.get((model, seed))
            if told and abs(fmean(told.values()) - score) <= ROUNDING * max(1.0, abs(score)):
                found.setdefault(label, {})[seed] = told
    return found


def _file(folder: Path, dataset: str) -> Path:
    return folder / FOLDER / f"{dataset}.csv"


def _lines(file: Path) -> dict[tuple[str, int], dict[int, float]]:
    if not file.exists():
        return {}
    with file.open(newline="") as stream:
        heads, *lines = csv.reader(stream)
    columns = [int(c) for c in heads[len(NAMED) :]]
    return {(model, int(seed)): {c: float(v) for c, v in zip(columns, cells) if v} for model, seed, *cells in lines}
