"""What the standing benchmark keeps of its runs in ``results/``: all that its page is made from.

``measures.csv`` has one line per number: of predictions two measures under every condition, of recoveries means over
the incomplete patterns that hide the modality.  ``costs.jsonl`` has one line per run, ``failures.jsonl`` one per run
that ended without results, with its reason.  The rest (predictions, masks, every measure) stands in the run folders,
which the same command makes again.

A line's ``shared`` names the code that all methods had in common when its run was measured (``source.shared_code``):
a benchmark of many hours is made in many sittings, and a commit to one method's file does not part the others'
numbers.  It is empty where the run's code is not what is installed, and the commit stands for it.  ``code`` names the
code of the method and of all that measured it: a number whose code is another now is to be made again.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from md2n.durable import make_directory, write_bytes
from md2n.evaluation.results import STANDING, ResultRow
from md2n.experiment.source import measuring_code, shared_code, training_code
from md2n.methods.catalogue import MODELS
from md2n.report.grid import measured
from md2n.report.runs import Failure, RunFacts

KEPT = Path(__file__).resolve().parents[1] / "results"
MEASURED, COSTS, FAILURES = "measures.csv", "costs.jsonl", "failures.jsonl"
SPLIT = "test"
PREDICTION = (("accuracy", "macro_f1"), ("acc2_nonzero", "mae"), ("mae",))  # a set has the first that it can have
RECOVERY = ("recovery_r2", "recovery_crps", "recovery_coverage90")
ANSWERING = ("prediction", "recovery")  # what a run's cost tells by protocol
INCOMPLETE = "incomplete"
HASH = 12  # characters of a checksum that are kept
COLUMNS = (
    "dataset", "model", "seed", "protocol", "condition", "requested", "realised", "target", "metric", "value", "n",
    "config", "commit", "data", "masks", "shared", "code",
)  # fmt: skip

Run = tuple[str, str, int]  # data set, method, seed


def primary(rows: Sequence[ResultRow], dataset: str) -> tuple[str, ...]:
    """The measures of a set's predictions that are kept; the first is the one that is told first."""
    metrics = {r.metric for r in rows if r.dataset == dataset and not r.target}
    return next((measures for measures in PREDICTION if set(measures) <= metrics), ())


def keep(folder: Path, rows: Sequence[ResultRow], runs: Iterable[RunFacts], failures: Sequence[Failure] = ()) -> None:
    """Puts what was measured on the test split into the files.

    It takes the place of what they have of a method on a set under a protocol once it has as many seeds; until then
    that stays.  Seeds of the same settings, code, data and masks are added to, whichever sitting made them.  A failure
    stays until its run has results.

    Raises:
        DataError: a set's numbers would be of two versions of the data, or of two sets of masks; nothing is written.
        StorageError: they cannot be written.
    """
    old, spent, failed = read(folder) if (folder / MEASURED).exists() else ([], [], [])
    rows = [r for r in rows if r.split == SPLIT]
    ended = {(r.dataset, r.model, r.seed) for r in rows} | {(f.dataset, f.model, f.seed) for f in failures}
    failed = [*failures, *(f for f in failed if (f.dataset, f.model, f.seed) not in ended)]
    measurements = {(_key(r), _measurement(r)) for r in rows if measured_by(r)}
    remade = {(_key(r), r.seed) for r in rows}
    added_to = [r for r in old if (_key(r), _measurement(r)) in measurements and (_key(r), r.seed) not in remade]
    now, before = _seeds([*rows, *added_to]), _seeds(old)
    anew = {key for key, seeds in now.items() if len(seeds) >= len(before.get(key, ()))}
    rows = [r for r in rows if _key(r) in anew]
    others = [*(r for r in old if _key(r) not in anew), *(r for r in added_to if _key(r) in anew)]
    chosen = {d: primary(rows, d) for d in {r.dataset for r in rows}}
    lines = [_line(r, r.condition, r.value) for r in rows if not r.target and r.metric in chosen[r.dataset]]
    hidden: dict[tuple[Any, ...], list[ResultRow]] = defaultdict(list)
    for r in rows:
        if r.target and r.metric in RECOVERY and r.protocol.startswith("fixed@") and r.condition != "complete":
            hidden[r.dataset, r.model, r.seed, r.target, r.metric].append(r)
    lines += [_line(held[0], INCOMPLETE, fmean(r.value for r in held)) for held in hidden.values()]
    lines += [_line(r, r.condition, r.value) for r in others]
    whole = [_row(dict(zip(COLUMNS, line))) for line in lines]
    for dataset in {r.dataset for r in whole}:
        for protocol in STANDING:
            measured(whole, dataset, protocol)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *sorted(lines)])
    costs = [_facts(r) for r in _costs(runs, spent, {_run(r) for r in rows}, {_run(r) for r in others})]
    reasons = [{"dataset": f.dataset, "model": f.model, "seed": f.seed, "reason": f.reason} for f in failed]
    make_directory(folder)
    write_bytes(folder / MEASURED, out.getvalue().encode())
    write_bytes(folder / COSTS, _json_lines(costs))
    write_bytes(folder / FAILURES, _json_lines(reasons))


