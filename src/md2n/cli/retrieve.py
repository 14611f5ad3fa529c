"""``md2n retrieve``: the items nearest to each query, whatever either side misses."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from md2n.cli.examples import add_examples

if TYPE_CHECKING:
    from md2n.data.samples import Samples
    from md2n.serve.retrieving import Vectors

EXAMPLES = """
\b
Examples:
  md2n retrieve runs/digits --query my-queries --index my-items > nearest.csv
  md2n retrieve runs/digits --query digits --index digits --split test --query-hide rows --index-hide edges
  md2n retrieve runs/digits --query digits --index digits --split test --query-hide rows --compare
"""


def retrieve(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    query: Annotated[str, typer.Option(help="Queries: a store, a ready name, or any file `md2n data import` reads.")],
    index: Annotated[str, typer.Option(help="Items to search, likewise.")],
    out: Annotated[Path | None, typer.Option(help="A CSV file; stdout if not given.")] = None,
    split: Annotated[str, typer.Option(help="Only this split of both (train, valid, test).")] = "",
    query_hide: Annotated[list[str] | None, typer.Option(help="Hide a modality of queries; repeatable.")] = None,
    index_hide: Annotated[list[str] | None, typer.Option(help="Hide a modality of items; repeatable.")] = None,
    count: Annotated[int, typer.Option(help="Items for each query.")] = 10,
    compare: Annotated[
        bool, typer.Option("--compare", help="Measure simple methods too; reads the run's training data.")
    ] = False,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Search a graph, not all items; needs the extra search.")
    ] = False,
    any_units: Annotated[bool, typer.Option("--any-units", help="Skip the check of units.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the recovery.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Retrieve: one CSV row per query and item: query, place, item, distance.

    What a sample misses is recovered from what it has; then the nearest items are searched in all modalities.  Where
    queries and items share ids, recall and the median rank of a query's own item are measured.
    """
    from md2n.cli.counting import counted
    from md2n.cli.output import say, write_rows
    from md2n.data.places import check_apart
    from md2n.escape import csv_cell

    for data in (query, index):
        if out is not None:
            check_apart(out, data)
    with counted(f"retrieving with {run}", quiet) as progress:
        from md2n.cli.newdata import open_new
        from md2n.experiment.loading import evaluation_data, load_run
        from md2n.serve.predictor import load
        from md2n.serve.retrieval_references import reference_results
        from md2n.serve.retrieving import check_overlap, search, vectors, zeros

        predictor = load(run, device=device, seed=seed)
        names = predictor.schema.names
        sides = [
            open_new(data, predictor, split, tuple(hide or ()))
            for data, hide in ((query, query_hide), (index, index_hide))
        ]

        def of(side: "Samples") -> "Vectors":
            return vectors(
                predictor,
                side,
                check_units=not any_units,
                progress=lambda done, total: progress(done, total, "samples"),
            )

        both = [of(side) for side in sides]
        check_overlap(predictor, *both)
        answer = search(*both, count=count, approximate=approximate)
        results = {predictor.model.card.title: answer}
        if compare:
            samples, training, _ = evaluation_data(load_run(run), "train", None)
            trained = replace(samples.only(names).select(training.rows), labels={}, default_label="")
            plain = [vectors(predictor, side, complete=zeros, check_units=False) for side in (*sides, trained)]
            results |= reference_results(plain[0], plain[1], plain[2])
    for note in answer.notes:
        say(f"note: {note}")
    lines = [["query", "place", "item", "distance"]]
    for name, items, distances in zip(answer.query_ids, answer.ids, answer.distance):
        lines += [
            [csv_cell(str(name)), str(place), csv_cell(str(item)), f"{d:.6g}"]
            for place, (item, d) in enumerate(zip(items, distances), 1)
        ]
    write_rows(lines, out)
    for title, result in results.items():
        if measures := result.measures:
            say(f"{title}: " + ", ".join(f"{name} {value:.3g}" for name, value in measures.items()))
    if not answer.measures:
        why = "the search was approximate" if approximate else "no query has an item of its own id"
        say(f"note: recall is not measured: {why}")


add_examples(retrieve, EXAMPLES)
