"""``docs/recovery.md``: how well md2n recovers, beside closed forms, and what each of its parts brings."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from md2n.report.table import Cell, Table
from scripts.pages import PROJECT
from scripts.pages.benchmark import filled
from scripts.recovery import study

FILE = PROJECT / "results" / "recovery.json"
OURS, RIDGE, MARGINAL = "md2n", "regression_fill", "mean_fill"
OPPONENTS = (RIDGE, "neighbours", "factor_analysis", MARGINAL)
PARTS = ("estimate", "walk", "calibrated walk", "translation", OURS)
LITTLE, MUCH = 0.05, 0.1  # R² of the ridge above which something, and much, can be recovered
FEW = 100  # hidden frames below which shares of intervals are not judged

Runs = Sequence[Mapping[str, Any]]
Place = tuple[str, str]  # data set and modality


def page() -> str:
    """The whole page, from the project's results."""
    return page_of(json.loads(FILE.read_text(encoding="utf-8")))


def page_of(runs: Runs) -> str:
    """The page of these runs."""
    both = [r for r in runs if r["duplex"]]
    places = means(both)
    facts: dict[str, str | Table | list[Table]] = {
        "hours": f"{sum(r['cpu_s'] for r in runs) / 3600:.1f}",
        "seeds": ", ".join(f"`{data}` {len(of)}" for data, of in by_set(both).items()),
        "left": unmade(runs),
        "older": older(runs),
        "demands": "\n".join(f"- {line}" for line in demands(places, both)),
        "tables": [recovery_of(data, of) for data, of in by_set(both).items()],
        "parts": parts_table(both),
        "network": "\n".join(f"- {line}" for line in network(both)),
        "directions": directions_table(runs),
        "latents": latents_table(both),
    }
    return filled(PROJECT / "scripts" / "pages" / "recovery.txt", facts)


def unmade(runs: Runs) -> str:
    """Which trainings of the study are still to be made, as a sentence; empty if none."""
    made = {(r["data"], r["seed"], r["duplex"]) for r in runs}
    left = [one.name for one in study() if (one.data, one.seed, one.duplex) not in made]
    return f" Still to be made: {', '.join(f'`{name}`' for name in left)}." if left else ""


def older(runs: Runs) -> str:
    """Which runs were made before the draws changed, as a paragraph; empty if none."""
    counts = Counter(r["data"] for r in runs if "code" not in r)
    if not counts:
        return ""
    named = ", ".join(f"`{data}` ({count})" for data, count in counts.items())
    return (
        f"\n\nRuns measured before draws lay in the gaps between matched values ([log](log.md), 2026-11-29): {named}. "
        "On validation samples 90 % intervals hold .8 to 3.5 points more since, and CRPS moves by .6 % at most."
    )


def by_set(runs: Runs) -> dict[str, list[Mapping[str, Any]]]:
    """Runs by data set, in the order of the file."""
    sets: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        sets[run["data"]].append(run)
    return dict(sets)


