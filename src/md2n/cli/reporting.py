"""Reports that use the title of each method's card and mark retracted methods."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from md2n.report.grid import Naming

UPPER_BOUND = "upper bound"


def naming(models: Iterable[str]) -> "Naming":
    """Titles, retractions and upper bounds from the cards of these methods.

    An unknown method keeps its name, and so do methods from added files and those that share a title: two methods with
    one label would be one row.
    """
    from md2n.methods.added import files
    from md2n.methods.catalogue import MODELS
    from md2n.report.grid import Naming

    cards = {m: MODELS.get(m).card for m in dict.fromkeys(models) if m in MODELS.names()}
    titles = [card.title for card in cards.values()]
    return Naming(
        {m: c.title for m, c in cards.items() if m not in files() and titles.count(c.title) == 1},
        tuple(m for m, card in cards.items() if card.retracted),
        tuple(m for m, card in cards.items() if card.family == UPPER_BOUND),
    )


def say_what_is_left_out() -> None:
    """One line where no figure can be drawn: what is left out and how to get it."""
    from md2n.cli.output import say
    from md2n.report.style import undrawable

    if reason := undrawable():
        say(reason)


def report_of(paths: Sequence[Path], folder: Path) -> Path:
    """Writes the report of runs and benchmarks.

    Args:
        paths: run folders, benchmark folders, results files or archives of results.
        folder: of the report.

    Returns:
        Path of its page.

    Raises:
        RunError: one of them is absent, empty, or holds no results.
        DataError: rows that cannot be read, or do not belong in one table.
        StorageError: a file could not be written.
    """
    from md2n.cli.output import say
    from md2n.experiment.results_store import collect
    from md2n.report.render import write_report

    say_what_is_left_out()
    results = collect(paths, say)
    named = naming([r.model for r in results.rows] + [f.model for f in results.failures])
    return write_report(
        folder, results.rows, naming=named, runs=results.runs, failures=results.failures, notes=results.notes
    )
