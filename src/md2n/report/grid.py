"""Result rows of one measure as a grid: method by condition by seed, and its means and deviations over seeds."""

import re
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from md2n.brief import brief
from md2n.errors import DataError, UsageError
from md2n.evaluation.metrics import CERTAINTY_MEASURES, MEASURES, Measure
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.report.table import rounded

COMPLETE = "complete"
CRPS, COVERAGE = "recovery_crps", "recovery_coverage90"
POINT = "(point)"  # beside the CRPS of a method that draws nothing
RETRACTED = " [retracted]"


@dataclass(frozen=True)
class Naming:
    """How methods are called in tables and figures.

    Args:
        titles: method -> title; a method that is not listed keeps its name.
        retracted: methods whose article was retracted; marked wherever they are shown.
        upper_bounds: methods that have more than the others (a model for each set): shown, never bold.
        configurations: (model, config hash) of whatever is reported together, so that a run is called the same in
            every table, also in one that shows only one configuration of its method.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    retracted: Collection[str] = ()
    upper_bounds: Collection[str] = ("dedicated",)
    configurations: Collection[tuple[str, str]] = ()

    def labels(self, rows: Iterable[ResultRow]) -> dict[tuple[str, str], str]:
        """(model, config hash) -> label; the hash is shown where one method appears with several configurations."""
        return self.of_pairs((r.model, r.config_hash) for r in rows)

    def of_pairs(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """``labels`` of (model, config hash)."""
        known = list(dict.fromkeys([*self.configurations, *pairs]))
        models = [model for model, _ in known]
        return {
            (model, digest): self.label(model, f" ({digest[:7]})" if models.count(model) > 1 else "")
            for model, digest in known
        }

    def label(self, model: str, aside: str = "") -> str:
        """One method's title, what is said aside, and the mark of a retracted article."""
        return self.titles.get(model, model) + aside + (RETRACTED if model in self.retracted else "")

    def calls(self, label: str, model: str) -> bool:
        """Whether ``label`` is this method's, with or without a configuration aside."""
        mark = RETRACTED if model in self.retracted else ""
        title = re.escape(self.titles.get(model, model))
        return re.fullmatch(rf"{title}( \([^()]{{1,7}}\))?{re.escape(mark)}", label) is not None


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation over seeds; the deviation of one seed is None, not 0."""

    mean: float
    deviation: float | None
    seeds: int

    @staticmethod
    def over(values: Sequence[float]) -> "Summary | None":
        """Of one value per seed; None where there is none."""
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return Summary(statistics.fmean(values), deviation, len(values))


@dataclass(frozen=True)
class Grid:
    """One measure of one data set under one protocol.

    Args:
        dataset: its name.
        metric: name in ``MEASURES``.
        target: recovered modality; empty for predictions.
        models: label -> method, in the order first measured.
        conditions: in the order first measured.
        values: (label, condition) -> seed -> value; with folds one for each of both (``ResultRow.repeat``).
        requested: condition -> missing rate asked for, where there is one.
        realised: condition -> missing rate.
        counts: condition -> samples measured.
        aside: labels of upper bounds.
        protocol: ``fixed``, ``random`` or ``hidden``.
        codes: label -> the states of the code that all methods share by which it was measured.
        folded: whether repeats are of folds, whose training sets overlap: a t-test over them is too bold.
    """

    dataset: str
    protocol: str
    metric: str
    target: str
    models: Mapping[str, str]
    conditions: tuple[str, ...]
    values: Mapping[tuple[str, str], Mapping[int, float]]
    requested: Mapping[str, float]
    realised: Mapping[str, float]
    counts: Mapping[str, int]
    aside: frozenset[str] = frozenset()
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    folded: bool = False

    __repr__ = brief

    @property
    def measure(self) -> Measure:
        """Title and direction of the measure."""
        return MEASURES[self.metric]

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Conditions that hide something: neither ``complete`` nor a missing rate of 0."""
        return tuple(c for c in self.conditions if c != COMPLETE and self.requested.get(c) != 0)

    @property
    def mixed(self) -> bool:
        """True where several states of the shared code measured it: the code may be what differs between methods."""
        return len(frozenset().union(*self.codes.values())) > 1

    def seeds(self, label: str) -> tuple[int, ...]:
        """Seeds of a method that have been measured under any condition, rising."""
        return tuple(sorted({s for c in self.conditions for s in self.values.get((label, c), {})}))

    @property
    def fewer(self) -> dict[str, int]:
        """Label -> seeds of those that have fewer than another; a mean over fewer runs is not compared."""
        counts = {label: len(self.seeds(label)) for label in self.models}
        most = max((n for label, n in counts.items() if label not in self.aside), default=0)
        return {label: n for label, n in counts.items() if n < most}

    def summary(self, label: str, condition: str) -> Summary | None:
        """Over the seeds of one cell; None where nothing was measured."""
        return Summary.over(list(self.values.get((label, condition), {}).values()))

    def seed_means(self, label: str, conditions: Sequence[str]) -> dict[int, float]:
        """Seed -> mean over conditions, for the seeds that have all of them."""
        cells = [self.values.get((label, c), {}) for c in conditions]
        shared = sorted(set.intersection(*(set(c) for c in cells))) if cells else []
        return {seed: statistics.fmean(cell[seed] for cell in cells) for seed in shared}

    def mean_over(self, label: str, conditions: Sequence[str]) -> Summary | None:
        """Mean over conditions first, then over seeds: the deviation is between runs, not between conditions."""
        return Summary.over(list(self.seed_means(label, conditions).values()))

    def best(self, means: Mapping[str, float | None]) -> frozenset[str]:
        """Labels of the best value as shown (ties at the shown precision share it); no upper bound, no fewer seeds.

        None where neither end is best, where there is nothing to be better than, or where code is mixed.

        Args:
            means: label -> value, not yet in percent.
        """
        direction = self.measure.higher_is_better
        left_out = self.aside | self.fewer.keys()
        compared = {k: v for k, v in means.items() if v is not None and k not in left_out}
        shown = {k: rounded(v * self.scale, self.measure.digits) for k, v in compared.items()}
        if direction is None or len(shown) < 2 or self.mixed:
            return frozenset()
        top = max(shown.values()) if direction else min(shown.values())
        return frozenset(k for k, v in shown.items() if v == top)

    @property
    def scale(self) -> float:
        """100 where the measure is shown in percent."""
        return 100.0 if self.measure.percent else 1.0


