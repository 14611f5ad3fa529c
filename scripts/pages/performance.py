"""``docs/performance.md``: what costs how much on one core, and how it grows."""

import json
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from md2n.report.table import Cell, Table
from scripts.pages import PROJECT
from scripts.pages.benchmark import filled

FILE = PROJECT / "results" / "performance.json"
EXTRAPOLATED = (100_000, 1_000_000)
TITLES = {
    "modalities": "Over modalities (M = 2 to 8, one frame each)",
    "frames": "Over frames (three modalities)",
    "calls": "Over network calls (32 samples, one of three modalities missing, 8 draws)",
    "rows": "Over rows (three modalities, one frame each)",
}
LARGEST = 3

Points = Sequence[Mapping[str, Any]]


def page() -> str:
    """The whole page, from the project's results."""
    return page_of(json.loads(FILE.read_text(encoding="utf-8")))


def page_of(numbers: Mapping[str, Any]) -> str:
    """The page of one run."""
    facts: dict[str, str | Table | list[Table]] = {
        "torch": numbers["setting"]["torch"],
        "ratios": ratio_table(numbers["ratios"]),
        "settings": settings_table(numbers["ratios"]),
        "largest": "\n".join(largest(one) for one in numbers["parts"]),
        "parts": parts_table(numbers["parts"]),
        "kernels": kernels_table(numbers["parts"]),
        "growth": [growth_table(over, numbers["growth"]) for over in TITLES],
        "exponents": exponents_table(numbers["growth"]),
    }
    return filled(PROJECT / "scripts" / "pages" / "performance.txt", facts)


def ratio_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The training step beside modality dropout's, and the range of the ratio over rounds."""
    cells = []
    for row in rows:
        ours, theirs = row["cpu_s"]["md2n"], row["cpu_s"]["modality_dropout"]
        each = sorted(a / b for a, b in zip(ours, theirs))
        cells.append(
            (
                Cell(_size(row)),
                *(Cell(value=1000 * median(x), digits=1) for x in (theirs, ours)),
                Cell(value=median(each), digits=2),
                Cell(f"{each[0]:.2f} to {each[-1]:.2f}"),
            )
        )
    heads = ("training step", "modality_dropout, ms", "md2n, ms", "ratio", "of single rounds")
    return Table("performance-ratios", "Training steps", heads, tuple(cells))


