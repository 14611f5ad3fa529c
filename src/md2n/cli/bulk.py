"""``md2n predict`` and ``md2n recover`` in parts: a folder of Parquet files, which the same command completes."""

from pathlib import Path
from typing import Any

MOST_NOTES = 5


def answer_parts(parts: int | None, engine: str, batch: int | None, **work: Any) -> bool:
    """Answers in parts where that is asked for; False where it is not, and nothing was done.

    Args:
        parts: rows of a part; None and the engine "" ask for nothing.
        engine: ``local``, ``ray``, or "".
        batch: rows that the model sees at a time.
        **work: the options of the command by the names of ``Work``; and ``quiet``.

    Raises:
        Md2nError: as ``answer_in_parts``.
    """
    from md2n.errors import UsageError

    out = work["out"]
    if parts is None and not engine:
        if batch is not None:
            raise UsageError("--batch is for answers in parts", "add --parts 4096, or leave --batch out")
        return False
    if out is None:
        raise UsageError("answers in parts are files of a folder", "add --out FOLDER")
    import typer

    from md2n.cli.counting import counted
    from md2n.cli.output import say
    from md2n.data.places import check_apart

    check_apart(out, work["data"])
    quiet, what, run = work.pop("quiet"), work["what"], work["run"]
    with counted(f"{what}ing with {run}" if what == "predict" else f"recovering with {run}", quiet) as count:
        from md2n.serve.bulk import BATCH, ROWS, Work, answer_in_parts

        if engine == "ray":
            from md2n.serve.ray_engine import require_ray

            require_ray()
            say("starting Ray: some 20 seconds, or minutes where other work keeps the cores busy")
        sizes = {"rows": ROWS if parts is None else parts, "batch": BATCH if batch is None else batch}
        texts = {name: str(work[name]) for name in ("run", "data", "out")}
        rows, notes = answer_in_parts(
            Work(**{**work, **texts, **sizes, "hide": tuple(work["hide"] or ())}),
            engine or "local",
            lambda done, total: count(done, total, "rows"),
        )
    for note in notes[:MOST_NOTES]:
        say(f"note: {note}")
    if len(notes) > MOST_NOTES:
        say(f"note: and {len(notes) - MOST_NOTES} more of such kinds, of other parts")
    say(f"{rows} rows in {len(list(Path(out).glob('part-*.parquet')))} parts")
    typer.echo(str(out))
    return True
