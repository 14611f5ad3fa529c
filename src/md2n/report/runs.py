"""What a report knows of runs beside their numbers: where they are, what they cost, which of them failed."""

import json
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from md2n.evaluation.results import PROTOCOLS, repeat_of
from md2n.report.grid import Grid, Naming, Summary
from md2n.report.table import Cell, Table
from md2n.report.tables import HIGH_HEAD, high_rates

MILLI = 1000.0
PLACE = "Paths that are not absolute are relative to the folder in which the report was asked for"


@dataclass(frozen=True)
class RunFacts:
    """One run on one data set.

    Args:
        folder: of the run, as a person would type it.
        dataset: name.
        model: method.
        config_hash: of its configuration.
        seed: of the run.
        predictions: folder of its predictions on this data set; ``<protocol>-<split>/`` inside.
        masks: file of the random protocol's masks; empty where it was not measured under it.
        cost: the run's ``cost.json``; empty where none was recorded.
        scores: measure -> row of the data set -> what the test sample gives to the mean over incomplete conditions of
            the fixed protocol (``md2n.report.samples``), where predictions are not at hand.
        fold: which fold of the data was the test split, as ``2/5``; empty where it was the data's own.
        groups: row of the data set -> number of the person or video it comes from, likewise; empty: each is alone.
    """

    folder: str
    dataset: str
    model: str
    config_hash: str
    seed: int
    predictions: str
    masks: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    fold: str = ""
    groups: Mapping[int, int] = field(default_factory=dict)

    @property
    def repeat(self) -> int:
        """``repeat_of`` the run."""
        return repeat_of(self.seed, self.fold)


@dataclass(frozen=True)
class Failure:
    """One run that ended without results.

    Args:
        dataset: name.
        model: method.
        seed: of the run.
        reason: what it said.
        record: file with the command and everything it said.
    """

    dataset: str
    model: str
    seed: int
    reason: str
    record: str


def cost_table(runs: Sequence[RunFacts], dataset: str, naming: Naming) -> Table | None:
    """What methods cost on one data set, means over seeds; None where nothing was recorded.

    Args:
        runs: of any data sets.
        dataset: name.
        naming: titles of methods.
    """
    held: dict[str, list[RunFacts]] = {}
    chosen = [r for r in runs if r.dataset == dataset and r.cost]
    labels = naming.of_pairs([(r.model, r.config_hash) for r in chosen])
    for run in chosen:
        held.setdefault(labels[run.model, run.config_hash], []).append(run)
    rows = []
    for label, group in held.items():
        costs = [run.cost for run in group]
        draws = [d for c in costs if (d := _answers(c, "recovery").get("draws")) is not None]
        rows.append(
            (
                Cell(label),
                _over([_number(c.get("parameters")) for c in costs], 0),
                _over([_number(_part(c, "training").get("cpu_s")) for c in costs], 1),
                _over([_each(c, "prediction") for c in costs], 3),
                _over([_each(c, "recovery") for c in costs], 3),
                Cell(", ".join(f"{d:g}" for d in sorted(set(draws)))),
                _over([_number(c.get("peak_memory_mib")) for c in costs], 0),
                Cell(value=float(len(group)), digits=0),
            )
        )
    if not rows:
        return None
    return Table(
        "cost",
        f"{dataset}: what methods cost",
        (
            "method", "parameters", "training CPU-s", "CPU-ms per predicted sample", "CPU-ms per recovered sample",
            "draws per recovery", "peak memory (MiB)", "seeds",
        ),
        tuple(rows),
        (
            "CPU time, means over seeds ± deviation between runs. Training includes validation and checkpoints, as "
            "early as it stopped; the other two count time inside the method only, on the batches of the evaluation.",
            "A recovered sample has every hidden modality recovered, with the method's own number of draws and calls. "
            "Peak memory is of the whole training process, Python and torch included.",
        ),
    )  # fmt: skip


def with_failures(table: Table, failures: Sequence[Failure], naming: Naming) -> Table:
    """The table with what failed on its data set: a row for a method without any result, a note for every run.

    Args:
        table: methods in rows.
        failures: of the table's data set.
        naming: titles of methods.
    """
    labels = [row[0].text for row in table.rows]
    rows, notes = list(table.rows), list(table.notes)
    for model in dict.fromkeys(f.model for f in failures):
        label = naming.label(model)
        if not any(naming.calls(shown, model) for shown in labels):
            cells = [_failed(head) for head in table.columns[1:]]
            rows.append((Cell(label), *cells))
    notes += [f"Failed: {naming.label(f.model)}, seed {f.seed}: {f.reason} ({f.record})" for f in failures]
    return replace(table, rows=tuple(rows), notes=tuple(notes))


def failure_table(failures: Sequence[Failure], naming: Naming) -> Table:
    """Every run that failed."""
    rows = []
    for f in failures:
        words = (f.dataset, naming.label(f.model), str(f.seed), f.reason, f.record)
        rows.append(tuple(map(Cell, words)))
    return Table("failed", "Runs that failed", ("data set", "method", "seed", "reason", "record"), tuple(rows))


