"""``md2n plan``: time, memory and traffic of work on many rows, before it is begun."""

from typing import Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n plan --rows 1000000
  md2n plan --rows 1e9 --cores 512 --modalities 3 --length 20 --dim 64 --draws 8 --steps 2
  md2n plan --rows 100000 --processes 4 --set trainer.epochs=10 --json > plan.json
"""


def plan(
    rows: Annotated[float, typer.Option(help="How many rows.")],
    modalities: Annotated[int, typer.Option(help="Modalities of a row.")] = 3,
    length: Annotated[int, typer.Option(help="Frames of each modality; 1 for vectors.")] = 1,
    dim: Annotated[int, typer.Option(help="Features of a frame.")] = 32,
    model: Annotated[str, typer.Option(help="A method that recovers.")] = "md2n",
    draws: Annotated[int, typer.Option(help="Draws of a recovery.")] = 8,
    steps: Annotated[int, typer.Option(help="Network calls of a draw.")] = 2,
    parts: Annotated[int, typer.Option(metavar="ROWS", help="Rows of a part of the recovery.")] = 4096,
    cores: Annotated[int, typer.Option(help="Cores that recover, one process each.")] = 1,
    processes: Annotated[int, typer.Option(help="Processes of the training.")] = 1,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A setting of the training; repeatable.")] = None,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say what a training and a recovery of many rows will cost, from short runs on this machine.

    The runs take about a minute for small rows.  They are real trainings and recoveries of 64 to 4096 made rows, and
    what they took is extrapolated in a straight line.  Seconds are those of one core of this machine.
    """
    from dataclasses import asdict
    from math import isfinite

    from md2n.cli.counting import counted
    from md2n.cli.description import plain_table
    from md2n.cli.output import print_json, print_table
    from md2n.errors import UsageError

    if not (min(rows, parts, cores, processes) >= 1 and isfinite(rows)):
        raise UsageError(
            "rows, parts, cores and processes are numbers of 1 or more",
            "give such numbers, as in md2n plan --rows 1e6 --cores 8",
        )
    with counted("calibrating", quiet, every=True) as count:
        from md2n.experiment.config import resolve
        from md2n.experiment.cost_model import Sizes, measure

        config = resolve("default", set_ or (), model=model)
        training, recovery = measure(Sizes(modalities, length, dim), model, draws, steps, set_ or (), count)
    epochs, calls = config.trainer.epochs, draws * steps
    facts = {
        "training": {
            "cpu_s": training.cpu_s(rows, epochs),
            "memory_mib": training.memory_mib(rows),
            "sent_bytes_per_step": training.step_bytes(processes),
        },
        "recovery": {
            "cpu_s": recovery.cpu_s(rows, calls),
            "wall_s": recovery.cpu_s(rows / cores, calls),
            "memory_mib": recovery.memory_mib(min(parts, int(rows))),
            "read_bytes": rows * recovery.read,
            "written_bytes": rows * recovery.write,
        },
    }
    if json:
        print_json({**facts, "fitted": {"training": asdict(training), "recovery": asdict(recovery)}})
        return
    one, other = facts["training"], facts["recovery"]
    lines = [
        (f"training, {epochs} epochs", f"{_time(one['cpu_s'])} of one core", f"{one['memory_mib']:,.0f} MiB"),
        (f"recovery, {calls} calls a row", f"{_time(other['cpu_s'])} of one core", f"{other['memory_mib']:,.0f} MiB"),
    ]
    if cores > 1:
        each = f"{other['memory_mib']:,.0f} MiB each"
        lines.append((f"recovery on {cores} such cores", _time(other["wall_s"]), each))
    print_table(plain_table("plan", f"{rows:,.0f} rows", ("work", "time", "memory"), lines))
    network = [
        ("the recovery reads", _size(other["read_bytes"])),
        ("the recovery writes", _size(other["written_bytes"])),
    ]
    if processes > 1:
        network.append((f"gradients, each of {processes} processes, a step", _size(one["sent_bytes_per_step"])))
    print_table(plain_table("bytes", "Disk or network", ("what", "bytes"), network))


add_examples(plan, EXAMPLES)


def _time(seconds: float) -> str:
    """A duration with two or three digits that count."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:.1f} kB"
