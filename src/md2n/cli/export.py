"""``md2n export``: a trained network as a file for other runtimes."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n export runs/digits --out model.onnx
  md2n export runs/digits --what encode --out encoder.onnx
  md2n export runs/digits --what recover --calls 4 --out recover.onnx
  md2n export runs/digits --out model.pt2
"""


def export(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    out: Annotated[Path, typer.Option(help="The file: .onnx for ONNX, .pt2 for a program of torch.export.")],
    what: Annotated[str, typer.Option(help="predict, encode or recover.")] = "predict",
    calls: Annotated[
        int | None, typer.Option(min=1, help="Network calls behind a draw of recover; the model's own if not given.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Export a trained network to ONNX or torch.export, compared with the model before it is written.

    Features go in in the data's own units, NaN where a number is not known, with `available`: [samples, modalities],
    true or false.  Predictions are calibrated as those of `md2n predict`.  A recovery is that of the network alone.
    """
    from md2n.cli.counting import counted
    from md2n.cli.output import say

    with counted(f"exporting {run} to {out}, about a minute", quiet):
        from md2n.experiment.loading import load_run
        from md2n.export.files import check_kind
        from md2n.export.files import export as write
        from md2n.export.graphs import graph_of

        check_kind(out)  # before the work, not after it
        loaded = load_run(run)
        graph = graph_of(what, loaded.model, loaded.normaliser, loaded.certainty, calls)
        facts = {"what": what, "method": loaded.config.model.name, "seed": loaded.config.seed}
        written = write(graph, out, loaded.normaliser, loaded.certainty, facts)
    say(f"in:  {', '.join(written.inputs)}")
    say(f"out: {', '.join(written.outputs)}")
    say(f"compared with the model on {written.samples} made-up samples: largest difference {written.gap:.1e}")
    if what == "recover":
        say(
            "note: this is the network's recovery. `md2n recover` combines it with a closed form and the nearest "
            "training rows, which no graph holds: its answers are others"
        )
    if loaded.normaliser.group:
        say(f"note: everybody is normalised as the average {loaded.normaliser.group}")
    typer.echo(str(out))


add_examples(export, EXAMPLES)
