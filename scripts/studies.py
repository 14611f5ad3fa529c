"""The paper's tables and figures on our sets, ``results/studies.json``, from which docs/studies/ is made.

    python -m scripts.studies plan [--cheap]            prints the commands, each with its runs and planned CPU-hours
    python -m scripts.studies add runs/studies ...      puts what `md2n reproduce` reported there into the file

The commands are resumable; those with ``--no-run`` report what ``python -m scripts.results run`` made.  On sets of more
than four modalities such runs are measured once more, under every pattern.  What was
reported before is replaced by a report of the same study on the same data, unless that has fewer runs.  Commit the file
and the pages alone.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from md2n.durable import write_bytes
from md2n.errors import DataError
from md2n.experiment.reproduce import BASELINES, STUDIES, jobs_of, study_of
from md2n.report import style
from md2n.report.files import write_whole
from md2n.report.reproduced import Reproduced, from_json
from md2n.report.reproduction import SUMMARY, drawing
from scripts.refusals import in_two_lines
from scripts.results import BUDGETS, SLOW, Budget

PROJECT = Path(__file__).resolve().parents[1]
FILE = PROJECT / "results" / "studies.json"
PICTURES = PROJECT / "docs" / "pictures" / "studies"
OUT = "runs/studies"
# The paper's diffusion in latents as small as the default's: one thread trains it in minutes.
SMALL = ("model.fusion.latent.length=8", "model.fusion.latent.encoder=auto", "model.fusion.kind=joint")
STEPS = ("trainer.steps=800", "trainer.validations=4")  # of sets with thousands of training samples


@dataclass(frozen=True)
class Planned:
    """One command of the study.

    Args:
        study: table or figure.
        data: ready set.
        seconds: CPU seconds of a run on one thread, a mean over its rows; without training where the benchmark does it.
        folds: each tested once; 0: the split that there is, with ``seeds``.
        seeds: how many.
        sets: overrides.
        models: rows; all if empty.
        cheap: folds in the cheap version, 0 for one seed on the split that there is; None: it has no part in it.
    """

    study: str
    data: str
    seconds: float
    folds: int = 5
    seeds: int = 1
    sets: tuple[str, ...] = ()
    models: str = ""
    cheap: int | None = None

    @property
    def out(self) -> str:
        """Folder of the runs: one for every set of overrides, for such runs do not compare."""
        if (budget := budget_of(self.data)) and self.sets == budget.sets:
            return str(budget.out)
        parts = [OUT, *(["small"] if SMALL[0] in self.sets else []), *(["steps"] if STEPS[0] in self.sets else [])]
        return "-".join(parts)

    def command(self) -> str:
        """As a person types it."""
        repeats = f"--folds {self.folds}" if self.folds else f"--seeds {self.seeds}"
        words = ["md2n reproduce", self.study, "--data", self.data, "--out", self.out, repeats]
        words += ["--models", self.models] if self.models else []
        words += ["--no-run"] if self.of_benchmark and not self.seconds else []
        return " ".join([*words, *(f"--set {s}" for s in self.sets)])

    @property
    def of_benchmark(self) -> bool:
        """Whether the standing benchmark trains the same runs."""
        return not self.out.startswith(OUT)

    def runs(self) -> list[Path]:
        """Folders of its runs; two commands may share some."""
        study = study_of(self.study, tuple(m for m in self.models.split(",") if m))
        jobs = jobs_of(study, self.data, Path(self.out), self.seeds, self.folds, sets=self.sets)
        return [job.run for _, job in jobs]


def budget_of(data: str) -> Budget | None:
    """What the standing benchmark gives all methods on a set; None for a set that is not in it."""
    return next((budget for budget in BUDGETS if data in budget.data), None)


def from_benchmark(study: str, data: str, folds: int = 5, cheap: int | None = None, seconds: float = 0) -> Planned:
    """A table or figure of the standing benchmark's own runs, which `python -m scripts.results run` makes.

    Args:
        study: table or figure.
        data: ready set.
        folds: as of ``Planned``, and ``cheap``.
        cheap: folds in the cheap version.
        seconds: to measure a run under every pattern, which the benchmark does not where they are many; of methods that
            it trains on all folds.
    """
    budget = budget_of(data)
    assert budget is not None
    left_out = SLOW if seconds else () if data in budget.imder else ("imder",)
    models = ",".join(m for m in BASELINES if m not in left_out) if left_out else ""
    return Planned(study, data, seconds, folds, 1 if folds else 2, budget.sets, models, cheap)


# Measured: a run of the small variants takes 25 CPU seconds on ravdess_av; the methods as in results/results.json.xz.
PLAN = (
    *(Planned(name, "ravdess_av", 25, sets=SMALL, cheap=5) for name in ("table2", "table4", "fig4")),
    Planned("table3", "ravdess_av", 42, cheap=5),
    *(from_benchmark(name, "ravdess_av", cheap=5) for name in ("table1", "fig1", "fig3")),
    from_benchmark("table1", "stressid", cheap=5, seconds=5),
    *(Planned(name, "stressid", 70, sets=SMALL) for name in ("table2", "table4")),
    *(Planned(name, "mosi_clean", 90, sets=SMALL) for name in ("table2", "table4")),
    Planned("table3", "mosi_clean", 115),
    Planned("table2", "mfeat", 220, folds=0, seeds=2, sets=(*SMALL, *STEPS)),
    *(from_benchmark(name, "mosi_clean") for name in ("table1", "fig3")),
    from_benchmark("table1", "mfeat", seconds=20),
    from_benchmark("table1", "cremad_ratings", folds=0),
    from_benchmark("table1", "extrasensory", folds=0, seconds=120),
)


def planned(cheap: bool) -> list[Planned]:
    """The study, or its cheap version."""
    return [replace(p, folds=p.cheap, seeds=1) for p in PLAN if p.cheap is not None] if cheap else list(PLAN)


def add(folders: Sequence[Path], file: Path = FILE) -> list[Reproduced]:
    """Puts reports below these folders into the file.

    Raises:
        DataError: no report in a folder, or one of another format.
    """
    held = {_key(one): one for one in read(file)}
    reports = [(folder, path) for folder in folders for path in sorted(folder.rglob(SUMMARY))]
    for folder in folders:
        if folder not in {place for place, _ in reports}:
            raise DataError(f"there is no {SUMMARY} below {folder}", "make one: md2n reproduce table1 --out FOLDER")
    for _, path in reports:
        new: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        old = held.get(_key(new))
        if old is None or from_json(new).runs >= from_json(old).runs:
            held[_key(new)] = new
    names = list(STUDIES)
    ordered = [held[key] for key in sorted(held, key=lambda key: (names.index(key[0]), key[1]))]
    lines = ",\n".join(json.dumps(one, sort_keys=True, ensure_ascii=False) for one in ordered)
    write_bytes(file, f"[\n{lines}\n]\n".encode())
    return [from_json(one) for one in ordered]


def read(file: Path = FILE) -> list[dict[str, Any]]:
    """What the file holds; nothing where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def _key(one: dict[str, Any]) -> tuple[str, str]:
    return str(one["study"]), str(one["grids"][0]["dataset"])


