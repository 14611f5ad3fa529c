"""``md2n train``: one method on one data set into one run folder."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n train --data digits --out runs/digits
  md2n train --data ravdess_av --model modality_dropout --seed 3 --out runs/dropout-3
  md2n train paper --data mosi_clean --out runs/paper --set trainer.epochs=40
  md2n train my.toml --data my-store --out runs/mine --device cuda
  md2n train --data my-store --hide image=0.7 --out runs/few-images
  md2n train --data digits --out runs/digits --track tensorboard --track mlflow
  torchrun --nproc-per-node 2 -m md2n train --data digits --out runs/two

Stopped at any moment, the same command goes on where it was.
"""


def train(
    config: Annotated[
        str | None, typer.Argument(help="A preset's name (default, paper, ...) or a TOML file.", show_default="default")
    ] = None,
    data: Annotated[str, typer.Option(help="A ready name (see `md2n data list`) or a store.")] = "",
    out: Annotated[Path, typer.Option(help="The run folder; made, or gone on with.")] = Path("run"),
    model: Annotated[str, typer.Option(help="The method, if the configuration is not to say.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Override one setting, e.g. trainer.epochs=4; repeatable.")
    ] = None,
    hide: Annotated[
        list[str] | None,
        typer.Option(
            help="MODALITY=RATE: hide it from that part of the training and validation samples for good; repeatable."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "",
    track: Annotated[
        list[str] | None,
        typer.Option(help="Also report to tensorboard (extra 'track'), wandb or mlflow; repeatable."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar; what was lost is still said.")] = False,
) -> None:
    """Train a method and keep the checkpoint that validation prefers."""
    import json

    from md2n.cli.progress import watch
    from md2n.cli.rates import rates
    from md2n.experiment.config import resolve
    from md2n.experiment.pipeline import run_training
    from md2n.parallel.group import is_first, joined
    from md2n.training.device import choose_device
    from md2n.training.observer import Silent

    chosen = list(sets or [])
    if device:
        chosen.append(f"trainer.device={device}")
    chosen += [f"data.hide={{{', '.join(f'{json.dumps(k)} = {r}' for k, r in rates(hide).items())}}}"] if hide else []
    resolved = resolve(config, chosen, data=data or None, model=model or None, seed=seed)
    with joined(choose_device(resolved.trainer.device).type):
        with watch(out, quiet=quiet, track=track or ()) if is_first() else nullcontext(Silent()) as observer:
            run_training(resolved, out, observer)
        if is_first():
            typer.echo(str(out))


add_examples(train, EXAMPLES)