def measured(rows: Sequence[ResultRow], dataset: str, protocol: str, *, split: str = "test") -> tuple[ResultRow, ...]:
    """Rows of one data set, split and protocol; of a measurement that was repeated, the last.

    Args:
        rows: any result rows, in the order written.
        dataset: name.
        protocol: ``fixed``, ``random`` or ``hidden``.
        split: of the data.

    Raises:
        UsageError: unknown protocol.
        DataError: the rows stem from two versions of the data, or were measured under two sets of masks.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol is called '{protocol}'", f"known: {', '.join(PROTOCOLS)}")
    chosen = [r for r in rows if (r.dataset, r.split, r.protocol) == (dataset, split, PROTOCOLS[protocol])]
    for fold in sorted({r.fold for r in chosen}):  # whose test rows are other ones
        versions = sorted({r.data_checksum for r in chosen if r.fold == fold})
        if len(versions) < 2:
            continue
        checksums = ", ".join(v[:12] for v in versions)
        raise DataError(
            f"results of '{dataset}' come from {len(versions)} versions of the data ({checksums})",
            "evaluate all runs on one version, or report the versions apart",
        )
    last = {(r.model, r.config_hash, r.repeat, r.condition, r.metric, r.target): r for r in chosen}
    _check_masks(last.values(), dataset, protocol)
    return tuple(last.values())


def _check_masks(rows: Iterable[ResultRow], dataset: str, protocol: str) -> None:
    """Rows say in their settings which modalities were hidden from whom; those that do not say are let pass."""
    # Conditions of the hidden protocol are measured one by one; those of the others together, under one set of masks.
    apart: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for r in rows:
        if "masks" in r.settings:
            models = apart.setdefault((r.fold, r.condition if protocol == "hidden" else ""), {})
            models.setdefault(str(r.settings["masks"]), {})[r.model] = None
    for models in apart.values():
        if len(models) < 2:
            continue
        sets = "; ".join(f"{masks[:12]}: {', '.join(names)}" for masks, names in models.items())
        raise DataError(
            f"results of '{dataset}' under '{protocol}' were measured with {len(models)} sets of masks ({sets})",
            "evaluate every run with one file: `md2n evaluate RUN --masks FILE`; or report them apart",
        )


def grid(rows: Sequence[ResultRow], metric: str, *, target: str = "", naming: Naming | None = None) -> Grid:
    """The grid of one measure.

    Args:
        rows: as ``measured`` gives them.
        metric: name in ``MEASURES``.
        target: recovered modality; empty for predictions.
        naming: titles of methods.

    Raises:
        UsageError: unknown measure.
        DataError: nothing was measured.
    """
    if metric not in MEASURES:
        raise UsageError(f"no measure is called '{metric}'", f"known: {', '.join(MEASURES)}")
    naming = naming or Naming()
    labels = naming.labels(rows)
    chosen = [r for r in rows if (r.metric, r.target) == (metric, target)]
    if not chosen:
        raise DataError(f"no result holds '{metric}'" + (f" of '{target}'" if target else ""), "evaluate a run first")
    values: dict[tuple[str, str], dict[int, float]] = {}
    codes: dict[str, frozenset[str]] = {}
    for r in chosen:
        label = labels[r.model, r.config_hash]
        values.setdefault((label, r.condition), {})[r.repeat] = r.value
        codes[label] = codes.get(label, frozenset()) | {_code(r)}
    ordered = sorted(dict.fromkeys(r.condition for r in chosen), key=lambda c: c == COMPLETE)
    return Grid(
        dataset=chosen[0].dataset,
        protocol=chosen[0].protocol.partition("@")[0],
        metric=metric,
        target=target,
        models={labels[r.model, r.config_hash]: r.model for r in chosen},
        conditions=tuple(ordered),
        values=values,
        requested={r.condition: r.rate_requested for r in chosen if r.rate_requested is not None},
        realised={r.condition: r.rate_realised for r in chosen},
        counts={r.condition: r.n for r in chosen},
        aside=frozenset(labels[r.model, r.config_hash] for r in chosen if r.model in naming.upper_bounds),
        codes=codes,
        folded=any(r.fold for r in chosen),
    )


def _code(row: ResultRow) -> str:
    """The state of the shared code that a row was measured by; the commit or the version where it is not known."""
    code = row.settings.get("code")
    shared = code.get("shared") if isinstance(code, Mapping) else ""
    return str(shared or row.git_commit[:12] or row.md2n_version)


def metrics_of(rows: Iterable[ResultRow], *, target: str = "") -> tuple[str, ...]:
    """Measures that occur, in the order of ``MEASURES``; those of certainty have a table of their own."""
    names = {r.metric for r in rows if r.target == target}
    return tuple(m for m in MEASURES if m in names and m not in CERTAINTY_MEASURES)


def targets_of(rows: Iterable[ResultRow]) -> tuple[str, ...]:
    """Recovered modalities that occur, in the order first measured."""
    return tuple(dict.fromkeys(r.target for r in rows if r.target))


def points_of(grids: Mapping[str, Grid | None]) -> tuple[str, ...]:
    """Labels of the methods whose CRPS is that of a point forecast: one draw has no coverage.

    Args:
        grids: measure -> its grid, of one recovered modality; None where nothing was measured.
    """
    crps, covered = grids.get(CRPS), grids.get(COVERAGE)
    return () if crps is None else tuple(m for m in crps.models if covered is None or m not in covered.models)
