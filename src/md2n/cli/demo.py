"""``md2n demo``: training, comparison and recovery on the embedded digits, in about three minutes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

if TYPE_CHECKING:
    from md2n.report.sections import Picture

METHODS = ("zero_fill", "modality_dropout", "md2n")
HIDDEN = "rows"

EXAMPLES = """
\b
Examples:
  md2n demo
  md2n demo --out demo --seed 1

A repeated run skips finished steps.
"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for runs, report and recovered data.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train MD2N and two simpler methods on digits, compare them under every missing pattern, recover a hidden view."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_tables, say
    from md2n.cli.progress import watch
    from md2n.cli.reporting import naming, say_what_is_left_out
    from md2n.experiment.config import resolve
    from md2n.report.render import write_report
    from md2n.report.tables import fixed_table, recovery_table
    from md2n.report.verdict import verdict

    say("Handwritten digits in four views; some views tell more than others, and any may be missing.")
    from md2n.experiment.pipeline import run_evaluation, run_training

    def train(method: str) -> Path:
        run = out / "runs" / method
        config = resolve("digits", [], model=method, seed=seed)
        with watch(run, quiet=quiet, title=method) as observer:
            run_training(config, run, observer)
        return run

    rows = []
    with others_beside(out, seed):
        train("md2n")
    for method in METHODS:
        run = train(method)
        with counted(f"evaluating {method}", quiet) as count:
            rows += run_evaluation(run, protocols=("fixed",), notice=say, progress=count)
    named = naming(METHODS)
    tables = [table for table in (fixed_table(rows, naming=named), recovery_table(rows, naming=named)) if table.rows]
    print_tables(tables, verdict(rows, naming=named), as_json=json)
    say_what_is_left_out()
    pictures = _recover(out, seed, quiet)
    page = write_report(out / "report", rows, naming=named, pictures={rows[0].dataset: pictures})
    say(f"the report is {page}; the recovered '{HIDDEN}' of the test split are in {out / 'recovered'}")


add_examples(demo, EXAMPLES)


@contextmanager
def others_beside(out: Path, seed: int) -> Iterator[None]:
    """Trains the simpler methods in a process of their own meanwhile, where there is a second core.

    It is a head start and no more: what it does not finish the caller trains, and hears why it fails.

    Args:
        out: folder of the demo.
        seed: of all random numbers.
    """
    from md2n.cli.benchmark import cores
    from md2n.training.rundir import is_finished

    others = [method for method in METHODS if method != "md2n" and not is_finished(out / "runs" / method)]
    if cores() < 2 or not others:
        yield
        return
    from threading import Event, Thread

    from md2n.experiment.worker import Worker, warm_up

    stopped, under_way = Event(), list[Worker]()

    def work() -> None:
        for method in others:
            if not stopped.is_set():
                run = str(out / "runs" / method)
                command = ["train", "digits", "--model", method, "--seed", str(seed), "--out", run, "--quiet"]
                under_way.append(worker := Worker(command))
                if stopped.is_set():  # between the look at it and the start
                    worker.interrupt()
                worker.wait()

    warm_up()
    thread = Thread(target=work)
    thread.start()
    try:
        yield
    except BaseException:
        stopped.set()
        for worker in under_way:
            worker.interrupt()
        raise
    finally:
        thread.join()


def _recover(out: Path, seed: int, quiet: bool) -> "list[Picture]":
    """Hides the best view of the test split, recovers it with MD2N, and draws some of the recovered digits.

    Returns:
        The drawing; an empty list if figures cannot be drawn.
    """
    from md2n.cli.counting import counted
    from md2n.cli.newdata import open_new
    from md2n.data.store import write_store
    from md2n.report.figures import recovered_images
    from md2n.report.sections import Picture
    from md2n.report.style import undrawable
    from md2n.serve.predictor import load

    predictor = load(out / "runs" / "md2n", seed=seed)
    truth = open_new("digits", predictor, "test", ())
    hidden = open_new("digits", predictor, "test", (HIDDEN,))
    with counted(f"recovering '{HIDDEN}'", quiet) as count:
        recovered = predictor.recover(hidden, progress=lambda done, total: count(done, total, "samples"))
    write_store(out / "recovered", recovered.samples)
    if undrawable():
        return []
    chosen = [int(i) for i in range(0, len(truth), max(1, len(truth) // 10))][:10]
    figure = recovered_images(
        [truth.modalities[HIDDEN].sample(i) for i in chosen],
        [recovered.features[HIDDEN][i] for i in chosen],
        [recovered.std[HIDDEN][i] for i in chosen],
    )
    caption = f"'{HIDDEN}' of {len(chosen)} test samples: truth, recovery from the other views, standard deviation"
    return [Picture(f"recovered-{HIDDEN}", caption, figure)]
