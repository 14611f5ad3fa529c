"""The way in from Python: data in memory or by name, a trained predictor out, and how well it does.

``md2n.fit`` is ``md2n train`` on data that a person already holds, and ``Predictor.evaluate`` is ``md2n evaluate``
without a run folder.  Both go through the same code as the commands and give the same numbers.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from md2n.config import to_mapping
from md2n.data.dataset import MultimodalDataset
from md2n.data.leaks import identity_columns
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.dataframes import unknown_kind
from md2n.data.readers.wide import Wanted
from md2n.data.readers.wide_cells import is_wide
from md2n.data.readers.wide_table import from_table
from md2n.data.ready import load as load_data
from md2n.data.samples import SPLITS, UNASSIGNED, Samples
from md2n.errors import UsageError, did_you_mean
from md2n.evaluation.config import EvaluationConfig
from md2n.evaluation.metrics import primary
from md2n.evaluation.protocols import COMPLETE
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import run_training
from md2n.extraction.splits import assign_splits
from md2n.serve.inspecting import fit_reference
from md2n.serve.predictor import Predictor, load
from md2n.serve.tables import require_columns
from md2n.training.observer import EpochReport, Silent

Data = Samples | str | Path | Mapping[str, Any] | Sequence[Any] | Any


BLOCK = "block"  # what the arrays of a list are called: block1, block2, ...


class Lines(Silent):
    """Progress on stderr, a line for each validation."""

    def epoch(self, report: EpochReport) -> None:
        if report.score is not None:
            best = ", the best so far" if report.best else ""
            self.notice(f"step {report.step} of {report.steps}: validation {report.score:.4g}{best}")

    def notice(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def warn(self, text: str) -> None:
        self.notice(text)


def fit(
    data: Data,
    label: Any = "",
    *,
    method: str = "md2n",
    splits: Sequence[Any] | None = None,
    groups: Mapping[str, Any] | Sequence[str] | str | None = None,
    ids: Sequence[Any] | None = None,
    modalities: Wanted | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    preset: str = "default",
    progress: bool = True,
    **settings: Any,
) -> Predictor:
    """Trains a method and gives the predictor.

    >>> model = md2n.fit({"audio": audio, "text": text}, labels, epochs=20)       # doctest: +SKIP
    >>> model.predict({"audio": audio, "text": None}).labels                      # doctest: +SKIP

    Args:
        data: modality name -> ``[N, d]`` or ``[N, T, d]`` array, list of arrays or data frame (NaN or None where
            something is missing); or a list of such arrays; or one table with the columns of all modalities (pandas,
            polars, Arrow, Hugging Face's ``datasets``); or ``Samples``; or a ready name, a store or a feature file.
        label: with arrays the labels, ``[N]`` or column name -> ``[N]``; else the name of the label column.
        method: a name of ``md2n.methods.catalogue.MODELS``.
        splits: ``[N]`` words train, valid, test; made 70/15/15 % if nothing says, whole people or videos on one side.
        groups: column name -> ``[N]``: speaker, subject, video; with arrays.  With a table the names of its columns.
        ids: ``[N]``; with arrays.
        modalities: with a table, modality -> its columns: a list, a pattern (``acc_*``) or first letters; guessed from
            the names of columns if not given, which is said.
        seed: of everything random.
        out: a run folder to keep, which goes on where it was stopped; nothing is kept if not given.
        preset: name of the configuration that the settings change.
        progress: a line on stderr for each validation.
        **settings: of the configuration, by name where it is the only one of that name (``epochs=20``,
            ``gamma=0.5``), else by path (``**{"fusion.latent.width": 64}``).

    Raises:
        DataError: the data cannot be used.
        ConfigError: a value out of its range.
        UsageError: no such method, label or setting.
    """
    samples = samples_of(data, label, splits=splits, groups=groups, ids=ids, modalities=modalities, seed=seed)
    known = to_mapping(resolve(preset, data=samples.name, model=method))
    sets = [f"{_path_of(name, known)}={_literal(value)}" for name, value in settings.items()]
    column = label if isinstance(label, str) else ""
    config = resolve(preset, [*sets, *([f"data.label={column}"] if column else [])], model=method, seed=seed)
    name = str(data) if isinstance(data, str | Path) else samples.name  # by which `md2n evaluate` reads them again
    config = replace(config, data=replace(config.data, name=name))
    observer = Lines() if progress else Silent()
    if out is not None:
        predictor = load(run_training(config, Path(out), observer, samples), seed=seed)
    else:
        with tempfile.TemporaryDirectory(prefix="md2n-") as folder:
            predictor = load(run_training(config, Path(folder) / "run", observer, samples), seed=seed)
    valid = samples.select(samples.rows("valid")).only(predictor.schema.names)
    predictor.measure = lambda model: fit_reference(model, validation_set(model, valid))
    return predictor


def validation_set(predictor: Predictor, samples: Samples) -> MultimodalDataset:
    """Samples as the predictor's model saw its validation samples."""
    return MultimodalDataset(samples, np.arange(len(samples)), predictor.normaliser, schema=predictor.schema)


def samples_of(
    data: Data,
    label: Any = "",
    *,
    splits: Sequence[Any] | None = None,
    groups: Mapping[str, Any] | Sequence[str] | str | None = None,
    ids: Sequence[Any] | None = None,
    modalities: Wanted | None = None,
    seed: int = 0,
) -> Samples:
    """The data as ``fit`` takes them, every row in a split.

    Raises:
        DataError: the data cannot be used.
        UsageError: groups, ids or splits beside data that have their own, or columns of what is no table.
    """
    if modalities and not is_wide(data):
        raise UsageError("modalities are named for one table of them all", "arrays have names: {'acc': acc, ...}")
    if isinstance(data, list | tuple):
        if any(isinstance(one, Mapping) for one in data):
            raise unknown_kind(data)
        data = {f"{BLOCK}{i}": part for i, part in enumerate(data, start=1)}
    if isinstance(data, Mapping):
        if isinstance(label, str):
            raise UsageError("arrays come without labels", "give them: fit(arrays, labels)")
        if not (groups is None or isinstance(groups, Mapping)):
            raise UsageError("arrays have no columns to name as groups", "give them: groups={'subject': subjects}")
        samples = from_arrays(data, label, splits=splits, groups=groups, ids=ids, name="arrays", drop_empty=True)
    elif is_wide(data):
        if not (splits is None and ids is None) or isinstance(groups, Mapping):
            raise UsageError(
                "splits, ids and groups of a table are columns of it",
                "call them 'split' and 'id', and name the groups: groups=['subject']",
            )
        samples = from_table(data, label, modalities=modalities, groups=groups or (), drop_empty=True)
    else:
        if not (splits is None and groups is None and ids is None):
            raise UsageError("splits, groups and ids belong to arrays", "the data have their own: leave them out")
        if not isinstance(data, Samples | str | Path):
            raise unknown_kind(data)
        samples = data if isinstance(data, Samples) else load_data(str(data))
    return with_splits(samples, seed)


def with_splits(samples: Samples, seed: int = 0) -> Samples:
    """The same samples; 70/15/15 % train, valid and test where none has a split, whole people on one side."""
    if (samples.split != UNASSIGNED).any():
        return samples
    named = samples.groups if samples.source.get("reader") == "table" else ()  # a person named each of them
    people = next(iter([*identity_columns(samples), *named]), None)
    # Rows of nobody known belong together no more than others do.
    rows = [str(m) or f"row {i}" for m, i in zip(samples.groups[people], samples.ids)] if people else []
    group = None if people is None else (people, rows)
    parts, rule = assign_splits([str(i) for i in samples.ids], group, seed)
    codes = np.array([SPLITS.index(part) for part in parts], np.uint8)
    return replace(samples, split=codes, notes=(*samples.notes, rule))


WHOLE = frozenset({COMPLETE, "rate=0", "inside=0"})
"""Conditions of the protocols that hide nothing."""


@dataclass(frozen=True)
class Evaluation:
    """How well a predictor does under every condition of a protocol.

    Args:
        protocol: its name.
        measures: condition (``text+audio``, ``complete``) -> measure -> value.
        counts: condition -> samples measured.
        primary: the measure that ``mean`` is of.
    """

    protocol: str
    measures: Mapping[str, Mapping[str, float]]
    counts: Mapping[str, int]
    primary: str

    @property
    def mean(self) -> float:
        """Mean of the primary measure over the conditions that hide something."""
        hiding = [m[self.primary] for name, m in self.measures.items() if name not in WHOLE and self.primary in m]
        return float(np.mean(hiding))

    def __repr__(self) -> str:
        rows = [
            f"{n:>24}  {m.get(self.primary, float('nan')):.4g}  (n {self.counts[n]})" for n, m in self.measures.items()
        ]
        return "\n".join([f"{self.protocol}: {self.primary}, mean of incomplete {self.mean:.4g}", *rows])


def evaluate(
    predictor: Predictor,
    data: Data,
    label: Any = "",
    *,
    protocol: str = "fixed",
    split: str = "test",
    splits: Sequence[Any] | None = None,
    groups: Mapping[str, Any] | Sequence[str] | str | None = None,
    ids: Sequence[Any] | None = None,
    seed: int = 0,
) -> Evaluation:
    """See ``Predictor.evaluate``."""
    from md2n.evaluation.evaluator import evaluate as measure
    from md2n.evaluation.inside import inside_conditions
    from md2n.evaluation.protocols import fixed_conditions, random_conditions
    from md2n.experiment.loading import check_fits

    modalities = predictor.columns if is_wide(data) else None
    samples = samples_of(data, label, splits=splits, groups=groups, ids=ids, modalities=modalities, seed=seed)
    require_columns(samples.source, predictor.columns)
    samples = samples.only(predictor.schema.names)
    check_fits(samples, predictor.schema)
    rows = samples.rows(split)
    if not len(rows):
        raise UsageError(f"the data have no rows in the split '{split}'", f"splits are {', '.join(SPLITS)}")
    dataset = MultimodalDataset(samples, rows, predictor.normaliser.adapt(samples), schema=predictor.schema)
    conditions = {
        "fixed": lambda: fixed_conditions(dataset.present, samples.names),
        "random": lambda: random_conditions(dataset.present, samples.names, EvaluationConfig().seed),
        "inside": lambda: inside_conditions(dataset.present),
    }
    if protocol not in conditions:
        raise UsageError(f"no protocol is called '{protocol}'", did_you_mean(protocol, conditions))
    results = measure(
        predictor.model, dataset, conditions[protocol](), device=predictor.device, certainty=predictor.certainty
    )
    return Evaluation(
        protocol,
        {r.condition.name: r.measures for r in results},
        {r.condition.name: r.n for r in results},
        primary(predictor.schema.task),
    )


def _path_of(name: str, tables: Mapping[str, Any]) -> str:
    """The path of a setting in the configuration, from its name or a path within the method's own table."""
    paths = list(_paths(tables))
    for path in (name, f"model.{name}"):
        if path in paths:
            return path
    ends = [path for path in paths if path.rpartition(".")[2] == name]
    if len(ends) != 1:
        hint = (
            f"give its path: {', '.join(ends)}" if ends else did_you_mean(name, {p.rpartition(".")[2] for p in paths})
        )
        raise UsageError(f"{'several settings are' if ends else 'no setting is'} called '{name}'", hint)
    return ends[0]


def _paths(tables: Mapping[str, Any], before: str = "") -> list[str]:
    paths = []
    for key, value in tables.items():
        paths += _paths(value, f"{before}{key}.") if isinstance(value, Mapping) and value else [f"{before}{key}"]
    return paths


def _literal(value: Any) -> str:
    """A value in TOML's syntax, which for numbers, words, flags and lists is JSON's."""
    return json.dumps(value)
