"""Tables of faces: each program's columns, times and failures are its own; what is no number or no time is named."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.faces import read_face_table
from md2n.errors import DataError

OPENFACE = "frame, face_id, timestamp, confidence, success, gaze_0_x, AU01_r, AU45_r, AU28_c"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_openface_with_its_spaces(tmp_path):
    read = read_face_table(
        write(
            tmp_path / "a.csv",
            OPENFACE,
            "1, 0, 0.000, 0.98, 1, 0.1, 0.50, 0.00, 1.00",
            "2, 0, 0.040, 0.02, 0, 0.1, 0.70, 0.20, 0.00",
            "3, 0, 0.080, 0.98, 1, 0.1, 0.90, -nan(ind), 0.00",
            "4, 0, 9.000, 0.98, 1, 0.1, 1.00, 0.00, 0.00",
        )
    )
    assert (read.layout, read.names) == ("OpenFace CSV", ("AU01_r", "AU45_r", "AU28_c"))
    assert read.left_out == ("frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x")
    nan = np.nan
    np.testing.assert_allclose(read.track.features, [[0.5, 0, 1], [nan] * 3, [0.9, nan, 0], [1, 0, 0]])
    # A frame lasts until the next one, but no longer than two usual steps; the last one lasts a usual step.
    np.testing.assert_allclose(read.track.intervals, [[0, 0.04], [0.04, 0.08], [0.08, 0.16], [9, 9.04]], atol=1e-9)
    assert not read.several


def test_of_several_faces_the_one_seen_most_is_kept(tmp_path):
    rows = [f"{t + 1}, {who}, {t / 25:.3f}, 0.9, {int(ok)}, 0, {who}.5, 0, 0" for who, t, ok in
            [(0, 0, True), (0, 1, False), (0, 2, False), (1, 1, True), (1, 2, True)]]  # fmt: skip
    read = read_face_table(write(tmp_path / "a.csv", OPENFACE, *rows))
    assert read.several
    assert read.track.features[:, 0].tolist() == [1.5, 1.5]
    assert read.track.intervals[:, 0].tolist() == [0.04, 0.08]


def py_feat(path: Path, rate: float, count: int, time: str = "clock", skip: int = 1) -> Path:
    def clock(n: int) -> str:
        seconds = int(n / rate)
        return f"{seconds // 60:02d}:{seconds % 60:02d}" if time == "clock" else time

    rows = [f"{n},0,5,{0.9 if n else ''},{n}.5,0.25,0.1,a.mp4,{n},{clock(n)}" for n in range(0, count, skip)]
    return write(path, ",FaceRectX,FaceRectY,FaceScore,AU01,AU02,anger,input,frame,approx_time", *rows)


@pytest.mark.parametrize(("rate", "count", "skip"), [(25, 75, 1), (30, 300, 1), (24, 24 * 70, 5), (12.5, 40, 1)])
def test_py_feats_rate_is_told_by_its_clock(tmp_path, rate, count, skip):
    read = read_face_table(py_feat(tmp_path / "a.csv", rate, count, skip=skip))
    assert (read.layout, read.names) == ("py-feat CSV", ("AU01", "AU02"))
    np.testing.assert_allclose(read.track.intervals[:, 0], np.arange(0, count, skip) / rate)
    assert np.isnan(read.track.features[0]).all()
    np.testing.assert_allclose(read.track.features[1], [skip + 0.5, 0.25])
    assert f"{rate:g} per second" in read.notes[0]


def test_an_unusual_rate_lies_within_what_the_clock_says(tmp_path):
    read = read_face_table(py_feat(tmp_path / "a.csv", 17.3, 1000))
    assert float(np.diff(read.track.intervals[:2, 0])[0]) == pytest.approx(1 / 17.3, rel=0.02)


def test_a_clip_under_a_second_tells_no_rate(tmp_path):
    read = read_face_table(py_feat(tmp_path / "a.csv", 25, 20))
    assert not read.track.timed
    assert read.track.features.shape == (20, 2)


def test_the_surest_row_of_a_frame_is_kept_where_nobody_is_named(tmp_path):
    head = "FaceScore,AU01,frame,approx_time"
    rows = ["0.5,1,0,00:00", "0.9,2,0,00:00", "0.9,3,30,00:01", "0.2,4,30,00:01"]
    read = read_face_table(write(tmp_path / "a.csv", head, *rows))
    assert read.track.features[:, 0].tolist() == [2, 3]
    assert read.several


def test_facet_below_the_studys_facts_in_milliseconds(tmp_path):
    read = read_face_table(
        write(
            tmp_path / "a.tsv",
            "iMotions version 6.0",
            "StudyName : made",
            "",
            "Name\tTimestamp\tFrameTime\tNoOfFaces\tJoy Evidence\tJoy Intensity\tAU1 Evidence\tYaw Degrees\tKey\t",
            "ann\t5000\t0\t1\t0.5\t0.4\t-1.5\t10\t\t",
            "ann\t5013\t\t\t\t\t\t\tspace\t",
            "ann\t5040\t40\t0\t0.1\t0.1\t0.1\t1\t\t",
            "ann\t5080\t80\t1\t\t\t\t\t\t",
            "ann\t5120\t120\t1\t1.5\t0.4\t-2.5\t20\t\t",
        )
    )
    assert (read.layout, read.names) == ("FACET CSV", ("Joy Evidence", "AU1 Evidence", "Yaw Degrees"))
    nan = np.nan
    np.testing.assert_allclose(read.track.features, [[0.5, -1.5, 10], [nan] * 3, [nan] * 3, [1.5, -2.5, 20]])
    np.testing.assert_allclose(read.track.intervals[:, 0], [0, 0.04, 0.08, 0.12])


def test_facet_with_plain_names_and_media_time(tmp_path):
    read = read_face_table(write(tmp_path / "a.csv", "MediaTime;AU1;AU28", "0;1;2", "33;3;4", "66;5;6"))
    assert read.names == ("AU1", "AU28")
    np.testing.assert_allclose(read.track.intervals[:, 0], [0, 0.033, 0.066])


def test_anybodys_table_with_start_and_end(tmp_path):
    read = read_face_table(write(tmp_path / "a.csv", "start_s,end_s,smile,gaze", "0,0.5,1,NA", "0.5,2,3,4"))
    assert read.names == ("smile", "gaze")
    assert read.track.intervals.tolist() == [[0, 0.5], [0.5, 2]]
    np.testing.assert_allclose(read.track.features, [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("lines", "text", "hint"),
    [
        (["mood,face", "1,2"], "columns that are not known: mood, face", "OpenFace"),
        ([OPENFACE], "has a header but no row", "take the file away"),
        ([" "], "is empty", "take the file away"),
        (["AU01_r, AU01_c", "1, 1"], "no column 'timestamp'", "single images"),
        (["FaceScore,AU01", "1,1"], "no column 'frame'", "keep it"),
        (["FaceScore,AU01,frame,approx_time", "1,1,0,soon"], "line 2, column 'approx_time' holds 'soon'", "minutes"),
        (["AU1 Evidence,AU2 Evidence", "1,1"], "no column of times", "FrameTime"),
        (["FrameTime,AU1 Evidence", ",1", ",2"], "has no time of any frame", "times of the frames"),
        (["timestamp,AU01_r", "0,1", "0.04,high"], "line 3, column 'AU01_r' holds 'high'", "leave the cell empty"),
        (["timestamp;AU01_r", "0;1,5", "0,04;2"], "line 3, column 'timestamp' holds '0,04'", "not a comma"),
        (["timestamp,AU01_r", "0,1", ",1"], "line 3 has no time", "again"),
        (["timestamp,AU01_r", "0,1", "0,2", "0,3"], "all 3 frames have the time 0", "frame rate"),
        (["timestamp,AU01_r,AU02_r", "0,1,1", "0.04,1"], "line 3 has 2 cells, the header has 3", "cut off"),
        (["timestamp,AU01_r,AU01_r", "0,1,1"], "two columns called 'AU01_r'", "once"),
        (["start_s,smile", "0,1"], "no column 'end_s'", "in seconds"),
        (["start_s,end_s", "0,1"], "times but no feature", "a column per feature"),
        (["start_s,end_s,x", "0,1,1", "2,1,1"], "line 3 has no usable interval", "in order"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_next_step(tmp_path, lines, text, hint):
    with pytest.raises(DataError, match=text) as caught:
        read_face_table(write(tmp_path / "a.csv", *lines))
    assert "a.csv" in caught.value.message
    assert hint in caught.value.hint


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe")
    with pytest.raises(DataError, match="no text in UTF-8 or UTF-16 but a HDF5 file"):
        read_face_table(tmp_path / "a.csv")
    with pytest.raises(DataError, match="does not exist"):
        read_face_table(tmp_path / "b.csv")


def bare(path: Path, columns: int = 35, count: int = 6, without: int = 2, end: str = ",") -> Path:
    lines = []
    for t in range(count):
        cells = ["0"] * columns if t < without else [f"{t + i / 100:g}" for i in range(columns)]
        lines.append(f"{t},{(t + 1) / 30:.6f},{','.join(cells)}{end}")
    return write(path, *lines)


@pytest.mark.parametrize("end", ["", ","])
def test_facet_without_a_header_line(tmp_path, end):
    read = read_face_table(bare(tmp_path / "a.csv", end=end))
    assert (read.layout, read.names) == ("FACET without header", ())
    assert read.track.features.shape == (6, 35)
    assert np.isnan(read.track.features[:2]).all()
    np.testing.assert_allclose(read.track.features[2:, 3], [2.03, 3.03, 4.03, 5.03], rtol=1e-6)
    np.testing.assert_allclose(read.track.intervals[:, 0], np.arange(1, 7) / 30, atol=1e-6)
    assert [n.split(" ")[0] for n in read.notes] == ["FACET", "rows"]
    assert len(read_face_table(bare(tmp_path / "a.csv", without=0)).notes) == 1


@pytest.mark.parametrize("columns", [2, 34, 36])
def test_numbers_without_a_header_line_are_not_guessed_at(tmp_path, columns):
    with pytest.raises(DataError, match=r"has no header line: its first line is '0,0.033333,0,") as caught:
        read_face_table(bare(tmp_path / "a.csv", columns))
    assert "start_s, end_s" in caught.value.hint


def test_a_count_that_leaps_is_no_facet(tmp_path):
    path = bare(tmp_path / "a.csv")
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[::2]))
    with pytest.raises(DataError, match="has no header line"):
        read_face_table(path)


def test_a_cell_of_facet_that_is_no_number_is_named_by_its_place(tmp_path):
    path = bare(tmp_path / "a.csv")
    path.write_text(path.read_text().replace("3.02", "high"))
    with pytest.raises(DataError, match="line 4, column '5' holds 'high'"):
        read_face_table(path)
