"""What is the same for every method of a benchmark, written into its folder before the first run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from md2n.durable import make_directory, write_json
from md2n.errors import RunError, UsageError
from md2n.reading import read_json, reading

BENCHMARK = "benchmark.json"


@dataclass(frozen=True)
class Terms:
    """What is the same for every method of a benchmark.

    Args:
        tune: trials of the search per method and data set, beside the preset.
        preset: that every method starts from; each one's own if empty.
        sets: settings of every run beside the preset; None in folders of an md2n that did not record them.
    """

    tune: int
    preset: str = ""
    sets: tuple[str, ...] | None = ()

    @property
    def words(self) -> str:
        """In words, for the tables."""
        parts = ["presets, no search"]
        if self.tune:
            trials = f"{self.tune} random {'trial' if self.tune == 1 else 'trials'}"
            parts = [f"the preset and {trials} per method and data set, chosen on validation with seed 0"]
        parts += [f"every method from preset '{self.preset}'"] if self.preset else []
        parts += [f"in every run {', '.join(self.sets)}"] if self.sets else []
        return "; ".join(parts)

    @property
    def options(self) -> str:
        """As options of ``md2n benchmark``."""
        options = ["--tune", str(self.tune), *(["--preset", self.preset] if self.preset else [])]
        return shlex.join([*options, *(word for s in self.sets or () for word in ("--set", s))])


def terms(out: Path) -> Terms | None:
    """Those that a benchmark was made under; None where it has not begun.

    Raises:
        RunError: they cannot be read.
    """
    with reading(out / BENCHMARK, RunError, "restore it, or give another --out"):
        if not (out / BENCHMARK).exists():
            return None
        record = read_json(out / BENCHMARK)
        sets = tuple(map(str, record["sets"])) if "sets" in record else None
        return Terms(int(record["tune"]), str(record.get("preset", "")), sets)


def check_terms(out: Path, now: Terms) -> None:
    """Refuses to put rows made under two sets of terms into one benchmark.

    Raises:
        UsageError: the folder was made under others.
    """
    before = terms(out)
    if before is not None and before != (now if before.sets is not None else Terms(now.tune, sets=None)):
        raise UsageError(
            f"{out} was made with {before.options}, not with {now.options}: such rows do not compare",
            f"give {before.options}, or another folder to --out",
        )


def record_terms(out: Path, now: Terms) -> None:
    """Writes them, if there are none yet.

    Raises:
        StorageError: they cannot be written.
    """
    make_directory(out)
    if terms(out) is None:
        content = {"tune": now.tune, "preset": now.preset, "sets": list(now.sets or ())}
        write_json(out / BENCHMARK, {"format": 1, **content})
