"""Tables of frames: faces of OpenFace, py-feat and FACET (iMotions), and whatever else has a known layout.

They are recognised by the names of their columns.

- **OpenFace** (``timestamp``, ``AU01_r``): features are the 17 intensities ``AU.._r`` and 18 occurrences ``AU.._c``;
  time is ``timestamp`` in seconds; a frame failed where ``success`` is 0.
- **py-feat** (``AU01``, and ``FaceScore`` or ``approx_time``): features are ``AU..``; time is ``frame`` at the rate
  that ``approx_time`` lets conclude; a frame failed where ``FaceScore`` is empty or 0.
- **FACET** (``AU1 Evidence``, and ``FrameTime`` or ``MediaTime``): features are all ``.. Evidence`` and ``.. Degrees``,
  35 in its last version; time is in milliseconds; a frame failed where they are empty, or ``NoOfFaces`` is 0.
  As CMU-MOSEI distributes its tables (``FACET_4_2``) there is no header line: a row is the number of the picture, its
  time in seconds, and 35 numbers in an unknown order, all 0 where there is no face.
- **openSMILE** (``name``, ``frameTime``; or ``file``, ``start``, ``end``): ``opensmile``.
- **any other program** (``start_s``, ``end_s``): features are all other columns; times are in seconds.

FACET's columns may also be plain ``AU1``.  A failed frame is NaN throughout, which is to say invalid.  Of several faces
the one that was found in most frames is kept; where the program does not say who is who, the surest one of each frame.

Sources: Baltrusaitis et al., "OpenFace 2.0", FG 2018; Cheong et al., "Py-Feat", Affective Science 2023.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from md2n.brief import first_few
from md2n.data.readers.opensmile import is_opensmile, read_opensmile
from md2n.data.readers.text_table import Table, open_table
from md2n.data.readers.tracks import ClipFrames, intervals_from, track_of
from md2n.data.samples import Array, as_features
from md2n.errors import DataError
from md2n.reading import named

_OPENFACE = re.compile(r"AU\d\d_[rc]")
_PY_FEAT = re.compile(r"AU\d\d")
_EVIDENCE = re.compile(r".+ (Evidence|Degrees)")
_FACET_UNIT = re.compile(r"AU ?\d\d?( Evidence)?")
SPAN = ("start_s", "end_s")
FACET_TIMES = ("frametime", "mediatime", "timestamp")
RATES_HZ = (25.0, 30.0, 24.0, 50.0, 60.0, 15.0, 10.0, 12.5, 20.0, 12.0, 5.0, 8.0, 100.0, 120.0)
BARE_COLUMNS = 35
LONGEST_STEP_S = 2.0
"""Times of frames further apart than this are milliseconds."""
RECOGNISED = (
    "recognised are OpenFace (timestamp, AU01_r ...), py-feat (FaceScore, AU01 ..., frame, approx_time), FACET "
    "(FrameTime, AU1 Evidence ...), openSMILE (name, frameTime ...; file, start, end ...), and start_s, end_s with "
    "columns of numbers"
)


@named()
def read_face_table(path: Path) -> ClipFrames:
    """The frames of one table.

    Raises:
        DataError: no table, an unknown layout, a cell that is no number, or times that do not rise.
    """
    table = open_table(path)
    if not table.header:
        if _is_bare_facet(table):
            return _bare_facet(table)
        raise table.no_header("start_s, end_s and each column of numbers")
    if any(table.find(name) is not None for name in SPAN):
        return _spans(table)
    if table.matching(_OPENFACE):
        return _openface(table)
    if table.matching(_PY_FEAT) and table.find("facescore", "approx_time") is not None:
        return _py_feat(table)
    if table.matching(_FACET_UNIT):
        return _facet(table)
    if is_opensmile(table):
        return read_opensmile(table)
    raise DataError(f"'{path}' has columns that are not known: {first_few(table.header, 8)}", RECOGNISED)


def _spans(table: Table) -> ClipFrames:
    places = [table.find(name) for name in SPAN]
    held = [p for p in places if p is not None]
    if len(held) < len(SPAN):
        raise DataError(
            f"'{table.path}' has no column '{SPAN[places.index(None)]}', only: {', '.join(table.header)}",
            "name the columns start_s and end_s, in seconds",
        )
    intervals = table.numbers(held)
    sound = np.isfinite(intervals).all(axis=1) & (intervals[:, 1] >= intervals[:, 0])
    table.refuse(~sound, "has no usable interval", "start_s and end_s in seconds, in order")
    others = [i for i, name in enumerate(table.header) if name and name.lower() not in SPAN]
    if not others:
        raise DataError(f"'{table.path}' holds times but no feature", "a column per feature beside start_s and end_s")
    features = as_features(table.numbers(others), f"'{table.path}'")
    names = tuple(table.header[i] for i in others)
    return ClipFrames(track_of(features, intervals), names, "CSV with start_s and end_s")


def _openface(table: Table) -> ClipFrames:
    times = table.column("timestamp")
    if times is None:
        raise DataError(
            f"'{table.path}' has action units but no column 'timestamp'",
            "OpenFace writes it for videos (FeatureExtraction), not for single images",
        )
    # Without `success`, a face that OpenFace was not sure of at all is none.
    detection = table.column("success", "confidence")
    valid = np.ones(len(table.rows), bool) if detection is None else detection > 0
    return _chosen(table, table.matching(_OPENFACE), times, valid, table.column("confidence"), "OpenFace CSV")


def _py_feat(table: Table) -> ClipFrames:
    score, frame = table.column("facescore"), table.column("frame")
    valid = np.ones(len(table.rows), bool) if score is None else score > 0
    if frame is None:
        raise DataError(f"'{table.path}' has no column 'frame'", "py-feat writes it; keep it when you edit the table")
    rate = _rate(table, frame)
    notes = (f"py-feat writes no frame rate; approx_time fits {rate:g} per second",) if rate is not None else ()
    read = _chosen(table, table.matching(_PY_FEAT), frame / (rate or 1.0), valid, score, "py-feat CSV", notes)
    return read if rate is not None else replace(read, track=track_of(read.track.features, None))


def _facet(table: Table) -> ClipFrames:
    columns = table.matching(_EVIDENCE) or table.matching(_FACET_UNIT)
    times, faces = table.column(*FACET_TIMES), table.column("nooffaces")
    if times is None:
        raise DataError(
            f"'{table.path}' has action units but no column of times", "FACET writes FrameTime or MediaTime; export one"
        )
    valid = np.asarray(~np.isnan(table.numbers(columns)).all(axis=1))
    if faces is not None:
        valid &= faces != 0
    timed = np.isfinite(times)
    steps = np.diff(np.unique(times[timed]))
    if len(steps) and float(np.median(steps)) > LONGEST_STEP_S:
        times = times / 1000
    # Rows of other sensors in one export have no time of a frame, and nothing measured.
    rows = np.flatnonzero(timed).tolist()
    if not rows:
        raise DataError(f"'{table.path}' has no time of any frame", "export the times of the frames")
    part = Table(table.path, table.header, [table.rows[i] for i in rows], [table.lines[i] for i in rows])
    return _chosen(part, columns, times[rows], valid[rows], None, "FACET CSV")


def _is_bare_facet(table: Table) -> bool:
    """True for a table without a header with numbers of pictures (in steps of one) and their rising times in front."""
    if len(table.rows[0]) != 2 + BARE_COLUMNS:
        return False
    try:
        numbers, times = table.numbers([0, 1]).T
    except DataError:
        return False
    return bool((np.diff(numbers) == 1).all() and (np.diff(times) > 0).all() and np.isfinite(times).all())


def _bare_facet(table: Table) -> ClipFrames:
    features = as_features(table.numbers(range(2, 2 + BARE_COLUMNS)), f"'{table.path}'")
    without = (features == 0).all(axis=1)
    features[without] = np.nan
    notes = ["FACET without a header line: the 35 columns have no names"]
    notes += ["rows of zeros alone count as pictures without a face"] if without.any() else []
    track = track_of(features, intervals_from(table.numbers([1])[:, 0]))
    return ClipFrames(track, (), "FACET without header", notes=tuple(notes))


def _chosen(
    table: Table,
    columns: Sequence[int],
    times: Array,
    valid: npt.NDArray[np.bool_],
    surety: Array | None,
    layout: str,
    notes: tuple[str, ...] = (),
) -> ClipFrames:
    """One row per time, the failed ones NaN."""
    table.refuse(~np.isfinite(times), "has no time", "export the table again")
    features = as_features(table.numbers(columns), f"'{table.path}'")
    features[~valid] = np.nan
    rows = np.arange(len(times))
    person = table.find("face_id", "identity")
    if person is not None and len({row[person] for row in table.rows}) > 1:
        who = np.array([row[person] for row in table.rows], dtype=np.str_)
        counts = Counter(who[valid].tolist() or who.tolist())
        rows = np.flatnonzero(who == counts.most_common(1)[0][0])
    # Of the rows of one time the valid one, then the surest, then the first.
    sure = np.zeros(len(times)) if surety is None else np.nan_to_num(surety, nan=-np.inf)
    order = rows[np.lexsort((rows, -sure[rows], ~valid[rows], times[rows]))]
    first = np.append(True, np.diff(times[order]) > 0)
    several = bool(len(rows) < len(times) or (valid[order] & ~first).any())
    if len(order) > 1 and first.sum() == 1:
        raise DataError(
            f"'{table.path}': all {len(order)} frames have the time {times[order][0]:g}",
            "the program did not know the frame rate; run it on the video",
        )
    order = order[first]
    names = tuple(table.header[i] for i in columns)
    read = frozenset(columns)
    others = tuple(h for i, h in enumerate(table.header) if h and i not in read)
    track = track_of(features[order], intervals_from(times[order]))
    return ClipFrames(track, names, layout, others, several, notes)


def _rate(table: Table, frame: Array) -> float | None:
    """Frames per second, which py-feat does not write; None where the table does not say it.

    ``approx_time`` is minutes and whole seconds, cut off, so that frame n at s seconds says s <= n / rate < s + 1.  The
    rate is a usual one within all these bounds, else their middle.
    """
    place = table.find("approx_time")
    if place is None:
        return None
    low, high = 0.0, np.inf
    for number, row, line in zip(frame, table.rows, table.lines):
        if not row[place]:
            continue
        try:
            seconds = sum(float(part) * 60**i for i, part in enumerate(reversed(row[place].split(":"))))
        except ValueError as error:
            raise DataError(
                f"'{table.path}', line {line}, column 'approx_time' holds '{row[place]}', which is no time",
                "py-feat writes minutes:seconds",
            ) from error
        low = max(low, number / (seconds + 1))
        high = min(high, number / seconds) if seconds else high
    if not np.isfinite(high) or low > high:
        return None
    return next((rate for rate in RATES_HZ if low < rate <= high), (low + high) / 2)
