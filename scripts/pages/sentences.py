"""The sentences of the results pages that hold numbers: how much was run, and where MD2N falls short."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from md2n.evaluation.results import ResultRow
from md2n.report.equity import equity_table
from md2n.report.grid import Grid, grid, measured, points_of, targets_of
from md2n.report.runs import RunFacts
from md2n.report.summary import Tests, plus_minus
from scripts.results import IMDER_SETS, INCOMPLETE, RECOVERY, SETS, runs_of

OURS, CHANCE, BOUND, REFERENCE = "md2n", "majority", "dedicated", "modality_dropout"
NINE = ("dcca", "dccae", "mctn", "transm", "icdn", "mmin", "gcnet", "dicmor", "imder")
POINTS_OVER_IMDER = 0.02
DRAWING = {
    "mean_fill": "which draws from the training mean and deviation and knows nothing of the sample",
    "regression_fill": "which adds residuals of similar training samples to a ridge regression",
    "neighbours": "which draws the values of similar training samples",
    "factor_analysis": "which draws from a Gaussian with a shared latent",
}


def hours(runs: Sequence[RunFacts]) -> tuple[float, float]:
    """CPU hours of training, and inside the methods while they were measured."""
    training = sum(float(r.cost.get("training", {}).get("cpu_s", 0.0)) for r in runs)
    answers = [cost for r in runs for kind in ("prediction", "recovery") for cost in r.cost.get(kind, {}).values()]
    return training / 3600, sum(float(cost.get("cpu_s", 0.0)) for cost in answers) / 3600


def uncounted(rows: Sequence[ResultRow], runs: Sequence[RunFacts]) -> str:
    """How many of the runs behind the numbers have no cost, and on which data sets."""
    with_cost = {(r.dataset, r.model, r.config_hash, r.repeat) for r in runs if r.cost}
    keys = {(r.dataset, r.model, r.config_hash, r.repeat) for r in rows}
    lost = Counter(key[0] for key in keys - with_cost)
    where = ", ".join(f"`{d}` {lost[d]}" for d in SETS if lost[d])
    return f" the {lost.total()} of {len(keys)} runs whose cost is not known ({where})," if lost else ""


def repeats(grids: Mapping[str, Grid], models: Sequence[str], random: Mapping[str, Grid] | None = None) -> str:
    """How often each set was measured, and where less often under the fixed protocol, or under the random one."""
    kinds: dict[str, list[str]] = {}
    fewer, others = [], []
    for d, g in grids.items():
        wanted = [m for m in models if m != "imder" or d in IMDER_SETS or m in g.models]
        counts = {m: len(g.seeds(m)) for m in wanted}
        most = max(counts.values(), default=0)
        number = ("No", "One", "Two", "Three", "Four", "Five")[most] if most <= 5 else str(most)
        seeds = "seed" if most == 1 else "seeds"
        kind = f"{number} folds, one seed each" if g.folded else f"{number} {seeds} on the split that there is"
        kinds.setdefault(kind, []).append(f"`{d}`")
        less = [f"{m} {n or 'none'}" for m, n in counts.items() if n < runs_of(m, most, g.folded)]
        fewer += [f"`{d}` ({', '.join(less)})"] if less else []
        if random:
            drawn = {m: len(random[d].seeds(m)) if d in random else 0 for m in wanted}
            less = [f"{m} {n or 'none'}" for m, n in drawn.items() if n != counts[m]]
            others += [f"`{d}` ({', '.join(less)})"] if less else []
    parts = [f"{kind}: {', '.join(sets)}." for kind, sets in kinds.items()]
    parts += [f"Fewer so far: {'; '.join(fewer)}."] if fewer else []
    parts += [f"Under `random@1` others than these: {'; '.join(others)}."] if others else []
    absent = [f"`{d}`" for d in SETS if d not in grids]
    return " ".join([*parts, *([f"Not measured yet: {', '.join(absent)}."] if absent else [])])


def commits(rows: Sequence[ResultRow]) -> str:
    """A commit of every state of the shared code; those between which it did not change say nothing more."""
    states: dict[str, Counter[str]] = {}
    for r in rows:
        states.setdefault(str((r.settings.get("code") or {}).get("shared", "")), Counter())[r.git_commit] += 1
    unknown = states.pop("", Counter())
    return ", ".join(sorted({*unknown, *(count.most_common(1)[0][0] for count in states.values())}))


def states(grids: Mapping[str, Grid]) -> str:
    """Whether the numbers of a data set are of one state of the code that methods share."""
    mixed = []
    for d, g in grids.items():
        groups: dict[str, list[str]] = {}
        for label, codes in g.codes.items():
            groups.setdefault(", ".join(sorted(codes)), []).append(label)
        if g.mixed:
            parts = [f"{', '.join(labels)} by {code}" for code, labels in groups.items()]
            mixed.append(f"`{d}` ({'; '.join(parts)})")
    if not mixed:
        return "On every set all methods were measured by one state of the code that they share."
    return (
        "On some sets methods were measured by several states of the code that they share, which may be what differs; "
        f"nothing is bold there, and there is no star between methods of different states: {'; '.join(mixed)}."
    )


def gaps(g: Grid) -> dict[str, list[float]]:
    """Label -> what MD2N has more for every seed that both have, over the incomplete conditions."""
    sign = 1 if g.measure.higher_is_better else -1
    mine = g.seed_means(OURS, g.incomplete) if OURS in g.models else {}
    pairs = {m: [sign * (mine[s] - v) for s, v in g.seed_means(m, g.incomplete).items() if s in mine] for m in g.models}
    return {m: values for m, values in pairs.items() if values}


def shortfalls(grids: Mapping[str, Grid], tests: Tests) -> list[str]:
    """Where MD2N is not what it should be, as list items."""
    items = []
    for d, g in grids.items():
        gap = {m: fmean(values) for m, values in gaps(g).items()}
        if not gap:
            items.append(f"- `{d}`: not measured")
            continue
        digits = g.measure.digits if g.measure.percent else g.measure.digits + 1
        rivals = (*NINE, REFERENCE)
        behind = []
        for m in rivals:
            if gap.get(m, 0.0) < 0:
                n = g.fewer.get(m)
                few = f" ({n} {'fold' if g.folded else 'seed'}{'s' if n > 1 else ''})" if n else ""
                behind.append(f"`{m}` by {-gap[m] * g.scale:.{digits}f}{margin_of(g, tests, m)}{few}")
        parts = [f"behind {', '.join(behind)}"] if behind else []
        if g.measure.percent and 0 <= gap.get("imder", 1.0) < POINTS_OVER_IMDER:
            margin = margin_of(g, tests, "imder")
            parts.append(f"over `imder` by {gap['imder'] * 100:.2f}{margin} points only")  # 1.96 is not 2.0
        absent = [f"`{m}`" for m in rivals if m not in gap and (m != "imder" or d in IMDER_SETS)]
        parts += [f"not measured: {', '.join(absent)}"] if absent else []
        ranges = equity_ranges(g)
        evener = sorted((m for m in rivals if ranges.get(m, 9.0) < ranges.get(OURS, 9.0)), key=lambda m: ranges[m])
        if OURS in ranges and evener:
            smaller = ", ".join(f"`{m}` {ranges[m]:.2f}" for m in evener)
            parts.append(f"equity range {ranges[OURS]:.2f}; smaller: {smaller}")
        if parts:
            items.append(f"- `{d}`: {'; '.join(parts)}")
    return items or ["- nowhere"]


def margin_of(g: Grid, tests: Tests, label: str) -> str:
    """The margin of MD2N's difference to a method; empty where it is not known."""
    test = tests.get((g.dataset, label))
    return plus_minus(g, test[0] if test else None)


