"""``md2n extract``: raw clips to a store that everything else takes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from md2n.cli.data import Ranges, Sentiment, Tier, Unknown, label_range, pair
from md2n.cli.examples import add_examples

if TYPE_CHECKING:
    from md2n.extraction.base import Clip, Extractor
    from md2n.extraction.cache import Piece
    from md2n.extraction.listing import Listing
    from md2n.extraction.pipeline import Aligner, Summary

EXAMPLES = """
\b
Examples:
  md2n extract clips/ --out my-store
  md2n extract clips/ --labels labels.csv --label emotion --out my-store --workers 2
  md2n extract clips/ --out my-store --text bert:models/bert-base-uncased --align word
  md2n extract clips/ --out my-store --column 'emotion=^..-..-(..)' --label emotion
  md2n extract clips/ --check interview-7 --out interview-7.png
  md2n extract --get-models

clips/ holds labels.csv or manifest.csv with the columns file, transcript,
split, label, speaker (see docs/raw-clips.md); without a table every media
file is a clip.  A modality that a clip lacks is missing in the store, and the
output says why.  Run the same command again after an interruption, or after
clips were added or changed: only what is new or changed is extracted.
"""


def extract(
    clips: Annotated[Path | None, typer.Argument(help="The folder of the clips.")] = None,
    out: Annotated[Path | None, typer.Option(help="The store to write (the picture, with --check).")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The table; labels.csv or manifest.csv in the folder if not given.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="A label column; repeatable, the first is default.")] = None,
    known: Annotated[
        str, typer.Option(help="The label is that of mosi, mosei, ch-sims or iemocap: its range, and a sentiment.")
    ] = "",
    range_: Ranges = None,
    sentiment: Sentiment = False,
    unknown: Unknown = None,
    group: Annotated[list[str] | None, typer.Option(help="A group column, such as speaker; repeatable.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="NAME=PATTERN: a column out of file names; repeatable.")
    ] = None,
    text: Annotated[str, typer.Option(help="bert (the default model), bert:FOLDER, or none.")] = "bert",
    audio: Annotated[str, typer.Option(help="covarep-like, egemaps, or none.")] = "covarep-like",
    vision: Annotated[str, typer.Option(help="geoAU, or none.")] = "geoAU",
    align: Annotated[
        str, typer.Option(help="word: frames averaged over words; SECONDS: over so many; none: kept.")
    ] = "none",
    words: Annotated[Path | None, typer.Option(help="Folder with words in time: NAME.csv, .TextGrid, .align.")] = None,
    tier: Tier = "",
    seed: Annotated[int, typer.Option(help="Of splits, where the table has none.")] = 0,
    name: Annotated[str, typer.Option(help="Of the data set; that of the store if not given.")] = "",
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time, one thread each.", min=1, show_default="one per core")
    ] = None,
    pictures: Annotated[int, typer.Option(help="Clips shown on the summary page.", min=0)] = 2,
    check: Annotated[str, typer.Option(help="Draw this clip, and extract no other.")] = "",
    get_models: Annotated[bool, typer.Option("--get-models", help="Fetch the models of geoAU, and end.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Extract words, voices and faces from clips into a store; what a clip lacks is missing there."""
    from md2n.cli.counting import counted
    from md2n.cli.output import say
    from md2n.errors import UsageError

    if get_models:
        from md2n.extraction.vision import models

        typer.echo(str(models.get_models()))
        return
    if clips is None or out is None:
        absent = "the folder of the clips is not given" if clips is None else "--out is not given"
        raise UsageError(absent, "for example: md2n extract clips/ --out my-store")
    patterns = dict(pair(c, "--column", "'speaker=^(s[0-9]+)'") for c in column or ())
    with counted(f"extracting {clips}", quiet) as count:
        from md2n.data.declaration import Meaning
        from md2n.data.places import check_store_place
        from md2n.durable import make_directory
        from md2n.extraction.alignment import SpeechAligner
        from md2n.extraction.front_ends import front_ends
        from md2n.extraction.listing import read_clips
        from md2n.extraction.pipeline import extract, piece_folder
        from md2n.training.lock import FolderLock

        meaning = Meaning(known, dict(label_range(r) for r in range_ or ()), ("",) if sentiment else (), unknown or ())
        listing = read_clips(
            clips,
            labels,
            labels=label or (),
            groups=group or (),
            columns=patterns,
            words=words,
            tier=tier,
            seed=seed,
            meaning=meaning,
        )
        extractors = front_ends(text, audio, vision)
        for note in listing.notes:
            say(f"note: {note}")
        if check:
            _check(listing, extractors, check, out)
        else:
            step = _step(align)
            spoken = step == "word" and any(c.transcript and not c.words for c in listing.clips)
            aligner = SpeechAligner() if spoken else None
            check_store_place(out, clips)
            make_directory(piece_folder(out))
            with FolderLock(piece_folder(out) / "lock", "extracting into"):
                summary = extract(
                    listing,
                    extractors,
                    out,
                    step=step,
                    aligner=aligner,
                    workers=workers or _cores(),
                    name=name,
                    progress=lambda done, total, outcome: count(done, total, f"{outcome.clip} {outcome.modality}"),
                )
            _write_page(listing, extractors, summary, out, name, pictures, aligner)
    typer.echo(str(out))


