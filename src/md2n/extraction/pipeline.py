"""Clips to a store: every modality of every clip extracted once, kept, and put together at the end.

What was extracted is kept beside the store in ``.NAME.clips/``, one file per clip and modality, under a checksum of
all that it depends on: the clip's content, its words, the front end.  So whatever stops an extraction loses the clips
in hand at most, and a rerun does what is new or has changed.  The store itself is made of these files in the table's
order: it comes out the same, byte by byte, however often the extraction was stopped.
"""

import hashlib
import io
import json
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from md2n.data.readers.arrays import from_arrays
from md2n.data.store import write_store
from md2n.durable import make_directory, write_bytes
from md2n.errors import DataError, InterruptedRun, RunError, UsageError
from md2n.extraction.base import Clip, Extractor, ModalityAbsentError, Track
from md2n.extraction.clips import Listing
from md2n.extraction.word_average import average_over

VERSION = 1
"""Of the kept files: raised when the same key would mean another content."""
EXTRACTED, ABSENT, FAILED = "extracted", "absent", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of one modality of one clip.

    Args:
        clip: its id.
        modality: its name.
        state: ``extracted``, ``absent`` (the clip has none) or ``failed`` (its file cannot be read).
        reason: why it is not there.
        frames: how many.
        valid: how many of them could be measured.
        notes: what a person should know.
        anew: False where it was kept from before.
    """

    clip: str
    modality: str
    state: str
    reason: str = ""
    frames: int = 0
    valid: int = 0
    notes: tuple[str, ...] = ()
    anew: bool = True


def extract(
    listing: Listing,
    extractors: Sequence[Extractor],
    out: Path,
    *,
    align: str = "none",
    workers: int = 1,
    name: str = "",
    told: Callable[[int, int, Outcome], None] | None = None,
) -> list[Outcome]:
    """Extracts what is missing and writes the store.

    A clip that lacks a modality, or whose file cannot be read, is kept with that modality missing; a clip without any
    is left out of the store.

    Args:
        listing: clips, labels, splits.
        extractors: one per modality, in the order of the store.
        out: the store.
        align: ``word`` averages frames over words, ``none`` keeps them.
        workers: processes at a time, one thread each.
        name: of the data set; that of ``out`` if not given.
        told: after each clip and modality, how many are done, of how many, and what became of it.

    Returns:
        One outcome per clip and modality, in order.

    Raises:
        UsageError: two extractors of one modality, an unknown ``align``, or a package or model that is not there.
        DataError: no clip has anything, or a modality is in no clip.
        RunError: a worker was killed.
        InterruptedRun: Ctrl-C; what was extracted is kept.
        StorageError: the disk is full; what was there before is untouched.
    """
    names = [e.modality for e in extractors]
    if len(set(names)) < len(names):
        raise UsageError(f"two front ends make the same modality: {', '.join(names)}", "choose one of each")
    if align not in ("none", "word"):
        raise UsageError(f"'{align}' is nothing to align to", "give word or none")
    kept = out.parent / f".{out.name}.clips"
    make_directory(kept)
    keys = {(c.id, e.modality): kept / key_of(c, e, align) for c in listing.clips for e in extractors}
    before = {which for which, path in keys.items() if path.exists()}
    todo = [
        (c, e, keys[c.id, e.modality]) for c in listing.clips for e in extractors if not keys[c.id, e.modality].exists()
    ]
    failed: dict[tuple[str, str], Outcome] = {}
    for done, outcome in enumerate(_run(todo, align, workers), start=1):
        if outcome.state == FAILED:
            failed[outcome.clip, outcome.modality] = outcome
        if told is not None:
            told(done, len(todo), outcome)
    found, outcomes = {}, []
    for which, path in keys.items():
        if which in failed:
            outcomes.append(failed[which])
            continue
        found[which], outcome = _kept(path, *which, anew=which not in before)
        outcomes.append(outcome)
    _assemble(listing, extractors, found, out, name or out.name)
    return outcomes


def key_of(clip: Clip, extractor: Extractor, align: str) -> str:
    """Name of the kept file: a checksum of all that its content depends on.

    Raises:
        DataError: the clip's file cannot be read.
    """
    facts = [VERSION, extractor.modality, extractor.fingerprint, align, clip.transcript]
    facts.append([[w.text, w.start_s, w.end_s] for w in clip.words or ()])
    told = hashlib.sha256(json.dumps(facts).encode())
    if clip.media is not None:
        try:
            with clip.media.open("rb") as file:
                told.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataError(f"{clip.media} cannot be read: {error.strerror}", "check the file") from error
    return f"{told.hexdigest()[:32]}.npz"


def _run(todo: Sequence[tuple[Clip, Extractor, Path]], align: str, workers: int) -> Iterator[Outcome]:
    if not todo:
        return
    for extractor in {id(e): e for _, e, _ in todo}.values():
        extractor.prepare()  # what is not installed is told at once, not clip by clip
    if workers == 1:
        try:
            for clip, extractor, path in todo:
                yield _one(clip, extractor, path, align)
        except KeyboardInterrupt:
            raise _stopped() from None
        return
    # Each process has one thread: more would fight over the cores that the other processes have.
    before = {k: os.environ.get(k) for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            waiting: list[Future[Outcome]] = [pool.submit(_one, c, e, p, align) for c, e, p in todo]
            try:
                for future in as_completed(waiting):
                    yield future.result()
            except BrokenProcessPool as error:
                raise RunError("a worker was killed, perhaps for want of memory", "the same command goes on") from error
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise _stopped() from None
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _stopped() -> InterruptedRun:
    return InterruptedRun("stopped; what was extracted is kept", "the same command goes on from there")


def _one(clip: Clip, extractor: Extractor, path: Path, align: str) -> Outcome:
    try:
        track = extractor.extract(clip)
        if align == "word":
            if not clip.words:
                raise ModalityAbsentError(f"clip '{clip.id}' has no words in time to align to", "give --words FOLDER")
            track = average_over(track, clip.words) if extractor.modality != "text" else track
    except ModalityAbsentError as absent:
        write_bytes(path, _packed(absent=absent.message))
    except DataError as error:
        return Outcome(clip.id, extractor.modality, FAILED, error.message)
    else:
        write_bytes(path, _packed(track))
    return _kept(path, clip.id, extractor.modality, anew=True)[1]


def _packed(track: Track | None = None, absent: str = "") -> bytes:
    out = io.BytesIO()
    if track is None:
        np.savez(out, facts=np.array(json.dumps({"absent": absent})))
    else:
        facts = np.array(json.dumps({"notes": track.notes}))
        np.savez(out, values=track.values, valid=track.valid, intervals_s=track.intervals_s, facts=facts)
    return out.getvalue()


def _kept(path: Path, clip: str, modality: str, anew: bool) -> tuple[Track | None, Outcome]:
    try:
        with np.load(path, allow_pickle=False) as held:
            facts = json.loads(str(held["facts"]))
            if "absent" in facts:
                return None, Outcome(clip, modality, ABSENT, facts["absent"], anew=anew)
            track = Track(held["values"], held["valid"], held["intervals_s"], tuple(facts["notes"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is damaged: {error}", "remove it; the same command extracts that clip again"
        ) from error
    valid = int(track.valid.sum())
    return track, Outcome(clip, modality, EXTRACTED, "", len(track.values), valid, track.notes, anew)


def _assemble(
    listing: Listing,
    extractors: Sequence[Extractor],
    found: Mapping[tuple[str, str], Track | None],
    out: Path,
    name: str,
) -> None:
    frames = {e.modality: [_frames(found.get((c.id, e.modality))) for c in listing.clips] for e in extractors}
    rows = [i for i in range(len(listing.clips)) if any(column[i] is not None for column in frames.values())]
    if not rows:
        raise DataError("no clip has anything that could be extracted", "see the reasons in the summary")
    features = {k: [column[i] for i in rows] for k, column in frames.items()}
    write_store(
        out,
        from_arrays(
            features,
            {k: np.asarray(v)[rows] for k, v in listing.labels.items()} or None,
            splits=[listing.splits[i] for i in rows],
            ids=[listing.clips[i].id for i in rows],
            groups={k: [v[i] for i in rows] for k, v in listing.groups.items()},
            name=name,
            classes=listing.classes,
            dims={e.modality: len(e.columns) for e in extractors},
            notes=[*listing.notes, *(f"{e.modality}: {e.name}" for e in extractors)],
            source={"reader": "extract", "front_ends": {e.modality: e.fingerprint for e in extractors}},
        ),
    )


def _frames(track: Track | None) -> np.ndarray | None:
    """Frames with NaN where they could not be measured; None where there are none."""
    if track is None or not track.valid.any():
        return None
    return np.where(track.valid[:, None], track.values, np.nan).astype(np.float32)
