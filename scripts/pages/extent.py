"""How much of the standing benchmark was run and what it took, in the words of its pages."""

from collections import Counter
from collections.abc import Mapping, Sequence

from md2n.evaluation.results import ResultRow
from md2n.report.grid import Grid
from md2n.report.runs import RunFacts
from scripts.archive import ANSWERING

SETS = ("digits", "mfeat", "ravdess_av", "ict_mmmo", "mosi", "mosi_clean", "stressid", "news3sources")


def hours_of(runs: Sequence[RunFacts]) -> tuple[float, float]:
    """CPU hours of training, and inside the methods while they were measured."""
    training = sum(float(r.cost.get("training", {}).get("cpu_s", 0.0)) for r in runs)
    answers = [cost for r in runs for kind in ANSWERING for cost in r.cost.get(kind, {}).values()]
    return training / 3600, sum(float(cost.get("cpu_s", 0.0)) for cost in answers) / 3600


def uncounted(rows: Sequence[ResultRow], runs: Sequence[RunFacts]) -> str:
    """How many of the runs behind the numbers have no cost, and on which data sets."""
    with_cost = {(r.dataset, r.model, r.config_hash, r.seed) for r in runs if r.cost}
    keys = {(r.dataset, r.model, r.config_hash, r.seed) for r in rows}
    lost = Counter(key[0] for key in keys - with_cost)
    where = ", ".join(f"`{d}` {lost[d]}" for d in SETS if lost[d])
    return f" the {lost.total()} of {len(keys)} runs whose cost was not kept ({where})," if lost else ""


def seed_counts(grids: Mapping[str, Grid], models: Sequence[str], others: Mapping[str, Grid] | None = None) -> str:
    """How many seeds there are, and where there are fewer under the fixed protocol, or under the random one."""
    most = max((len(g.seeds(m)) for g in grids.values() for m in models if m in g.models), default=0)
    fewer, elsewhere = [], []
    for d in SETS:
        if d not in grids:
            fewer.append(f"`{d}` not at all")
            continue
        counts = _counts(grids.get(d), models)
        fewer += _fewer(d, counts, most)
        if others:
            elsewhere += _fewer(d, {m: n for m, n in _counts(others.get(d), models).items() if n != counts[m]}, most)
    parts = [f", but fewer so far on {'; '.join(fewer)}"] if fewer else []
    parts += [f". Under `random@1` others than these: {'; '.join(elsewhere)}"] if elsewhere else []
    return f"{most} seeds" + "".join(parts) + "."


def _counts(g: Grid | None, models: Sequence[str]) -> dict[str, int]:
    return {m: len(g.seeds(m)) if g is not None and m in g.models else 0 for m in models}


def _fewer(dataset: str, counts: Mapping[str, int], most: int) -> list[str]:
    """The methods with fewer seeds than the most, in one piece."""
    fewer = [f"{m} {n or 'none'}" for m, n in counts.items() if n < most]
    return [f"`{dataset}` ({', '.join(fewer)})"] if fewer else []
