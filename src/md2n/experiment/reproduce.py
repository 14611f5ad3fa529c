"""The paper's tables and figures as tables of runs: each row is a method or a variant, given to the benchmark's engine.

A method's own runs are those of ``md2n benchmark`` in the same folder; a variant has a folder of its own beside them
(``variants/NAME``), so that one run serves every table it is in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np

from md2n.data.config import DataConfig
from md2n.data.ready import load
from md2n.data.samples import Samples
from md2n.data.target import known_labels
from md2n.errors import DataError, RunError, UsageError, did_you_mean
from md2n.evaluation.results import ResultRow
from md2n.experiment.config import resolve
from md2n.experiment.job import Job
from md2n.experiment.plan import own_preset, plan
from md2n.experiment.results_store import collect
from md2n.methods.catalogue import MODELS
from md2n.missing import MANY
from md2n.modality import Task
from md2n.report.grid import RETRACTED
from md2n.report.runs import RunFacts

SEEDS = 5  # the paper's
BASELINES = ("dcca", "dccae", "mctn", "transm", "icdn", "mmin", "gcnet", "dicmor", "imder")
FIGURE_1 = ("dcca", "dccae", "mctn", "dicmor", "imder")
T1, T2 = (20, 100, 200, 300, 400), (300, 500, 700, 800, 900, 1000)
FULL_T1, FULL_T2 = 200, 800

PAPER = ("acc2_nonzero", "f1_weighted_nonzero", "acc7")
OTHERS = {"classification": ("accuracy", "macro_f1"), "regression": ("mae", "pearson_r")}


@dataclass(frozen=True)
class Row:
    """One row of a table, or one line or point of a figure.

    Args:
        name: of the row, as in ``published.toml``.
        title: in words.
        model: method.
        variant: folder of its runs; empty: the method as a benchmark has it.
        preset: it starts from; the method's own if empty.
        sets: ``--set`` assignments.
    """

    name: str
    title: str
    model: str
    variant: str = ""
    preset: str = ""
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """One table or figure.

    Args:
        name: as the command calls it.
        title: what it shows.
        rows: in the paper's order.
        random: measured at missing rates; else under available sets.
        rates: that count; empty: all.
        least: modalities that it needs.
        pairs: (first, second) by names of rows: the paper says that the first is better.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    random: bool
    rates: tuple[float, ...] = ()
    least: int = 2
    pairs: tuple[tuple[str, str], ...] = ()

    def protocol(self, modalities: int) -> str:
        """The protocol its runs are measured under: every pattern where the fixed one would leave some out."""
        return "random" if self.random else "fixed" if modalities <= MANY else "every"


def _methods(names: Sequence[str]) -> tuple[Row, ...]:
    return tuple(Row(name, name, name) for name in names)


def _ablation(name: str, title: str, variant: str) -> Row:
    return Row(name, title, "md2n", variant, f"ablation_{variant}")


def _with_recovery(method: str) -> Row:
    """A method behind md2n's recovery: trained as it is alone, after as many epochs of md2n as that has alone."""
    own, ours = resolve(own_preset(method)).trainer, resolve("default").trainer
    epochs = own.epochs + ours.epochs
    same = (f"trainer.{name}={getattr(own, name)}" for name in ("batch_size", "learning_rate", "weight_decay"))
    sets = (f"model.method={method}", f"model.share={ours.epochs / epochs:g}", f"trainer.epochs={epochs}", *same)
    return Row(f"{method}_md2n", f"{method} with MD²N's recovery", "with_recovery", f"{method}_md2n", "", sets)


def _table1(name: str, title: str, methods: Sequence[str], random: bool = False) -> Study:
    pairs = tuple(("md2n", m) for m in methods)
    return Study(name, title, _methods((*methods, "md2n")), random, least=3, pairs=pairs)


def _table2() -> Study:
    rows = (
        _ablation("base", "(i) base model", "base"),
        _ablation("vp_sde", "(ii) with VP-SDE", "vp"),
        _ablation("multi_stage", "(iii) with several stages", "multistage"),
        _ablation("full", "(iv) MD²N", "full"),
    )
    pairs = tuple((better.name, worse.name) for worse, better in pairwise(rows))
    return Study("table2", "Table 2: what each part brings", rows, True, (0.3, 0.4, 0.5, 0.6, 0.7), 3, pairs)


def _table3() -> Study:
    methods = ("mctn", "mmin", "zero_fill")
    rows = tuple(row for m in methods for row in (Row(m, m, m), _with_recovery(m)))
    pairs = tuple((f"{m}_md2n", m) for m in methods)
    return Study("table3", "Table 3: methods with MD²N's recovery", rows, True, (0.3,), pairs=pairs)


def _table4() -> Study:
    rows = (
        _ablation("both", "encoders and decoders", "full"),
        _ablation("no_encoders", "without encoders", "no_encoders"),
        _ablation("no_decoders", "without decoders", "no_decoders"),
        _ablation("neither", "without either", "neither"),
    )
    pairs = tuple(("both", row.name) for row in rows[1:])
    return Study("table4", "Table 4: encoders and decoders", rows, True, (0.3,), pairs=pairs)


def _figure4() -> Study:
    def row(t1: int, t2: int) -> Row:
        name, title = f"{t1}-{t2}", f"t1 = {t1}, t2 = {t2}"
        if (t1, t2) == (FULL_T1, FULL_T2):
            return _ablation(name, title, "full")
        sets = (f"model.diffusion.t1={t1}", f"model.diffusion.t2={t2}")
        return Row(name, title, "md2n", f"t1-{t1}-t2-{t2}", "ablation_full", sets)

    points = [*((t1, FULL_T2) for t1 in T1), *((FULL_T1, t2) for t2 in T2)]
    rows = tuple(row(*point) for point in dict.fromkeys(points))
    best = f"{FULL_T1}-{FULL_T2}"
    pairs = tuple((best, r.name) for r in rows if r.name != best)
    return Study("fig4", "Fig. 4: where the stages meet", rows, True, (0.3,), pairs=pairs)