def _write_page(
    listing: "Listing",
    extractors: "Sequence[Extractor]",
    summary: "Summary",
    out: Path,
    name: str,
    pictures: int,
    aligner: "Aligner | None",
) -> None:
    """Says what became of the clips, and writes it and some pictures beside the store."""
    from shlex import quote

    from md2n.cli.output import say
    from md2n.errors import UsageError
    from md2n.extraction.pipeline import read_pieces
    from md2n.extraction.summary import write_summary
    from md2n.report.extraction import write_page
    from md2n.report.style import undrawable

    named = {e.modality: e.name for e in extractors}
    _tell(summary, named)
    beside = out.with_name(f"{out.name}.extraction")
    write_summary(beside, summary, {"name": name or out.name, "front_ends": named})
    chosen = [c for c in listing.clips if c.id in summary.clips][:pictures]
    drawn: dict[str, bytes] = {}
    if chosen and (reason := undrawable()):
        say(f"note: {reason}")
    else:
        try:
            drawn = _drawn({c.id: (c, read_pieces(c, extractors, out, aligner)) for c in chosen}, extractors)
        except UsageError as error:  # the store is whole; what it is drawn with need not be here
            say(f"note: no pictures of clips: {error.message}; next: {error.hint}")
    page = write_page(beside, summary, name=name or out.name, front_ends=named, pictures=drawn)
    say(f"look at {page}; next: md2n data check {quote(str(out))}")


def _check(listing: "Listing", extractors: "Sequence[Extractor]", chosen: str, out: Path) -> None:
    """Draws one clip, with words in time where they can be had."""
    from md2n.cli.output import say
    from md2n.durable import make_directory, write_bytes
    from md2n.errors import UsageError, did_you_mean, install_hint
    from md2n.extraction.alignment import SpeechAligner
    from md2n.extraction.pipeline import measure_clip
    from md2n.report.style import undrawable

    if out.suffix.lower() != ".png":
        raise UsageError(f"'{out}' is no .png, which --check draws", "give --out PICTURE.png")
    clip = next((c for c in listing.clips if c.id == chosen), None)
    if clip is None:
        raise UsageError(f"no clip is called '{chosen}'", did_you_mean(chosen, [c.id for c in listing.clips]))
    aligner = None
    if clip.transcript and not clip.words:
        try:
            aligner = SpeechAligner()
            aligner.prepare()
        except UsageError as error:  # the picture is worth having without words
            say(f"note: {error.message}")
            aligner = None
    if undrawable():
        raise UsageError("matplotlib, which draws pictures, is not installed", install_hint("plot"))
    drawn = _drawn({clip.id: (clip, measure_clip(clip, extractors, aligner))}, extractors)
    make_directory(out.absolute().parent)
    write_bytes(out, drawn[clip.id])


def _drawn(
    clips: "Mapping[str, tuple[Clip, Mapping[str, Piece]]]", extractors: "Sequence[Extractor]"
) -> dict[str, bytes]:
    """Clip -> PNG."""
    from md2n.extraction.look import look
    from md2n.report.clip import clip_figure
    from md2n.report.style import png

    landmarker = next((e.landmarks for e in extractors if hasattr(e, "landmarks")), None)
    return {k: png(clip_figure(look(clip, pieces, landmarker)), dpi=110) for k, (clip, pieces) in clips.items()}


def _tell(summary: "Summary", named: Mapping[str, str]) -> None:
    """What was extracted, what was not, and why."""
    from md2n.cli.output import say
    from md2n.extraction.cache import EXTRACTED
    from md2n.extraction.summary import counts

    for modality, states in counts(summary).items():
        anew = sum(o.anew for o in summary.outcomes if o.modality == modality)
        shown = f"{modality} ({named[modality]})" if modality in named else modality
        say(f"{shown}: {', '.join(f'{n} {s}' for s, n in states.items())}; {anew} anew")
    for outcome in summary.outcomes:
        if outcome.state != EXTRACTED:
            say(f"  {outcome.clip}: {outcome.modality} {outcome.state}: {outcome.reason}")
        for note in outcome.notes:
            say(f"  {outcome.clip}: {outcome.modality}: {note}")
    for clip, reason in summary.left_out.items():
        say(f"  {clip} was left out: {reason}")
    say(f"{len(summary.clips)} clips in the store, {len(summary.left_out)} left out")


def _step(align: str) -> str | float:
    from md2n.errors import UsageError, did_you_mean

    if align in ("word", "none"):
        return align
    try:
        return float(align)
    except ValueError:
        hint = f"{did_you_mean(align, ('word', 'none'))}, or a number of seconds"
        raise UsageError(f"'{align}' is nothing to align to", hint) from None


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


add_examples(extract, EXAMPLES)
