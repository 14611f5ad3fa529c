"""What the standing benchmark keeps of its runs in ``results/``: all that its page is made from.

``measures.csv`` has one line per number: of predictions two measures under every condition, of recoveries means over
the incomplete patterns that hide the modality.  ``costs.jsonl`` has one line per run.  The rest (predictions, masks,
every measure) stands in the run folders, which the same command makes again.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from md2n.durable import make_directory, write_bytes
from md2n.evaluation.results import ResultRow
from md2n.report.runs import RunFacts

KEPT = Path(__file__).resolve().parents[1] / "results"
MEASURED, COSTS = "measures.csv", "costs.jsonl"
PREDICTION = (("accuracy", "macro_f1"), ("acc2_nonzero", "mae"), ("mae",))  # a set has the first that it can have
RECOVERY = ("recovery_r2", "recovery_crps", "recovery_coverage90")
INCOMPLETE = "incomplete"
COLUMNS = (
    "dataset", "model", "seed", "protocol", "condition", "requested", "realised", "target", "metric", "value", "n",
    "config", "commit", "data",
)  # fmt: skip


def primary(rows: Sequence[ResultRow], dataset: str) -> tuple[str, ...]:
    """The measures of a set's predictions that are kept; the first is the one that is told first."""
    found = {r.metric for r in rows if r.dataset == dataset and not r.target}
    return next((measures for measures in PREDICTION if set(measures) <= found), ())


def keep(folder: Path, rows: Sequence[ResultRow], runs: Iterable[RunFacts]) -> None:
    """Puts what was measured into both files.

    It takes the place of what they have of a method on a set once it has as many seeds; until then that stays.

    Raises:
        StorageError: they cannot be written.
    """
    old, spent = read(folder) if (folder / MEASURED).exists() else ([], [])
    now, before = _seeds(rows), _seeds(old)
    anew = {key for key, seeds in now.items() if len(seeds) >= len(before.get(key, ()))}
    rows = [r for r in rows if (r.dataset, r.model) in anew]
    runs = [r for r in runs if (r.dataset, r.model) in anew] + [r for r in spent if (r.dataset, r.model) not in anew]
    chosen = {d: primary(rows, d) for d in {r.dataset for r in rows}}
    lines = [_line(r, r.condition, r.value) for r in rows if not r.target and r.metric in chosen[r.dataset]]
    hidden: dict[tuple[Any, ...], list[ResultRow]] = defaultdict(list)
    for r in rows:
        if r.target and r.metric in RECOVERY and r.protocol.startswith("fixed@") and r.condition != "complete":
            hidden[r.dataset, r.model, r.seed, r.target, r.metric].append(r)
    lines += [_line(held[0], INCOMPLETE, fmean(r.value for r in held)) for held in hidden.values()]
    lines += [_line(r, r.condition, r.value) for r in old if (r.dataset, r.model) not in anew]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *sorted(lines)])
    costs = sorted(json.dumps(_facts(r)) for r in runs if r.cost)
    make_directory(folder)
    write_bytes(folder / MEASURED, out.getvalue().encode())
    write_bytes(folder / COSTS, "".join(f"{c}\n" for c in costs).encode())


def read(folder: Path) -> tuple[list[ResultRow], list[RunFacts]]:
    """The kept numbers, and the runs with what they cost."""
    with (folder / MEASURED).open(newline="") as stream:
        rows = [_row(line) for line in csv.DictReader(stream)]
    told = (folder / COSTS).read_text().splitlines()
    return rows, [RunFacts(folder="", predictions="", **json.loads(line)) for line in told]


def _seeds(rows: Iterable[ResultRow]) -> dict[tuple[str, str], set[int]]:
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for r in rows:
        found[r.dataset, r.model].add(r.seed)
    return found


def _line(r: ResultRow, condition: str, value: float) -> tuple[str, ...]:
    requested = "" if r.rate_requested is None else f"{r.rate_requested:g}"
    named = (r.dataset, r.model, str(r.seed), r.protocol, condition, requested)
    numbers = (f"{r.rate_realised:.4g}", r.target, r.metric, f"{value:.6g}", str(r.n))
    return (*named, *numbers, r.config_hash[:12], r.git_commit[:12], r.data_checksum[:12])


def _row(line: dict[str, str]) -> ResultRow:
    return ResultRow(
        dataset=line["dataset"], split="test", data_checksum=line["data"], model=line["model"],
        config_hash=line["config"], seed=int(line["seed"]), protocol=line["protocol"], run="", settings={},
        versions={}, md2n_version="", git_commit=line["commit"], created="", condition=line["condition"],
        rate_requested=float(line["requested"]) if line["requested"] else None,
        rate_realised=float(line["realised"]), n=int(line["n"]), metric=line["metric"], value=float(line["value"]),
        target=line["target"],
    )  # fmt: skip


def _facts(run: RunFacts) -> dict[str, Any]:
    named = {"dataset": run.dataset, "model": run.model, "config_hash": run.config_hash, "seed": run.seed}
    return {**named, "cost": dict(run.cost)}