def read(folder: Path) -> tuple[list[ResultRow], list[RunFacts], list[Failure]]:
    """The kept numbers, the runs with what they cost, and the runs that failed."""
    with (folder / MEASURED).open(newline="") as stream:
        rows = [_row(line) for line in csv.DictReader(stream)]
    lines = (folder / COSTS).read_text().splitlines()
    failed = (folder / FAILURES).read_text().splitlines() if (folder / FAILURES).exists() else []
    runs = [RunFacts(folder="", predictions="", **json.loads(line)) for line in lines]
    return rows, runs, [Failure(record="", **json.loads(line)) for line in failed]


def _key(r: ResultRow) -> tuple[str, str, str]:
    return r.dataset, r.model, r.protocol


def _run(r: ResultRow | RunFacts) -> Run:
    return r.dataset, r.model, r.seed


def _measurement(r: ResultRow) -> tuple[str, ...]:
    """What seeds must have in common to be one measurement: settings, data, masks and code."""
    return tuple(s[:HASH] for s in (r.config_hash, r.data_checksum, str(r.settings.get("masks", "")), measured_by(r)))


def _seeds(rows: Iterable[ResultRow]) -> dict[tuple[str, str, str], set[int]]:
    seeds: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for r in rows:
        seeds[_key(r)].add(r.seed)
    return seeds


def _costs(runs: Iterable[RunFacts], spent: Iterable[RunFacts], anew: set[Run], stays: set[Run]) -> list[RunFacts]:
    """What runs with new numbers cost, with what the same run took before under another protocol, and what stays."""
    before = {(*_run(r), r.config_hash[:HASH]): r.cost for r in spent}
    concerned = {run[:2] for run in anew}
    facts = [r for r in spent if _run(r)[:2] not in concerned or _run(r) in stays - anew]
    for run in runs:
        if run.cost and _run(run) in anew:
            old = before.get((*_run(run), run.config_hash[:HASH]), {})
            answered = {k: {**old.get(k, {}), **run.cost.get(k, {})} for k in ANSWERING if k in old or k in run.cost}
            facts.append(replace(run, cost={**old, **run.cost, **answered}))
    return facts


def _json_lines(entries: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{line}\n" for line in sorted(map(json.dumps, entries))).encode()


def _line(r: ResultRow, condition: str, value: float) -> tuple[str, ...]:
    requested = "" if r.rate_requested is None else f"{r.rate_requested:g}"
    named = (r.dataset, r.model, str(r.seed), r.protocol, condition, requested)
    numbers = (f"{r.rate_realised:.4g}", r.target, r.metric, f"{value:.6g}", str(r.n))
    masks = str(r.settings.get("masks", ""))[:HASH]
    origin = r.config_hash[:HASH], r.git_commit[:HASH], r.data_checksum[:HASH], masks, shared_by(r), measured_by(r)
    return (*named, *numbers, *origin)


def measured_by(r: ResultRow) -> str:
    """The code of the method and of all that measured it."""
    return str((r.settings.get("code") or {}).get("measuring", ""))


def shared_by(r: ResultRow) -> str:
    """The code that all methods had in common when a row was measured; empty where it is not known."""
    if "shared" in r.settings:
        return str(r.settings["shared"])
    code = r.settings.get("code") or {}
    now = (
        {"training": training_code(r.model), "measuring": measuring_code(r.model)}
        if r.model in MODELS.names()
        else None
    )
    return shared_code() if code == now else ""


def _row(line: dict[str, str]) -> ResultRow:
    return ResultRow(
        dataset=line["dataset"], split=SPLIT, data_checksum=line["data"], model=line["model"],
        config_hash=line["config"], seed=int(line["seed"]), protocol=line["protocol"], run="",
        settings={
            **{k: line[k] for k in ("masks", "shared") if line.get(k)},
            **({"code": {"measuring": line["code"]}} if line.get("code") else {}),
        },
        versions={}, md2n_version="", git_commit=line["commit"], created="", condition=line["condition"],
        rate_requested=float(line["requested"]) if line["requested"] else None,
        rate_realised=float(line["realised"]), n=int(line["n"]), metric=line["metric"], value=float(line["value"]),
        target=line["target"],
    )  # fmt: skip


def _facts(run: RunFacts) -> dict[str, Any]:
    named = {"dataset": run.dataset, "model": run.model, "config_hash": run.config_hash[:HASH], "seed": run.seed}
    return {**named, "cost": dict(run.cost)}
