"""Writing the store from the kept pieces of clips: frames, labels, splits, groups, times."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.samples import LabelColumn
from md2n.data.store import StoreWriter
from md2n.errors import DataError
from md2n.extraction.base import Extractor, Track, Word
from md2n.extraction.cache import ABSENT, EXTRACTED, WORDS, Outcome, Piece, read_piece
from md2n.extraction.listing import Listing
from md2n.extraction.word_average import average_over

Step = str | float
WINDOW_S = 0.3
"""The window that replaces words where a clip has none in time: about as long as a spoken word."""


@dataclass(frozen=True)
class Gathered:
    """Everything a store is made of.

    Args:
        listing: clips, labels, splits, groups.
        extractors: in the order of the store.
        step: what frames are averaged over.
        places: clip -> part -> its kept file.
        failed: what has no kept file, with its reason.
        before: files that were there before this run.
    """

    listing: Listing
    extractors: Sequence[Extractor]
    step: Step
    places: Mapping[str, Mapping[str, Path]]
    failed: Mapping[tuple[str, str], Outcome]
    before: AbstractSet[Path]

    __repr__ = brief


def write_clips(
    gathered: Gathered, out: Path, name: str
) -> tuple[tuple[str, ...], dict[str, str], tuple[Outcome, ...]]:
    """Writes the store, clip by clip.

    Returns:
        Ids of the clips in it; those without any modality and why; one outcome per clip and part, in order.

    Raises:
        DataError: no clip has anything; a kept file is damaged.
        StorageError: it cannot be written.
    """
    listing = gathered.listing
    labels = listing.columns()
    ids: list[str] = []
    empty: dict[str, str] = {}
    outcomes: list[Outcome] = []
    with StoreWriter(
        out,
        name=name,
        dims={e.modality: len(e.columns) for e in gathered.extractors},
        labels={k: c.task for k, c in labels.items()},
        groups=tuple(listing.groups),
        default_label=next(iter(labels), ""),
        notes=[*listing.notes, *(f"{e.modality}: {e.name}" for e in gathered.extractors)],
        source={
            "reader": "extract",
            "front_ends": {e.modality: e.fingerprint for e in gathered.extractors},
            "align": gathered.step,
            **({"schema": listing.meaning.known} if listing.meaning.known else {}),
        },
        intervals=[e.modality for e in gathered.extractors],
    ) as writer:
        for i, clip in enumerate(listing.clips):
            tracks, clip_outcomes = _tracks(gathered, i)
            outcomes += clip_outcomes
            if not tracks:
                empty[clip.id] = "; ".join(dict.fromkeys(o.reason for o in clip_outcomes if o.modality != WORDS))
                continue
            writer.append(
                clip.id,
                {k: np.where(t.valid[:, None], t.values, np.nan).astype(np.float32) for k, t in tracks.items()},
                {k: _label(column, i) for k, column in labels.items()},
                split=listing.splits[i],
                groups={k: members[i] for k, members in listing.groups.items()},
                intervals={k: t.intervals_s for k, t in tracks.items()},
            )
            ids.append(clip.id)
        if not ids:
            reasons = "; ".join(f"{k}: {v}" for k, v in list(empty.items())[:3])
            raise DataError(
                f"no clip has anything that could be extracted ({reasons})",
                "check that the clips hold what the front ends look for, or choose other front ends",
            )
    return tuple(ids), empty, tuple(outcomes)


def _tracks(gathered: Gathered, index: int) -> tuple[dict[str, Track], list[Outcome]]:
    """The tracks of a clip as they go into the store, and what became of its parts."""
    clip = gathered.listing.clips[index]
    pieces: dict[str, Piece] = {}
    outcomes = []
    for part, path in gathered.places[clip.id].items():
        if (clip.id, part) in gathered.failed:
            outcomes.append(gathered.failed[clip.id, part])
            continue
        piece = read_piece(path)
        if piece is None:
            raise DataError(f"{path} is damaged", "remove it; the same command extracts that clip again")
        pieces[part] = piece
        outcomes.append(piece.outcome(clip.id, part, anew=path not in gathered.before))
    words = clip.words or (pieces[WORDS].words if WORDS in pieces else ())
    tracks = {}
    for k, outcome in enumerate(outcomes):
        track = pieces[outcome.modality].track if outcome.modality in pieces else None
        if track is None:
            continue
        track = place_track(track, outcome.modality, gathered.step, words)
        if not track.valid.any():
            outcomes[k] = replace(outcome, state=ABSENT, reason="no word has a frame in it that could be measured")
            continue
        tracks[outcome.modality] = track

        outcomes[k] = replace(
            outcome,
            state=EXTRACTED,
            frames=len(track.values),
            valid=int(track.valid.sum()),
            notes=track.notes,
        )
    return tracks, outcomes


def place_track(track: Track, modality: str, step: Step, words: Sequence[Word]) -> Track:
    """A track on words, in windows, or as it is; text has a frame per word from the beginning.

    Where a clip has no words in time, ``word`` means windows of ``WINDOW_S``: frames as long as those of the others.
    """
    if step == "none" or modality == "text" or not np.isfinite(track.intervals_s).all():
        return track
    if step == "word" and words:
        return average_over(track, words)
    width = WINDOW_S if step == "word" else float(step)
    edges = np.arange(int(np.ceil(round(float(track.intervals_s.max()) / width, 6))) + 1) * width
    averages = average_over(track, [Word("", a, b) for a, b in pairwise(edges.tolist())])
    if step != "word":
        return averages
    return replace(averages, notes=(*averages.notes, f"no words in time: averaged over {WINDOW_S:g} s each"))


def _label(column: LabelColumn, row: int) -> Any:
    value = column.values[row]
    if column.task.kind == "regression":
        return None if np.isnan(value) else float(value)
    return column.task.classes[int(value)] if value >= 0 else None
