"""``md2n predict`` and ``md2n recover`` on a table file whose answer is a table of the same kind."""

from pathlib import Path
from typing import Any


def answer_table(
    run: Path,
    data: str,
    out: Path,
    split: str,
    hide: list[str] | None,
    what: str,
    draws: int | None,
    any_units: bool,
    seed: int,
    device: str,
    quiet: bool,
    steps: int | None = None,
    distrust: float | None = None,
) -> bool:
    """Answers a table file by a table file, some rows at a time; False where these are none, and nothing was done.

    Args:
        run: the run folder.
        data: the table, or any other data.
        out: of the table to write.
        split: of the command; a table is answered whole.
        hide: modalities to hide.
        what: ``predict`` or ``recover``.
        draws: of the command.
        any_units: of the command.
        seed: of the draws.
        device: where to compute.
        quiet: no progress.
        steps: of ``recover``.
        distrust: of ``predict``.

    Raises:
        UsageError: a split, a modality that is not known, or tables of two kinds.
        DataError: rows that cannot be answered.
    """
    from md2n.serve.table_files import answer_file, answers_table

    if not answers_table(data, out):
        return False
    import typer

    from md2n.cli.counting import counted
    from md2n.cli.output import say
    from md2n.errors import UsageError, did_you_mean

    if split:
        raise UsageError(
            "a table is answered whole, so that its rows stay what they are",
            f"leave --split out, or import it: md2n data import {data} --out STORE",
        )
    notes: dict[str, None] = {}
    with counted(f"{what}ing with {run}" if what == "predict" else f"recovering with {run}", quiet) as count:
        from md2n.serve.predictor import load
        from md2n.serve.tables import without

        predictor = load(run, device=device, seed=seed)
        for name in hide or ():
            if name not in predictor.schema.names:
                raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, predictor.schema.names))

        def answer(table: Any, progress: Any) -> Any:
            shown = without(table, tuple(hide or ()), predictor.schema, predictor.columns)
            options: dict[str, Any] = {"draws": draws, "check_units": not any_units, "progress": progress}
            if what == "predict":
                options["check_units"] = not any_units and distrust is None
                predicted = predictor.predict(shown, distrust=distrust, **options)
                notes.update(dict.fromkeys(predicted.notes))
                return predicted.into(table)
            recovered = predictor.recover(shown, steps=steps, **options)
            notes.update(dict.fromkeys(recovered.notes))
            return recovered.into(shown)

        rows = answer_file(
            predictor, Path(data), out, answer, lambda done, total: count(done, total, "rows"), fills=what == "recover"
        )
    for note in notes:
        say(f"note: {note}")
    say(f"{rows} rows")
    typer.echo(str(out))
    return True
