"""openSMILE's tables, from its command line and from the Python package ``opensmile``.

- **SMILExtract** (``-csvoutput``, ``-lldcsvoutput``): ``name;frameTime;Loudness_sma3;...``; time is ``frameTime`` in
  seconds, where a frame begins; it lasts until the next one.
- **opensmile** (``DataFrame.to_csv``): ``file,start,end,Loudness_sma3,...``; times are ``0 days 00:00:00.020000``, or
  seconds.

A table of one row holds functionals: one vector of the whole recording, whatever its times say.
"""

import re

import numpy as np
import numpy.typing as npt

from md2n.data.readers.text_table import Table
from md2n.data.readers.tracks import ClipFrames, intervals_from, track_of
from md2n.data.samples import as_features
from md2n.errors import DataError

FRAME_TIME = "frametime"
RECORDING = ("name", "file")
SPAN = ("start", "end")
FACTS = {*RECORDING, *SPAN, FRAME_TIME, "frameindex"}
_CLOCK = re.compile(r"(?:(?P<days>\d{1,6}) days?,? *)?(?P<hours>\d{1,6}):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)")


def is_opensmile(table: Table) -> bool:
    """True where the columns of times are openSMILE's: ``frameTime`` beside ``name``, or ``start`` and ``end``.

    ``start`` and ``end`` alone say nothing of their unit, so that they count beside ``file``, or as clock times.
    """
    if "frameTime" in table.header:  # in this spelling: iMotions has a FrameTime in milliseconds, beside a Name
        return bool({"name", "frameIndex"} & {*table.header})
    start, end = (table.find(name) for name in SPAN)
    if start is None or end is None:
        return False
    return table.find("file") is not None or _CLOCK.fullmatch(table.rows[0][start]) is not None


def read_opensmile(table: Table) -> ClipFrames:
    """The frames of one recording.

    Raises:
        DataError: several recordings, a cell that is no number or no time, times that do not rise, or no feature.
    """
    columns = [i for i, name in enumerate(table.header) if name and name.lower() not in FACTS]
    if not columns:
        raise DataError(f"'{table.path}' holds times but no feature", "run openSMILE again")
    whose = table.find(*RECORDING)
    if whose is not None and len(names := sorted({row[whose] for row in table.rows})) > 1:
        raise DataError(
            f"'{table.path}' holds {len(names)} recordings: {names[0]}, {names[1]}" + (", ..." if names[2:] else ""),
            "write one table per recording, named by the clip",
        )
    features = as_features(table.numbers(columns), f"'{table.path}'")
    starts, intervals = table.column(FRAME_TIME), None
    if len(features) > 1:
        intervals = _spans(table) if starts is None else intervals_from(_rising(table, starts))
    left_out = tuple(h for h in table.header if h.lower() in FACTS)
    return ClipFrames(track_of(features, intervals), tuple(table.header[i] for i in columns), "openSMILE CSV", left_out)


def _spans(table: Table) -> npt.NDArray[np.float64]:
    """``[T, 2]`` seconds."""
    start, end = (
        np.array([_seconds(table, row[place], line) for row, line in zip(table.rows, table.lines)])
        for place in map(table.find, SPAN)
        if place is not None
    )
    table.refuse(end < start, "ends before it starts", "run openSMILE again")
    return np.stack([_rising(table, start), end], axis=1)


def _seconds(table: Table, cell: str, line: int) -> float:
    clock = _CLOCK.fullmatch(cell)
    if clock is not None:
        days, hours, minutes = (int(clock[k] or 0) for k in ("days", "hours", "minutes"))
        return ((days * 24 + hours) * 60 + minutes) * 60 + float(clock["seconds"])
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(
            f"'{table.path}', line {line}: '{cell}' is no time",
            "write seconds, or 0 days 00:00:00.020000 as pandas does",
        )
    return value


def _rising(table: Table, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    table.refuse(
        ~np.isfinite(times) | np.append(False, np.diff(times) <= 0),
        "has a time that does not come after that of the line before",
        "a table holds one recording in order of time; openSMILE appends to a file that is there: remove it first",
    )
    return times
