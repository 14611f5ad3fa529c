"""The picture by which a person judges the extraction of a clip: face, pitch over the spectrogram, words, validity."""

from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.extraction.base import Track
from md2n.extraction.look import SHOWN_S, Look
from md2n.report.style import COLOURS, FAINT, INK, STYLE, Figure

WINDOW_S, STEP_S = 0.025, 0.005
"""Of the spectrogram: wide enough to tell harmonics of low voices from one another, fine enough for stops."""
TOP_HZ = 5000
RANGE_DB = 65
HOLE = "#D9DEE6"


def clip_figure(look: Look) -> Figure:
    """One clip on one page: its beginning, where it is longer than ``SHOWN_S``.

    What is not there is said in its place: no sound, no picture, no face in it, and why a modality is missing.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    end = _end_s(look)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = NewFigure(figsize=(11.5, 5.6), layout="constrained")
        sides = figure.add_gridspec(1, 2, width_ratios=(1, 2.1))
        strips = max(1, len(look.tracks))
        rows = sides[0, 1].subgridspec(3, 1, height_ratios=(0.5, 4, 0.42 * strips), hspace=0.02)
        _face(figure.add_subplot(sides[0, 0]), look)
        for i, draw in enumerate((_words, _sound, _validity)):
            draw(figure.add_subplot(rows[i, 0]), look, end)
        figure.suptitle(look.clip, x=0.01, ha="left", fontweight="bold")
    return figure


def spectrogram(
    signal: npt.NDArray[np.floating], rate_hz: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """``[bin, frame]`` levels in dB below the loudest, up to ``TOP_HZ``, and the frames' times in seconds."""
    width, step = round(WINDOW_S * rate_hz), round(STEP_S * rate_hz)
    padded = np.pad(signal, (width // 2, width))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: len(signal) : step]
    power = np.abs(np.fft.rfft(frames * np.hanning(width), 2 * width, axis=1)) ** 2
    level = 10 * np.log10(np.maximum(power[:, : round(TOP_HZ / rate_hz * 2 * width)], 1e-12)).T
    return np.maximum(level - level.max(), -RANGE_DB), np.arange(len(frames)) * STEP_S


def runs(valid: npt.NDArray[np.bool_], intervals_s: npt.NDArray[np.floating]) -> list[tuple[float, float, bool]]:
    """Stretches of frames that follow one another and are alike valid: start, end, whether valid.

    >>> runs(np.array([True, True, False]), np.array([[0, 1], [1, 2], [2, 3.0]]))
    [(0.0, 2.0, True), (2.0, 3.0, False)]
    """
    spans: list[tuple[float, float, bool]] = []
    for (start, end), flag in zip(intervals_s.tolist(), valid.tolist()):
        if spans and spans[-1][2] == flag and start <= spans[-1][1] + (end - start) / 2:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), flag)
        else:
            spans.append((start, end, flag))
    return spans


def _end_s(look: Look) -> float:
    ends = [w.end_s for w in look.words]
    ends += [float(t.intervals_s[:, 1].max()) for t in look.tracks.values() if isinstance(t, Track) and _timed(t)]
    if look.heard is not None:
        ends.append(look.heard.duration_s)
    return min(max(ends, default=1.0), SHOWN_S)


def _timed(track: Track) -> bool:
    return bool(np.isfinite(track.intervals_s).all())


def _face(axes: Any, look: Look) -> None:
    axes.axis("off")
    if look.picture is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    axes.set_anchor("N")
    axes.imshow(look.picture.rgb)
    title = f"picture at {look.picture.time_s:.2f} s"
    if look.landmarks is None:
        title += ", no face found in it" if "vision" in look.tracks else ""
    else:
        axes.scatter(look.landmarks[:, 0], look.landmarks[:, 1], s=2.5, color=COLOURS[4], linewidths=0)
    axes.set_title(title, fontsize=9.5, fontweight="normal")


def _words(axes: Any, look: Look, end: float) -> None:
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1)
    axes.axis("off")
    if not look.words:
        axes.text(0, 0.3, "no words in time", color=FAINT, fontsize=9)
    for i, word in enumerate(look.words):
        if word.start_s >= end:
            break
        colour = COLOURS[i % 2]
        axes.axvspan(word.start_s, min(word.end_s, end), 0, 0.9, color=colour, alpha=0.16, linewidth=0)
        shown = f"{word.text}?" if word.guessed else word.text
        middle = (word.start_s + min(word.end_s, end)) / 2
        axes.text(middle, 0.45, shown, ha="center", va="center", fontsize=9, color=INK, parse_math=False, clip_on=True)


def _sound(axes: Any, look: Look, end: float) -> None:
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds")
    if look.heard is None:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no sound", ha="center", va="center", color=FAINT, transform=axes.transAxes)
        return
    level, times = spectrogram(look.heard.signal, look.heard.rate_hz)
    extent = (0, times[-1] + STEP_S, 0, TOP_HZ / 1000)
    axes.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="Greys", interpolation="nearest")
    axes.set_xlim(0, end)
    axes.set_ylabel("kHz")
    for word in look.words:
        if word.start_s < end:
            axes.axvline(word.start_s, color=FAINT, linewidth=0.5, linestyle=":")
    if look.pitch is not None:
        pitch = axes.twinx()
        pitch.plot(*look.pitch, color=COLOURS[1], linewidth=2)
        pitch.set_ylim(0, 500)
        pitch.set_ylabel("pitch, Hz", color=COLOURS[1])
        pitch.tick_params(axis="y", labelcolor=COLOURS[1])


def _validity(axes: Any, look: Look, end: float) -> None:
    axes.set_xlim(0, end)
    axes.set_ylim(len(look.tracks) - 0.4, -0.6)
    axes.set_yticks(range(len(look.tracks)), list(look.tracks))
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, track in enumerate(look.tracks.values()):
        if isinstance(track, str):
            axes.text(0, row, f"missing: {track}", va="center", color=COLOURS[1], fontsize=8.5, parse_math=False)
        elif not _timed(track):
            note = f"{int(track.valid.sum())} of {len(track.valid)} frames measured, not placed in time"
            axes.text(0, row, note, va="center", fontsize=8.5)
        else:
            for start, stop, valid in runs(track.valid, track.intervals_s):
                style = (
                    {"facecolor": COLOURS[2]} if valid else {"facecolor": HOLE, "hatch": "////", "edgecolor": "white"}
                )
                axes.broken_barh([(start, stop - start)], (row - 0.3, 0.6), linewidth=0, **style)
