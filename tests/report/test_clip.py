"""The picture of a clip: its spectrogram, its stretches of validity, and what is said where something is not there."""

import numpy as np
import pytest

from md2n.extraction.base import Track, Word
from md2n.extraction.look import Look
from md2n.extraction.media import Picture, Sound
from md2n.report.clip import TOP_HZ, clip_figure, runs, spectrogram

pytest.importorskip("matplotlib", reason="matplotlib (extra 'plot') is not installed")
RATE_HZ = 16_000


def track(valid: list[bool], times: bool = True) -> Track:
    at = np.arange(len(valid)) / 10
    intervals = np.stack([at, at + 0.1], axis=1) if times else np.full((len(valid), 2), np.nan)
    return Track(np.ones((len(valid), 2), np.float32), np.array(valid), intervals)


def texts(look: Look) -> str:
    from matplotlib.text import Text

    return "\n".join(t.get_text() for t in clip_figure(look).findobj(Text))


def nothing(**more: object) -> Look:
    fields = {"picture": None, "landmarks": None, "heard": None, "pitch": None, "words": (), "tracks": {}}
    return Look("one_$x$", **{**fields, **more})  # type: ignore[arg-type]


def test_a_tone_is_a_line_at_its_pitch() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    level, times = spectrogram(np.sin(2 * np.pi * 1000 * t).astype(np.float32), RATE_HZ)
    hertz = np.arange(len(level)) * TOP_HZ / len(level)
    assert np.abs(hertz[level[:, 20:-20].argmax(axis=0)] - 1000).max() < 25
    assert level.max() == 0 and times[-1] == pytest.approx(0.995)


def test_silence_has_a_spectrogram_too() -> None:
    assert np.isfinite(spectrogram(np.zeros(1000, np.float32), RATE_HZ)[0]).all()


def test_stretches_end_where_validity_changes_or_frames_are_lost() -> None:
    found = track([True, True, False, True])
    assert [r[2] for r in runs(found.valid, found.intervals_s)] == [True, False, True]
    apart = np.array([[0, 0.1], [0.1, 0.2], [0.9, 1.0]])
    assert runs(np.ones(3, bool), apart) == [(0.0, 0.2, True), (0.9, 1.0, True)]


def test_everything_there_is_stands_in_the_picture() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    shown = texts(
        nothing(
            picture=Picture(0.48, np.zeros((48, 64, 3), np.uint8)),
            landmarks=np.array([[10.0, 20.0], [30.0, 40.0]]),
            heard=Sound(np.sin(600 * t).astype(np.float32), RATE_HZ),
            pitch=(t[::160], np.where(t[::160] > 0.5, 100.0, np.nan)),
            words=(Word("set", 0.1, 0.4), Word("wh$te", 0.4, 0.8, guessed=True)),
            tracks={"text": track([True] * 2, times=False), "audio": track([True] * 9), "vision": "no face was found"},
        )
    )
    for told in ("one_$x$", "picture at 0.48 s", "set", "wh$te?", "2 of 2 frames measured, not placed in time"):
        assert told in shown
    assert "missing: no face was found" in shown


def test_bars_of_validity_lie_where_frames_do() -> None:
    tracks = {"text": track([True] * 2, times=False), "audio": track([True, True, False, True])}
    panel = next(
        a
        for a in clip_figure(nothing(tracks=tracks)).axes
        if [t.get_text() for t in a.get_yticklabels()] == list(tracks)
    )
    assert panel.get_xlim()[0] == 0
    bars = [path.get_extents() for drawn in panel.collections for path in drawn.get_paths()]
    assert [(b.x0, b.x1) for b in bars] == [pytest.approx(x) for x in ((0.0, 0.2), (0.2, 0.3), (0.3, 0.4))]
    assert {(round(b.y0, 6), round(b.y1, 6)) for b in bars} == {(0.7, 1.3)}  # the second line: audio
    assert [(t.get_text(), t.get_position()[1]) for t in panel.texts] == [
        ("2 of 2 frames measured, not placed in time", 0)
    ]


def test_what_is_not_there_is_said_in_its_place() -> None:
    shown = texts(nothing())
    for told in ("no picture", "no sound", "no words in time"):
        assert told in shown
    seen = nothing(picture=Picture(0.0, np.zeros((4, 4, 3), np.uint8)), tracks={"vision": track([False])})
    assert "no face found in it" in texts(seen)