def means(runs: Runs) -> dict[Place, dict[str, dict[str, float]]]:
    """(data, modality) -> method -> measure -> mean over the seeds that measured it."""
    values: dict[Place, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        for method, of in run["measures"].items():
            for modality, measures in of.items():
                for name, value in measures.items():
                    values[run["data"], modality][method][name].append(value)
    return {
        place: {method: {name: fmean(v) for name, v in measures.items()} for method, measures in methods.items()}
        for place, methods in values.items()
    }


def demands(places: Mapping[Place, Mapping[str, Mapping[str, float]]], runs: Runs) -> list[str]:
    """What a recovery has to be, and where it is not."""

    def where(wrong: Sequence[Place], shown: Callable[[Place], str]) -> str:
        return "" if not wrong else f"; not on {', '.join(f'{d} {m} ({shown((d, m))})' for d, m in wrong)}"

    def of(place: Place, method: str, measure: str) -> float:
        return places[place][method][measure]

    def best(place: Place, measure: str) -> float:
        return min(of(place, o, measure) for o in OPPONENTS if o in places[place])

    def percent(measure: str) -> Callable[[Place], str]:
        return lambda p: f"{100 * of(p, OURS, measure):.1f}"

    def beside(measure: str) -> Callable[[Place], str]:
        return lambda p: f"{of(p, OURS, measure):.3f} against {best(p, measure):.3f}"

    def gain(p: Place) -> float:
        return of(p, OURS, "r2") - of(p, RIDGE, "r2")

    every = list(places)
    some = [p for p in every if of(p, RIDGE, "r2") > LITTLE]
    much = [p for p in every if of(p, RIDGE, "r2") > MUCH]
    none = [p for p in every if p not in some]
    low = [p for p in every if gain(p) < -0.01 or of(p, OURS, "r2") < -0.01]
    lines = [
        f"R² is at least the ridge's minus .01, and at least -.01, on {len(every) - len(low)} of {len(every)} "
        "modalities" + where(low, lambda p: f"{of(p, OURS, 'r2'):.3f}, ridge {of(p, RIDGE, 'r2'):.3f}") + ".",
        f"R² is better than the ridge's by .03 on {sum(gain(p) >= 0.03 for p in much)} of the {len(much)} modalities "
        f"whose ridge has more than {MUCH}.",
    ]
    judged = [p for p in every if of(p, OURS, "n") >= FEW]
    for name, least, most in (("in90", 86, 94), ("in50", 44, 56)):
        off = [p for p in judged if not least <= 100 * of(p, OURS, name) <= most]
        lines.append(
            f"{name[2:]} % intervals hold {least} to {most} % of the truth on {len(judged) - len(off)} of {len(judged)}"
            + where(off, percent(name))
            + "."
        )
    for name, title in (("crps", "CRPS"), ("energy", "The energy score")):
        behind = [p for p in some if of(p, OURS, name) > best(p, name)]
        lines.append(
            f"{title} is the lowest on {len(some) - len(behind)} of the {len(some)} modalities whose ridge has more "
            f"than {LITTLE} R²" + where(behind, beside(name)) + "."
        )
    above = [p for p in none if of(p, OURS, "crps") > 1.01 * of(p, MARGINAL, "crps")]
    lines.append(
        f"Where the ridge has less, CRPS is at most 1 % above the marginal's on {len(none) - len(above)} of {len(none)}"
        + where(above, lambda p: f"{of(p, OURS, 'crps'):.3f} against {of(p, MARGINAL, 'crps'):.3f}")
        + "."
    )
    costs = [run["cost_ms"][OURS]["20"] for run in runs]
    lines.append(f"20 draws cost {min(costs):.2f} to {max(costs):.2f} CPU-ms for each sample and hidden modality.")
    return lines


def recovery_of(data: str, runs: Runs) -> Table:
    """Every modality by md2n and its opponents."""
    places = means(runs)
    first, costs = runs[0], cost_means(runs)
    rows = []
    for modality in first["measures"][OURS]:
        methods = places[data, modality]
        beside = [o for o in (OURS, *OPPONENTS) if o in methods]
        for method in beside:
            m = methods[method]
            spread = [r["measures"][method][modality]["crps"] for r in runs if method in r["measures"]]
            gap = first["against"].get(method, {}).get(modality)

            def cell(
                name: str, method: str = method, methods: Any = methods, beside: Sequence[str] = beside, digits: int = 3
            ) -> Cell:
                values = [of[name] for of in (methods[o] for o in beside)]
                if not any(values):  # the variogram score of a single number
                    return Cell()
                target = max(values) if name == "r2" else min(values)
                return Cell(value=methods[method][name], digits=digits, best=methods[method][name] == target)

            rows.append(
                (
                    Cell(modality),
                    Cell(method),
                    cell("r2"),
                    replace_deviation(cell("crps"), spread),
                    Cell(" " if gap is None else f"{gap[0]:+.3f} ± {gap[1]:.3f}"),
                    *(Cell(value=100 * m[name], digits=0) for name in ("in50", "in80", "in90")),
                    cell("energy"),
                    cell("variogram"),
                    Cell(value=costs[method]["1"], digits=2),
                    Cell(value=costs[method]["20"], digits=2),
                )
            )
    heads = ("modality", "method", "R²", "CRPS", "md2n minus it", "50 %", "80 %", "90 %", "energy", "variogram")
    return Table(f"recovery-{data}", data, (*heads, "ms, mean", "ms, 20 draws"), tuple(rows))


def replace_deviation(cell: Cell, values: Sequence[float]) -> Cell:
    """The cell with the deviation over seeds, where there are several."""
    several = len(values) > 1
    return Cell(value=cell.value, digits=cell.digits, best=cell.best, deviation=stdev(values) if several else None)


def cost_means(runs: Runs) -> dict[str, dict[str, float]]:
    """Method -> draws -> CPU-ms, mean over seeds."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for method, costs in run["cost_ms"].items():
            for draws, value in costs.items():
                found[method][draws].append(value)
    return {method: {draws: fmean(v) for draws, v in costs.items()} for method, costs in found.items()}


def parts_table(runs: Runs) -> Table:
    """Means over modalities of each part, by data set."""
    rows = []
    for data, of in by_set(runs).items():
        places = means(of)
        costs = cost_means(of)
        for part in (RIDGE, *PARTS):
            values = [methods[part] for (d, _), methods in places.items() if d == data]
            scores = [v["variogram"] for v in values if v["variogram"]]  # a single number has none
            rows.append(
                (
                    Cell(data),
                    Cell(part),
                    *(Cell(value=fmean(v[name] for v in values), digits=3) for name in ("r2", "crps")),
                    Cell(value=100 * fmean(v["in90"] for v in values), digits=0),
                    Cell(value=fmean(v["energy"] for v in values), digits=3),
                    Cell(value=fmean(scores), digits=3) if scores else Cell(),
                    Cell(value=costs[part]["20"], digits=2),
                )
            )
    heads = ("data", "recovered by", "R²", "CRPS", "90 %", "energy", "variogram", "ms, 20 draws")
    return Table("recovery-parts", "What each part brings, means over modalities", heads, tuple(rows))


def network(runs: Runs) -> list[str]:
    """What the decoded one-step estimate adds to the calibrated translation, seed 0 of every set."""
    lines = []
    for data, of in by_set(runs).items():
        gaps = of[0]["against"]["translation"]
        better = [m for m, (gap, margin) in gaps.items() if gap + margin < 0]
        worse = [m for m, (gap, margin) in gaps.items() if gap - margin > 0]
        weights = [of[0]["weights"][OURS][m]["weights"][0] for m in gaps]
        lines.append(
            f"`{data}`: CRPS changes by {fmean(gap for gap, _ in gaps.values()):+.4f} on average; surely lower on "
            f"{len(better)} of {len(gaps)} modalities{_named(better)}, surely higher on {len(worse)}{_named(worse)}. "
            f"The decoded latent's weights are {', '.join(f'{w:.2f}' for w in weights)}."
        )
    return lines


def _named(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def directions_table(runs: Runs) -> Table:
    """Training in both directions against one, same seeds."""
    rows = []
    for data, of in by_set(runs).items():
        one = {r["seed"]: r for r in of if not r["duplex"]}
        two = {r["seed"]: r for r in of if r["duplex"] and r["seed"] in one}
        for part in ("walk", OURS):
            gaps: dict[str, list[float]] = {"r2": [], "crps": [], "energy": []}
            for seed, run in two.items():
                for name, gap in gaps.items():
                    pairs = [
                        run["measures"][part][m][name] - one[seed]["measures"][part][m][name]
                        for m in run["measures"][part]
                    ]
                    gap.append(fmean(pairs))
            if two:
                cells = [replace_deviation(Cell(value=fmean(gap), digits=4), gap) for gap in gaps.values()]
                score = [run["score"] - one[seed]["score"] for seed, run in two.items()]
                cells.append(replace_deviation(Cell(value=fmean(score), digits=4), score))
                rows.append((Cell(data), Cell(part), *cells))
    heads = ("data", "recovered by", "R²", "CRPS", "energy", "validation score")
    return Table("recovery-directions", "Both directions minus one", heads, tuple(rows))


def latents_table(runs: Runs) -> Table:
    """How much of a held-out modality its own latent keeps."""
    rows = []
    places = means(runs)
    for data, of in by_set(runs).items():
        for modality in of[0]["upper_bound"]:
            bound = fmean(r["upper_bound"][modality] for r in of)
            methods = places[data, modality]
            rows.append(
                (
                    Cell(data),
                    Cell(modality),
                    Cell(value=bound, digits=3),
                    *(Cell(value=methods[m]["r2"], digits=3) for m in ("estimate", OURS)),
                )
            )
    heads = ("data", "modality", "R² of D(E(x))", "R² of the decoded estimate", "R² of md2n")
    return Table("recovery-latents", "What a latent keeps", heads, tuple(rows))