def run_table(runs: Sequence[RunFacts], dataset: str, naming: Naming) -> Table:
    """Method and seed to run folder, on one data set."""
    chosen = [r for r in runs if r.dataset == dataset]
    labels = naming.of_pairs([(r.model, r.config_hash) for r in chosen])
    rows = [
        (
            Cell(labels[r.model, r.config_hash]),
            Cell(f"{r.seed}, fold {r.fold}") if r.fold else Cell(value=float(r.seed), digits=0),
            Cell(r.folder),
            Cell(r.config_hash),
            Cell(r.masks),
        )
        for r in chosen
    ]
    return Table(
        "runs",
        f"{dataset}: the runs behind the numbers",
        ("method", "seed", "run folder", "configuration", "masks of the random protocol"),
        tuple(rows),
        ("A number of a method is the mean over its runs, one number per seed.", f"{PLACE}."),
    )


# Of the last row of every condition; arguments: file, data set, measure, protocol, split, conditions.
MEAN = (
    "import json, sys; rows = [json.loads(line) for line in open(sys.argv[1])]; "
    "held = {r['condition']: r['value'] for r in rows if not r['target'] and r['condition'] in sys.argv[6:] "
    "and [r['dataset'], r['metric'], r['protocol'], r['split']] == sys.argv[2:6]}; "
    "print(sum(held.values()) / len(held), held)"
)


def trace_commands(runs: Sequence[RunFacts], grid: Grid, split: str, reference: str) -> list[str]:
    """Commands from a number to its run, configuration, masks and predictions, for one number as an example.

    Another method or seed is another ``RUN``, another column another condition.  Paths are as in ``RunFacts``: relative
    to the folder in which the report was asked for, unless absolute.

    Args:
        runs: of any data sets.
        grid: of the data set and measure, under any protocol.
        split: of the data.
        reference: the method of the example, if it was measured.
    """
    chosen = [r for r in runs if r.dataset == grid.dataset]
    if not chosen:
        return []
    run = next((r for r in chosen if r.model == reference), chosen[0])
    condition = next(iter(grid.incomplete or grid.conditions))
    protocol = grid.protocol
    predictions = f"{run.predictions}/{protocol}-{split}/{condition}.npz"
    inside = predictions.removeprefix(f"{run.folder}/")
    file = shlex.quote(predictions) if inside == predictions else f'"$RUN"/{shlex.quote(inside)}'
    look = "import numpy, sys; [print(k, v.shape, v[:3], sep='\\t') for k, v in numpy.load(sys.argv[1]).items()]"
    options = ["--hide", shlex.quote(condition)] if protocol == "hidden" else ["--protocol", protocol]
    again = ["md2n", "evaluate", '"$RUN"', *options, "--split", split]
    again += ["--masks", shlex.quote(run.masks)] if run.masks and protocol == "random" else []
    again += ["--no-recovery"] if protocol == "random" else []  # a benchmark measured none; it may take minutes
    where = [grid.dataset, grid.metric, PROTOCOLS[protocol], split]
    # As the report's tables have it: over the high rates where they were all measured.
    over, average = grid.incomplete, f"mean over the {len(grid.incomplete)} conditions that hide something"
    if high := high_rates(grid):
        over, average = high, HIGH_HEAD
    wanted = {"condition": condition, "metric": grid.metric, "split": split}
    first, *rest = (shlex.quote(f'"{name}": {json.dumps(value)}') for name, value in wanted.items())
    lines = [
        f"# the run: {run.model}, seed {run.seed} (every other one is in the table of runs)",
        f"RUN={shlex.quote(run.folder)}",
        "# its whole configuration; its data, seed, versions and validation score",
        'cat "$RUN"/config.json "$RUN"/run.json',
        f"# the number: {grid.measure.title}, {condition}",
        f'grep -F {first} "$RUN"/results.jsonl | ' + " | ".join(f"grep -F {other}" for other in rest),
        f"# the run's {average}, and what it is of",
        f'python -c "{MEAN}" "$RUN"/results.jsonl ' + shlex.join([*where, *over]),
        "# its predictions: output, standard deviation, labels, sample ids, and which modalities were available",
        f'python -c "{look}" {file}',
    ]
    if run.masks:
        lines += [
            "# the random protocol's masks, shared by every method (bits packed; the head says what they belong to)",
            f"python -c \"import numpy, sys; print(numpy.load(sys.argv[1])['head'])\" {shlex.quote(run.masks)}",
        ]
    return [*lines, "# measured before in this way, it is read; else measured from the saved weights", " ".join(again)]


def _failed(head: str) -> Cell:
    if head == "seeds":
        return Cell(value=0.0, digits=0)
    return Cell() if head.startswith("published") else Cell("failed")


def _part(cost: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = cost.get(name)
    return part if isinstance(part, Mapping) else {}


def _answers(cost: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """What answering took under the fixed protocol, else under the random one."""
    part = _part(cost, kind)
    return _part(part, "fixed" if "fixed" in part else "random")


def _each(cost: Mapping[str, Any], kind: str) -> float | None:
    """CPU milliseconds per sample."""
    answers = _answers(cost, kind)
    seconds, samples = _number(answers.get("cpu_s")), _number(answers.get("samples"))
    return MILLI * seconds / samples if seconds is not None and samples else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _over(values: Sequence[float | None], digits: int) -> Cell:
    summary = Summary.over([v for v in values if v is not None])
    if summary is None:
        return Cell()
    constant = summary.deviation is None or statistics.pstdev([v for v in values if v is not None]) == 0
    return Cell(value=summary.mean, deviation=None if constant else summary.deviation, digits=digits)
