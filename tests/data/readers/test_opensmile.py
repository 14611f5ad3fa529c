"""openSMILE's tables: frames with their own times, functionals as one vector, and what is no table of one recording."""

import numpy as np
import pytest

from md2n.data.readers.faces import read_face_table
from md2n.errors import DataError
from tests.data.readers.test_faces import write


def test_frames_of_the_command_line(tmp_path):
    rows = [f"'unknown';{t / 100:.6f};{t};{-t:.3e}" for t in range(4)]
    read = read_face_table(write(tmp_path / "a.csv", "name;frameTime;Loudness_sma3;alphaRatio_sma3", *rows))
    assert (read.layout, read.names) == ("openSMILE CSV", ("Loudness_sma3", "alphaRatio_sma3"))
    assert read.left_out == ("name", "frameTime")
    assert read.track.features.tolist() == [[0, 0], [1, -1], [2, -2], [3, -3]]
    np.testing.assert_allclose(read.track.intervals, [[0, 0.01], [0.01, 0.02], [0.02, 0.03], [0.03, 0.04]])


def test_frames_of_the_python_package(tmp_path):
    rows = [f"a.wav,0 days 00:00:0{t}.020000,0 days 00:00:0{t + 1}.5,{t}" for t in range(3)]
    read = read_face_table(write(tmp_path / "a.csv", "file,start,end,Loudness_sma3", *rows))
    assert read.names == ("Loudness_sma3",)
    np.testing.assert_allclose(read.track.intervals, [[0.02, 1.5], [1.02, 2.5], [2.02, 3.5]])
    # A signal has no file; a time without a fraction, an hour, a day.
    rows = ["0 days 00:00:00,0 days 01:00:00,1", "0 days 01:00:00,1 days 00:00:00,2"]
    read = read_face_table(write(tmp_path / "a.csv", "start,end,F0", *rows))
    np.testing.assert_allclose(read.track.intervals, [[0, 3600], [3600, 86400]])
    read = read_face_table(write(tmp_path / "a.csv", "file,start,end,F0", "a.wav,0,0.5,1", "a.wav,0.5,1,2"))
    np.testing.assert_allclose(read.track.intervals, [[0, 0.5], [0.5, 1]])


@pytest.mark.parametrize(
    "lines",
    [
        ("name;frameTime;F0_mean;F0_sd", "'a';0.000000;1;2"),
        ("file,start,end,F0_mean,F0_sd", "a.wav,0 days 00:00:00,0 days 00:00:03.5,1,2"),
        ("file,start,end,F0_mean,F0_sd", "a.wav,0 days,NaT,1,2"),
    ],
)
def test_functionals_are_one_vector_that_holds_throughout(tmp_path, lines):
    read = read_face_table(write(tmp_path / "a.csv", *lines))
    assert read.track.features.tolist() == [[1, 2]] and not read.track.timed


@pytest.mark.parametrize(
    ("lines", "text", "hint"),
    [
        (["name;frameTime;F0", "a;0;1", "b;0.01;2"], "holds 2 recordings: a, b", "one table per recording"),
        (["name;frameTime;F0", "a;0;1", "a;0.01;2", "a;0;1"], "line 4 has a time that does not come after", "appends"),
        (["name;frameTime", "a;0"], "holds times but no feature", "openSMILE"),
        (["file,start,end,F0", "a,0 days,soon,1", "a,1,2,1"], "line 2: '0 days' is no time", "seconds"),
        (["file,start,end,F0", "a,0,1,1", "a,1,0.5,1"], "line 3 ends before it starts", "again"),
        (["start,end,smile", "0,1,1"], "columns that are not known: start, end, smile", "start_s, end_s"),
        (["Name,FrameTime,Joy Evidence", "a,0,1"], "columns that are not known: Name, FrameTime", "openSMILE"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_next_step(tmp_path, lines, text, hint):
    with pytest.raises(DataError, match=text) as caught:
        read_face_table(write(tmp_path / "a.csv", *lines))
    assert "a.csv" in caught.value.message and hint in caught.value.hint
