"""``md2n serve``: a trained run behind HTTP, for programs and for people."""

import io
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from md2n.cli.examples import add_examples

if TYPE_CHECKING:
    from md2n.data.samples import Samples

EXAMPLES = """
\b
Examples:
  md2n serve runs/digits
  md2n serve runs/digits --data digits --report report --port 8000
  MD2N_TOKEN=secret md2n serve runs/digits --host 0.0.0.0
  md2n serve runs/digits --workers 4
"""


def serve(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = 8000,
    data: Annotated[str, typer.Option(help="A store or a ready name, whose samples the page shows.")] = "",
    split: Annotated[str, typer.Option(help="Which of its samples: train, valid or test (test, else all).")] = "",
    report: Annotated[Path | None, typer.Option(help="A report folder, which the page shows.")] = None,
    token: Annotated[
        str, typer.Option(envvar="MD2N_TOKEN", help="What requests have to bear; better in MD2N_TOKEN.")
    ] = "",
    max_body: Annotated[int, typer.Option(min=1, max=2048, help="MiB that a request may have.")] = 32,
    max_rows: Annotated[int, typer.Option(min=1, max=100_000, help="Samples that a request may have.")] = 1024,
    max_seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="For a body to arrive, and then for its answer.")
    ] = 30,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that serve, each with a model.")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processor cores for the model of a process.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the address only.")] = False,
) -> None:
    """Serve a run: a JSON API, the Open Inference Protocol v2, /metrics, and a page at / to try it out.

    SIGTERM and Ctrl-C end it, after the requests that were begun are answered.
    """
    from md2n.cli.output import say
    from md2n.serve.http.server import listen, require_extra
    from md2n.serve.http.server import run as run_server
    from md2n.serve.http.workers import Workers

    require_extra()
    listener = listen(host, port)  # before the model is loaded, not after it
    address, number = listener.getsockname()[:2]
    shown = f"http://{f'[{address}]' if ':' in address else address}:{number}"
    if not quiet:
        say(f"loading {run} ...")
    worker = None
    if workers > 1:
        group = Workers(workers, say)
        worker = group.run()
        if worker is None:
            if group.code:
                raise typer.Exit(group.code)
            if not quiet:
                say("stopped")
            return
    import torch

    from md2n.cli.newdata import open_new
    from md2n.experiment.loading import load_run
    from md2n.serve.http.app import create_app
    from md2n.serve.http.limits import MIB, Limits
    from md2n.serve.http.report import read_report
    from md2n.serve.http.served import Served, pattern_scores
    from md2n.serve.predictor import load

    torch.set_num_threads(threads)
    predictor = load(run, device=device, seed=seed)
    limits = Limits(body_bytes=max_body * MIB, rows=max_rows, seconds=max_seconds)
    local = address in ("127.0.0.1", "::1")
    # What there is to say, the first worker says.
    with nullcontext() if worker is None or worker.first else redirect_stderr(io.StringIO()):
        served = Served(
            predictor,
            name=run.resolve().name,
            data=load_run(run).config.data.name,
            limits=limits,
            samples=_shown(open_new(data, predictor, split, ()), split) if data else None,
            accuracy=pattern_scores(run, predictor),
            report=None if report is None else read_report(report),
            token=token,
            hosts=frozenset({"localhost", "127.0.0.1", "[::1]", host.lower()}) if local else frozenset(),
        )
        app = create_app(served)
        if not local and not token:
            say("note: everybody who reaches this address may use the model: give a token (--token, MD2N_TOKEN)")
        say(f"serving {run} at {shown}")
    if worker is not None:
        worker.ready()
    run_server(app, listener, limits)
    if not quiet and worker is None:
        say("stopped")


def _shown(samples: "Samples", split: str) -> "Samples":
    """The samples that the page shows: of the split that was asked for, or those of the test split, if there are."""
    test = samples.rows("test")
    return samples if split or not len(test) else samples.select(test)


add_examples(serve, EXAMPLES)