STUDIES: Mapping[str, Callable[[], Study]] = {
    "table1": lambda: _table1("table1", "Table 1: fixed missing modalities", BASELINES),
    "table2": _table2,
    "table3": _table3,
    "table4": _table4,
    "fig1": lambda: _table1("fig1", "Fig. 1: even or uneven over missing modalities", FIGURE_1),
    "fig3": lambda: _table1("fig3", "Fig. 3: rising missing rates", BASELINES, random=True),
    "fig4": _figure4,
}


def study_of(name: str, models: Sequence[str] = ()) -> Study:
    """A table or figure by name.

    Args:
        name: ``table1`` to ``table4``, ``fig1``, ``fig3``, ``fig4``.
        models: only these rows, md2n beside them; all if empty.

    Raises:
        UsageError: no such study, or no row of that name in it.
    """
    if name not in STUDIES:
        raise UsageError(f"there is no '{name}' to reproduce", did_you_mean(name, STUDIES))
    study = STUDIES[name]()
    if not models:
        return study
    known = [row.name for row in study.rows]
    for model in models:
        if model not in known:
            raise UsageError(f"{name} has no row '{model}'", f"{name} has: {', '.join(known)}")
    rows = tuple(row for row in study.rows if row.name in models or row.name == "md2n")
    left = {row.name for row in rows}
    return replace(study, rows=rows, pairs=tuple(pair for pair in study.pairs if left >= set(pair)))


def measures_of(task: Task, named: Sequence[str] = ()) -> tuple[str, ...]:
    """The measures that a table shows, the first of them the one that is tested.

    Args:
        task: of the data's label.
        named: by the user; ACC2, F1 and ACC7 for a sentiment, else the label's own if empty.

    Raises:
        DataError: a measure that this label does not have.
    """
    own = PAPER if task.sentiment else OTHERS[task.kind]
    able = (*own, *(OTHERS["regression"] if task.sentiment else ()))
    for name in named:
        if name not in able:
            what = "a sentiment around 0" if name in PAPER else "another kind of label"
            raise DataError(
                f"'{name}' needs {what}, and '{task.label}' is a {task.kind}", f"its measures are: {', '.join(able)}"
            )
    return tuple(named) or own


def check_data(study: Study, config: DataConfig, measures: Sequence[str] = ()) -> tuple[Samples, tuple[str, ...]]:
    """The data and the measures, where the study can be made of them.

    Args:
        study: what is to be made.
        config: of the data; its split and label.
        measures: named by the user.

    Raises:
        DataError: too few modalities, no known label in the test split, or a measure that the label does not have.
        UsageError: no such label.
    """
    samples = load(config.name, config)
    names = samples.names
    if len(names) < study.least:
        raise DataError(
            f"{study.name} needs {study.least} modalities, and '{samples.name}' has {len(names)}: {', '.join(names)}",
            "give data with more of them: `md2n data list`; table3, table4 and fig4 take two",
        )
    task = samples.schema(config.label).task
    labels = samples.label(task.label).values[samples.rows("test")]
    if not bool(np.any(known_labels(task, labels))):
        raise DataError(
            f"no label '{task.label}' of the test split of '{samples.name}' is known, so nothing can be compared",
            f"`md2n data info {config.name}` shows its labels",
        )
    return samples, measures_of(task, measures)


def jobs_of(
    study: Study,
    data: str,
    out: Path,
    seeds: int | None = None,
    folds: int | None = None,
    sets: Sequence[str] = (),
) -> list[tuple[Row, Job]]:
    """Every run of a study, repeats outermost.

    Args:
        study: which rows.
        data: ready name or store.
        out: a benchmark's folder, or one that shall be one.
        seeds: how many; 5 as in the paper on the data's own split, and 1 where there are folds.
        folds: into how many the rows are split anew; 0: as they are.
        sets: overrides for every run.

    Raises:
        UsageError: an unknown method; ConfigError: a setting that a row does not have; DataError: no such data.
    """
    count = seeds or (1 if folds else SEEDS)
    rows = []
    for row in study.rows:
        planned = plan([data], [row.model], count, out, row.preset, (*row.sets, *sets), folds or 0)
        # As `md2n benchmark` measures its own runs; of variants what is recovered is not looked at.
        own = not row.variant and not study.random
        rows.append([(row, replace(job, variant=row.variant, recovery=own)) for job in planned])
    return [pair for repeat in zip_longest(*rows) for pair in repeat if pair is not None]


def results_of(
    pairs: Sequence[tuple[Row, Job]], protocol: str, notice: Callable[[str], None]
) -> tuple[list[ResultRow], list[RunFacts]]:
    """What the runs that are done measured, each under the name of its row instead of its method's.

    Args:
        pairs: from ``jobs_of``.
        protocol: that counts.
        notice: receives sentences on rows that are left out.

    Raises:
        RunError: none is done.
    """
    rows, runs = [], []
    for row, job in pairs:
        if job.done([protocol]):
            part = collect([job.run], notice)
            rows += [replace(r, model=row.name) for r in part.rows if r.split == "test" and not r.target]
            runs += [replace(r, model=row.name) for r in part.runs]
    if not rows:
        raise RunError("no run of this study is done", "the same command without --no-run makes them")
    return rows, runs


def titles(study: Study) -> dict[str, str]:
    """Name of a row -> its title, with the mark of a retracted article."""
    return {r.name: r.title + RETRACTED * MODELS.get(r.model).card.retracted for r in study.rows}