def settings_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The same ratio, medians over rounds, of every setting that was measured."""
    heads = ("md2n with", *(_size(row) for row in rows))
    cells = []
    for name in rows[0]["cpu_s"]:
        if name != "modality_dropout":
            pairs = (zip(row["cpu_s"][name], row["cpu_s"]["modality_dropout"]) for row in rows)
            ratios = [Cell(value=median(a / b for a, b in one), digits=2) for one in pairs]
            cells.append((Cell("the default" if name == "md2n" else ", ".join(name.split())), *ratios))
    return Table("performance-settings", "Training steps under other settings", heads, tuple(cells))


def _size(row: Mapping[str, Any]) -> str:
    return f"M = {row['modalities']}, {row['frames']} frame{'s' if row['frames'] > 1 else ''}"


def shares(parts: Mapping[str, float]) -> dict[str, float]:
    """Share of the whole of every part, the largest first, and of what is in none."""
    whole = parts["whole"]
    each = {name: seconds / whole for name, seconds in parts.items() if name != "whole"}
    each["the rest"] = 1 - sum(each.values())
    return dict(sorted(each.items(), key=lambda item: -item[1]))


def largest(one: Mapping[str, Any]) -> str:
    """The three largest costs in a line."""
    named = [f"{name} {100 * share:.0f} %" for name, share in list(shares(one["parts"]).items())[:LARGEST]]
    return f"- {one['what']}, {1000 * one['parts']['whole']:.0f} CPU-ms: {', '.join(named)}"


def parts_table(several: Sequence[Mapping[str, Any]]) -> Table:
    """Share of every part in every task."""
    names = list(dict.fromkeys(name for one in several for name in shares(one["parts"])))
    rows = [
        (
            Cell(one["what"]),
            *(Cell(value=100 * share, digits=0) if (share := shares(one["parts"]).get(n)) else Cell("") for n in names),
        )
        for one in several
    ]
    return Table("performance-parts", "Share of CPU time by part, %", ("what", *names), tuple(rows))


def kernels_table(several: Sequence[Mapping[str, Any]]) -> Table:
    """Share of every group of kernels in every task."""
    names = list(several[0]["kernels"])
    rows = [(Cell(one["what"]), *(Cell(value=100 * one["kernels"][n], digits=0) for n in names)) for one in several]
    return Table("performance-kernels", "Share of CPU time by kernel, %", ("what", *names), tuple(rows))


def of_series(points: Points, over: str) -> dict[tuple[str, str], dict[int, float]]:
    """(what, method) -> size -> median CPU-seconds."""
    series: dict[tuple[str, str], dict[int, float]] = {}
    for p in points:
        if p["over"] == over:
            series.setdefault((p["what"], p["method"]), {})[p["size"]] = median(p["cpu_s"])
    return series


def growth_table(over: str, points: Points) -> Table:
    """Medians in milliseconds, a row for each size; sizes past the measured ones are marked."""
    series = of_series(points, over)
    sizes = sorted({size for of in series.values() for size in of})
    rows = [
        (
            Cell(f"{size:,}"),
            *(Cell(value=1000 * of[size], digits=1) if size in of else Cell("") for of in series.values()),
        )
        for size in sizes
    ]
    if over == "rows":
        sizes = sorted({*sizes, *EXTRAPOLATED})
        rows = [(Cell(f"{size:,}"), *(reached(what, of, size) for (what, _), of in series.items())) for size in sizes]
    heads = (over, *(f"{what}, {method}, ms" for what, method in series))
    return Table(f"performance-{over}", TITLES[over], heads, tuple(rows))


def reached(what: str, of: Mapping[int, float], size: int) -> Cell:
    """The cost at a number of rows, measured; or, marked, what the largest measured ones say of it.

    An epoch and predictions are a call for every 32 rows.  A calibration reads every row and fits on 2,048 of them: a
    line through the last two sizes.  A recovery reads those 2,048 alone.
    """
    if size in of:
        return Cell(value=1000 * of[size], digits=1)
    before, last = sorted(of)[-2:]
    if what == "recovery":
        seconds = of[last]
    elif what == "calibration":
        seconds = of[last] + (of[last] - of[before]) / (last - before) * (size - last)
    else:
        seconds = of[last] * size / last
    return Cell(f"{1000 * seconds:,.0f} (extrapolated)")


def exponent(of: Mapping[int, float]) -> float:
    """p of ``cost = c size^p`` by least squares in logarithms, over the upper half of the sizes.

    At small sizes a fixed cost hides what grows.
    """
    sizes = sorted(of)
    upper = sizes[min(len(sizes) // 2, len(sizes) - 2) :]
    x, y = [math.log(s) for s in upper], [math.log(of[s]) for s in upper]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def exponents_table(points: Points) -> Table:
    """The exponent of every series, and the reason for it."""
    rows = []
    for over in TITLES:
        for (what, method), of in of_series(points, over).items():
            sizes = sorted(of)
            upper = sizes[min(len(sizes) // 2, len(sizes) - 2) :]
            rows.append(
                (
                    Cell(f"{what} over {over}"),
                    Cell(method),
                    Cell(value=exponent(of), digits=2),
                    Cell(f"{upper[0]:,} to {upper[-1]:,}"),
                    Cell(REASONS[over, what, method]),
                )
            )
    return Table("performance-exponents", "Exponents", ("what", "method", "exponent", "fitted on", "why"), tuple(rows))


REASONS = {
    ("modalities", "step", "modality_dropout"): "M encoders and M · 8 tokens in fusion, beside what does not grow",
    ("modalities", "prediction", "modality_dropout"): "the same",
    (
        "modalities",
        "step",
        "md2n",
    ): "M networks, each with the M − 1 other modalities as its condition: between 1 and 2",
    ("modalities", "prediction", "md2n"): "one modality is missing, so one network is called; its condition grows",
    ("modalities", "recovery", "md2n"): "the same; draws and decoder of one modality do not grow",
    ("frames", "step", "modality_dropout"): "encoders read every frame; a latent has 8 tokens however many they are",
    ("frames", "prediction", "modality_dropout"): "the same",
    ("frames", "step", "md2n"): "encoders, twice, and decoders; the diffusion sees 8 tokens and does not grow",
    ("frames", "prediction", "md2n"): "encoders",
    ("frames", "recovery", "md2n"): "decoders: every draw is decoded to every frame",
    (
        "calls",
        "recovery",
        "md2n",
    ): "a draw is as many calls of one network on as many tokens; the condition is encoded once",
    ("rows", "epoch", "md2n"): "a step for every 32 rows",
    ("rows", "prediction", "md2n"): "a call for every 32 rows",
    (
        "rows",
        "calibration",
        "md2n",
    ): "fits are on 2,048 rows at most; reading all takes over far past that",
    ("rows", "recovery", "md2n"): "32 samples are matched with the kept rows, at most 2,048: past them it is flat",
}