def equity_ranges(g: Grid) -> dict[str, float]:
    """Label -> maximum minus minimum of its equity over patterns, of methods that have all seeds."""
    table = equity_table(g, CHANCE, BOUND)
    if table is None or {CHANCE, BOUND} & g.fewer.keys():
        return {}
    last = table.columns.index("range")
    values = {row[0].text: row[last].value for row in table.rows}
    return {label: v for label, v in values.items() if v is not None and label not in g.fewer}


def draws(rows: Sequence[ResultRow], datasets: Sequence[str]) -> str:
    """On how many modalities MD2N's draws are better than those of each of ``DRAWING``, in a sentence."""
    better, compared = ({m: Counter[str]() for m in DRAWING} for _ in range(2))
    covered = []
    for d in datasets:
        chosen = measured(rows, d, "fixed")
        for target in targets_of(chosen):
            grids = {m: grid(chosen, m, target=target) for m in RECOVERY[1:]}
            crps, coverage = grids.values()
            own = crps.summary(OURS, INCOMPLETE)
            for rival in DRAWING:
                theirs = None if rival in points_of(grids) else crps.summary(rival, INCOMPLETE)
                if own is not None and theirs is not None:
                    compared[rival][d] += 1
                    better[rival][d] += own.mean < theirs.mean
            if (share := coverage.summary(OURS, INCOMPLETE)) is not None:
                covered.append(100 * share.mean)
    if not covered:
        return ""
    parts = []
    for rival, how in DRAWING.items():
        where = ", ".join(f"`{d}` {better[rival][d]} of {n}" for d, n in compared[rival].items())
        if where:
            total = f"{better[rival].total()} of {compared[rival].total()}"
            parts.append(f"MD²N's CRPS is below that of `{rival}`, {how}, on {total} modalities ({where})")
    held = f"its intervals hold the truth {min(covered):.0f} to {max(covered):.0f} % of the time."
    return "; ".join([*parts, held]) if parts else held.replace("its", "MD²N's", 1)
