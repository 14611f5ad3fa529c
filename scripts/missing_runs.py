"""Says what the standing benchmark still lacks, as the commands that make it.

    python -m scripts.missing_runs

A number that is kept in ``results/`` counts where its settings are the preset's of today and its method, and all that
measured it, are the code that is installed.  The benchmark takes hours, so it is made in sittings: run what this
prints, then ``python -m scripts.benchmark runs/benchmark``, which keeps what came of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from md2n.evaluation.results import PROTOCOLS, STANDING, ResultRow
from md2n.experiment.jobs import Job, plan
from md2n.methods.catalogue import MODELS
from scripts.archive import HASH, KEPT, measured_by, read
from scripts.pages.benchmark import SEEDS
from scripts.pages.extent import SETS

OUT = Path("runs/benchmark")


def missing_jobs(rows: Iterable[ResultRow], jobs: Sequence[Job]) -> list[Job]:
    """The runs that have no valid number under one of the protocols."""
    held = {
        (r.dataset, r.model, r.seed, r.protocol, r.config_hash[:HASH], measured_by(r)) for r in rows if not r.target
    }

    def has_numbers(job: Job) -> bool:
        version = job.settings["config_hash"][:HASH], job.settings["code"]["measuring"]
        return all((job.dataset, job.model, job.seed, p, *version) in held for p in map(PROTOCOLS.get, STANDING))

    return [job for job in jobs if not has_numbers(job)]


def commands(jobs: Sequence[Job], out: Path = OUT) -> list[str]:
    """A command for every data set and stretch of seeds, with how many of its runs are lacking."""
    lacks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for job in jobs:
        lacks[job.data, job.model].append(job.seed)
    together: dict[tuple[str, int, int], dict[str, int]] = defaultdict(dict)
    for (data, model), seeds in sorted(lacks.items(), key=lambda lack: lack[0][0]):
        together[data, min(seeds), max(seeds)][model] = len(seeds)
    return [
        f"md2n benchmark --data {data} --models {','.join(models)} --seeds {last + 1 - first}"
        f"{f' --first-seed {first}' if first else ''} --protocol {','.join(STANDING)} "
        f"--out {out}  # {sum(models.values())} runs"
        for (data, first, last), models in together.items()
    ]


def main() -> None:
    jobs = plan(SETS, MODELS.names(), SEEDS, OUT)
    missing = missing_jobs(read(KEPT)[0], jobs)
    print("\n".join([f"# {len(missing)} of {len(jobs)} runs are to be made", *commands(missing)]))


if __name__ == "__main__":
    main()
