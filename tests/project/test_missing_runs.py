"""What the standing benchmark lacks: the runs without a number, or with one of other settings or other code."""

from dataclasses import replace
from pathlib import Path

from scripts.archive import keep, read
from scripts.missing_runs import commands, missing_jobs

from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.experiment.jobs import Job, plan
from tests.project.test_archive import predicted


def measured(job: Job, protocol: str = "fixed") -> list[ResultRow]:
    made = {"config_hash": job.settings["config_hash"], "settings": {"code": job.settings["code"]}}
    return [replace(r, protocol=PROTOCOLS[protocol], **made) for r in predicted(job.model, job.seed, {"rows": 0.5})]


def test_a_run_counts_with_all_protocols_of_these_settings_and_this_code(tmp_path: Path) -> None:
    whole, half, edited, older, none = jobs = plan(["digits"], ["dcca", "dccae", "mctn", "transm", "icdn"], 1, tmp_path)
    rows = [r for job in (whole, edited, older) for p in PROTOCOLS for r in measured(job, p)] + measured(half)
    other = {"training": "0" * 12, "measuring": "0" * 12}
    rows = [
        replace(r, config_hash="0" * 64) if r.model == edited.model
        else replace(r, settings={"code": other}) if r.model == older.model
        else r
        for r in rows
    ]  # fmt: skip
    keep(tmp_path / "kept", rows, [])
    assert missing_jobs(read(tmp_path / "kept")[0], jobs) == [half, edited, older, none]


def test_it_is_told_as_commands_of_the_seeds_that_lack(tmp_path: Path) -> None:
    jobs = plan(["digits", "mosi"], ["dcca", "imder"], 5, tmp_path)
    done = {("digits", "dcca", 0), ("mosi", "imder", 0), ("mosi", "imder", 1), ("mosi", "imder", 3)}
    done |= {("mosi", "dcca", seed) for seed in range(5)}
    end = "--protocol fixed,random --out b"
    assert commands([j for j in jobs if (j.data, j.model, j.seed) not in done], Path("b")) == [
        f"md2n benchmark --data digits --models imder --seeds 5 {end}  # 5 runs",
        f"md2n benchmark --data digits --models dcca --seeds 4 --first-seed 1 {end}  # 4 runs",
        f"md2n benchmark --data mosi --models imder --seeds 3 --first-seed 2 {end}  # 2 runs",
    ]
