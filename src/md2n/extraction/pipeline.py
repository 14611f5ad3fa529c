"""Clips to a store: every modality of every clip is extracted once, kept, and put together at the end.

Extracted pieces are kept beside the store in ``.NAME.clips/`` (see ``cache``).  So an interruption loses at most the
clips in work, and a second run extracts what is new or has changed.  The store is written from these files in the
table's order: it is the same, byte by byte, however often the extraction was stopped.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from md2n.brief import brief
from md2n.durable import make_directory, tidy
from md2n.errors import DataError, InterruptedRun, Md2nError, UsageError
from md2n.extraction.assembly import Gathered, Step, write_clips
from md2n.extraction.base import Clip, Extractor, ModalityAbsentError, Word
from md2n.extraction.cache import (
    ABSENT,
    EXTRACTED,
    FAILED,
    FROM_FILE,
    WORDS,
    Outcome,
    Piece,
    content_of,
    has_piece,
    key_of,
    read_piece,
    words_key,
    write_piece,
)
from md2n.extraction.listing import Listing
from md2n.extraction.whole import check_whole
from md2n.extraction.workers import Died, each


@runtime_checkable
class Aligner(Protocol):
    """Finds the words of a transcript in the sound.

    Attributes:
        fingerprint: everything its answers depend on besides the clip.
    """

    fingerprint: str

    def prepare(self) -> None:
        """Once in every process before the first clip.

        Raises:
            UsageError: a package is not there; the hint is the command that gets it.
        """
        ...

    def words(self, clip: Clip) -> tuple[tuple[Word, ...], tuple[str, ...]]:
        """The clip's words in time, and what a person should know of them.

        Raises:
            ModalityAbsentError: nothing is said, or there is no sound.
            DataError: the sound cannot be read, or the words are not in it.
        """
        ...


@dataclass(frozen=True)
class Summary:
    """What an extraction came to.

    Args:
        outcomes: one per clip and modality, in the store's order; those of ``words`` where clips were aligned.
        clips: ids of the clips in the store.
        left_out: ids of clips that have nothing at all, and lines of the table that could not be used, with reasons.
        notes: what a person should know of the whole.
    """

    outcomes: tuple[Outcome, ...]
    clips: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()

    __repr__ = brief


@dataclass(frozen=True)
class _Job:
    """What is to be done of one clip in one go."""

    clip: Clip
    parts: tuple[str, ...]


@dataclass(frozen=True)
class _Extraction:
    """The work of a process: parts of a clip, words first, for text takes its times from them."""

    extractors: Mapping[str, Extractor]
    aligner: Aligner | None

    def prepare(self) -> None:
        if self.aligner is not None:
            self.aligner.prepare()
        for extractor in self.extractors.values():
            extractor.prepare()

    def __call__(self, job: _Job, /) -> dict[str, Piece]:
        done, clip = {}, job.clip
        if WORDS in job.parts and self.aligner is not None:
            done[WORDS] = _piece(lambda: self._words(clip))
            clip = replace(clip, words=done[WORDS].words or None)
        for part in job.parts:
            if part != WORDS:
                done[part] = _piece(lambda part=part: self._track(clip, part))  # type: ignore[misc]
        return done

    def _words(self, clip: Clip) -> Piece:
        assert self.aligner is not None
        words, notes = self.aligner.words(clip)
        return Piece(EXTRACTED, words=words, notes=notes)

    def _track(self, clip: Clip, modality: str) -> Piece:
        track = self.extractors[modality].extract(clip)
        notes = track.notes
        if modality in FROM_FILE and clip.media is not None:
            notes += check_whole(clip.media)
        if not track.valid.any():
            return Piece(ABSENT, f"none of its {len(track.valid)} frames could be measured", notes=notes)
        return Piece(EXTRACTED, track=track, notes=notes)


def _piece(measure: Callable[[], Piece]) -> Piece:
    try:
        return measure()
    except ModalityAbsentError as absent:
        return Piece(ABSENT, absent.message)
    except DataError as error:
        return Piece(FAILED, error.message)
    except Md2nError:
        raise
    except Exception as error:
        # What a front end did not foresee costs that clip, and is listed; for the rest a person waits hours.
        if os.environ.get("MD2N_DEBUG"):
            raise
        return Piece(FAILED, f"unforeseen {type(error).__name__}: {error} (MD2N_DEBUG=1 shows where)")


def extract(
    listing: Listing,
    extractors: Sequence[Extractor],
    out: Path,
    *,
    step: Step = "none",
    aligner: Aligner | None = None,
    workers: int = 0,
    name: str = "",
    progress: Callable[[int, int, Outcome], None] | None = None,
) -> Summary:
    """Extracts what is missing and writes the store.

    A clip that lacks a modality, or whose file cannot be read, is kept with that modality missing; a clip without any
    is left out of the store and listed.

    Args:
        listing: clips, labels, splits.
        extractors: one per modality, in the order of the store.
        out: the store.
        step: ``word`` averages frames over words, ``none`` keeps them, a number averages them over so many seconds.
        aligner: finds words in time for clips that come without them; needed for ``word``.
        workers: processes at a time, one thread each; 0 works in this process.
        name: of the data set; that of ``out`` if not given.
        progress: after each clip and modality, how many are done, of how many, and what became of it.

    Raises:
        UsageError: no extractor, two of one modality, an unknown ``step``, or a package or model that is not there.
        DataError: no clip has anything, or ``out`` holds something that is no store.
        RunError: a process could not even begin.
        InterruptedRun: Ctrl-C; what was extracted is kept.
        StorageError: the disk is full; what was there before is untouched.
    """
    _check(extractors, step)
    folder = piece_folder(out)
    make_directory(folder)
    tidy(folder)
    places = {c.id: _places(folder, c, extractors, aligner if step == "word" else None) for c in listing.clips}
    before = {path for files in places.values() for path in files.values() if has_piece(path)}
    jobs = []
    for clip in listing.clips:
        parts = tuple(part for part, path in places[clip.id].items() if path not in before)
        if WORDS in parts:  # whatever takes its times from words is done with them
            parts = tuple(p for p in places[clip.id] if p in parts or p not in FROM_FILE)
            before -= {places[clip.id][p] for p in parts}
        if parts:
            jobs.append(_Job(replace(clip, words=_words_of(clip, places[clip.id])), parts))
    failed: dict[tuple[str, str], Outcome] = {}
    count = sum(len(job.parts) for job in jobs)
    try:
        for done, (clip_id, part, piece) in enumerate(_done(jobs, extractors, aligner, workers), start=1):
            outcome = piece.outcome(clip_id, part, anew=True)
            if piece.state == FAILED:  # tried again in the next run
                failed[clip_id, part] = outcome
            else:
                write_piece(places[clip_id][part], piece)
            if progress is not None:
                progress(done, count, outcome)
    except KeyboardInterrupt:
        raise InterruptedRun("stopped; what was extracted is kept", "the same command goes on from there") from None
    gathered = Gathered(listing, extractors, step, places, failed, before)
    ids, empty, outcomes = write_clips(gathered, out, name or out.name)
    return Summary(outcomes, ids, {**dict(listing.refused), **empty}, listing.notes)


def measure_clip(clip: Clip, extractors: Sequence[Extractor], aligner: Aligner | None = None) -> dict[str, Piece]:
    """Every part of one clip, extracted in this process and kept nowhere: to look at.

    Raises:
        UsageError: a package or model is not there.
    """
    wanted = aligner if aligner is not None and clip.transcript and not clip.words else None
    work = _Extraction({e.modality: e for e in extractors}, wanted)
    work.prepare()
    return work(_Job(clip, (*([WORDS] if wanted else []), *work.extractors)))


def read_pieces(
    clip: Clip, extractors: Sequence[Extractor], out: Path, aligner: Aligner | None = None
) -> dict[str, Piece]:
    """What is kept of a clip for the store ``out``, part by part; what failed is not among it."""
    places = _places(piece_folder(out), clip, extractors, aligner)
    pieces = {part: read_piece(path) for part, path in places.items()}
    return {part: piece for part, piece in pieces.items() if piece is not None}


def piece_folder(out: Path) -> Path:
    """Where what is extracted for a store is kept."""
    return out.parent / f".{out.name}.clips"


def _check(extractors: Sequence[Extractor], step: Step) -> None:
    names = [e.modality for e in extractors]
    if not names:
        raise UsageError("there is nothing to extract", "choose a front end for text, audio or vision")
    if len(set(names)) < len(names):
        raise UsageError(f"two front ends make the same modality: {', '.join(names)}", "choose one of each")
    if step not in ("none", "word") and not (isinstance(step, float) and 0 < step < float("inf")):
        raise UsageError(f"'{step}' is nothing to align to", "give word, none, or a number of seconds")


def _places(folder: Path, clip: Clip, extractors: Sequence[Extractor], aligner: Aligner | None) -> dict[str, Path]:
    """Where the parts of a clip are kept; words among them where they are to be found in the sound."""
    content, places = content_of(clip), {}
    words = ""
    if clip.words or (aligner and clip.transcript):
        words = words_key(clip, content, aligner.fingerprint if aligner else "")
        if not clip.words:
            places[WORDS] = folder / words
    return places | {e.modality: folder / key_of(clip, e, content, words) for e in extractors}


def _words_of(clip: Clip, places: Mapping[str, Path]) -> tuple[Word, ...] | None:
    if clip.words or WORDS not in places:
        return clip.words
    piece = read_piece(places[WORDS])
    return None if piece is None else piece.words or None


def _done(
    jobs: Sequence[_Job], extractors: Sequence[Extractor], aligner: Aligner | None, workers: int
) -> Iterator[tuple[str, str, Piece]]:
    """Every part of every job, as it is done."""
    wanted = {part for job in jobs for part in job.parts}
    work = _Extraction(
        {e.modality: e for e in extractors if e.modality in wanted}, aligner if WORDS in wanted else None
    )
    again: list[_Job] = []
    for job, result in each(work, jobs, min(workers, len(jobs))):
        if not isinstance(result, Died):
            yield from ((job.clip.id, part, piece) for part, piece in result.items())
        elif len(job.parts) > 1:  # what killed it need not be all of it
            again += [_Job(job.clip, parts) for parts in _apart(job.parts)]
        else:
            yield job.clip.id, job.parts[0], Piece(FAILED, result.reason)
    for job, result in each(work, again, min(workers, len(again))):
        for part in job.parts:
            yield job.clip.id, part, Piece(FAILED, result.reason) if isinstance(result, Died) else result[part]


def _apart(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Each part alone, but text with the words that it takes its times from."""
    first = tuple(p for p in parts if p in (WORDS, "text"))
    return ([first] if first else []) + [(p,) for p in parts if p not in first]