def draw(studies: Sequence[Reproduced], folder: Path = PICTURES) -> None:
    """The figures of the pages, as PNG."""
    for one in studies:
        if (picture := drawing(one)) is not None:
            write_whole(folder / f"{one.study}-{one.dataset}.png", style.png(picture.figure, dpi=110))


def plan_lines(cheap: bool) -> list[str]:
    """The commands, cheapest first, and what they take; a run that an earlier command makes is not counted again.

    A report that the file has, of as many runs, is not counted, whichever code made it.
    """
    lines, seen, total = [], set[Path](), 0.0
    reported = {_key(held): from_json(held).runs for held in read()}
    for one in planned(cheap):
        if reported.get((one.study, one.data), 0) >= max(one.folds, one.seeds):
            lines += ["# reported already", one.command()]
            continue
        if one.of_benchmark and not one.seconds:
            lines += ["# of the benchmark's runs", one.command()]
            continue
        runs = set(one.runs()) - seen
        seen |= runs
        hours = len(runs) * one.seconds / 3600
        total += hours
        lines += [f"# {len(runs)} runs, {hours:.2f} CPU-hours", one.command()]
    return [*lines, f"# together {total:.1f} CPU-hours"]


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("plan", "add"))
    parser.add_argument("folders", nargs="*", type=Path, help="with reports of `md2n reproduce` below them")
    parser.add_argument("--cheap", action="store_true", help="of the plan: the small sets, one seed")
    options = parser.parse_args()
    if options.action == "plan":
        sys.stdout.write("\n".join(plan_lines(options.cheap)) + "\n")
        return
    from scripts import generate

    if not options.folders:
        parser.error("give the folder of `md2n reproduce --out`")
    draw(add(options.folders))
    generate.write()


if __name__ == "__main__":
    main()
