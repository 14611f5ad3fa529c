"""``md2n extract``: raw clips to a store that everything else takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from md2n.extraction.base import Extractor
    from md2n.extraction.pipeline import Outcome

EXAMPLES = """
\b
Examples:
  md2n extract clips/ --out my-store
  md2n extract clips/ --labels labels.csv --label emotion --out my-store --workers 2
  md2n extract clips/ --out my-store --text bert:models/bert-base-uncased --words words/ --align word

clips/ holds labels.csv or manifest.csv with the columns file, transcript,
split, and labels; see docs/raw-clips.md.  Run it again to go on after an
interruption, or after clips were added or changed.
"""


def extract(
    clips: Annotated[Path, typer.Argument(help="The folder of the clips.")],
    out: Annotated[Path, typer.Option(help="The store to write.")],
    labels: Annotated[
        Path | None, typer.Option(help="The table; labels.csv or manifest.csv in the folder if not given.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="A label column; repeatable.")] = None,
    text: Annotated[str, typer.Option(help="bert (the default model), bert:FOLDER, or none.")] = "bert",
    audio: Annotated[str, typer.Option(help="covarep-like, or none.")] = "covarep-like",
    words: Annotated[Path | None, typer.Option(help="Folder with words in time: NAME.csv, .TextGrid, .align.")] = None,
    align: Annotated[str, typer.Option(help="word: frames averaged over words; none: kept.")] = "none",
    workers: Annotated[int, typer.Option(help="Processes at a time, one thread each.", min=1)] = 1,
) -> None:
    """Extract words and voices from clips into a store; what a clip lacks is missing there."""
    from md2n.cli.output import say
    from md2n.data.store import open_store
    from md2n.extraction.clips import find_table, read_clips
    from md2n.extraction.pipeline import ABSENT, EXTRACTED, FAILED, extract

    listing = read_clips(labels or find_table(clips), labels=label or (), words=words)
    chosen = _chosen(text, audio)
    for note in listing.notes:
        say(f"note: {note}")

    def told(done: int, count: int, outcome: "Outcome") -> None:
        what = f"{outcome.frames} frames" if outcome.state == EXTRACTED else f"{outcome.state}: {outcome.reason}"
        say(f"[{done}/{count}] {outcome.clip} {outcome.modality}: {what}")

    outcomes = extract(listing, chosen, out, align=align, workers=workers, told=told)
    for extractor in chosen:
        mine = [o for o in outcomes if o.modality == extractor.modality]
        counts = {state: sum(o.state == state for o in mine) for state in (EXTRACTED, ABSENT, FAILED)}
        anew = sum(o.anew for o in mine)
        say(f"{extractor.modality} ({extractor.name}): {', '.join(f'{n} {s}' for s, n in counts.items())}; {anew} anew")
    for outcome in outcomes:
        if outcome.state != EXTRACTED:
            say(f"  {outcome.clip} has no {outcome.modality}: {outcome.reason}")
        for note in outcome.notes:
            say(f"  {outcome.clip} {outcome.modality}: {note}")
    left_out = len(listing.clips) - len(open_store(out))
    if left_out:
        say(f"{left_out} of {len(listing.clips)} clips have nothing at all and were left out")
    typer.echo(str(out))


def _chosen(text: str, audio: str) -> "list[Extractor]":
    from md2n.errors import UsageError, did_you_mean
    from md2n.extraction.audio.extractors import CovarepLike
    from md2n.extraction.text import BertText

    found: list[Extractor] = []
    if text != "none":
        kind, _, folder = text.partition(":")
        if kind != "bert":
            raise UsageError(f"no text front end is called '{text}'", did_you_mean(kind, ("bert", "none")))
        found.append(BertText(Path(folder) if folder else None))
    if audio != "none":
        if audio != "covarep-like":
            raise UsageError(
                f"no acoustic front end is called '{audio}'", did_you_mean(audio, ("covarep-like", "none"))
            )
        found.append(CovarepLike())
    if not found:
        raise UsageError("there is nothing to extract", "choose --text or --audio")
    return found


extract.__doc__ = f"{extract.__doc__}\n{EXAMPLES}"
