"""Segments without frames, and pieces whose numbers are those of labels, of words, or of something else."""

import h5py
import numpy as np
import pytest

from md2n.data.readers.sdk import read_sdk
from md2n.errors import DataError
from tests.data.readers.test_sdk import made, read, regular, write_csd


def five_seconds(rng) -> tuple:
    """Ten frames of half a second, and two labels that cover them."""
    x, intervals = regular(rng, 5.0, 0.5, 2)
    return x, intervals, {"v": ([[1.0], [2.0]], [[0, 2], [2, 5]])}


def test_pieces_numbered_by_words_are_joined_by_their_times(tmp_path):
    """``v[1]`` is the second word of a file that was aligned to words, not the second label."""
    x, intervals, labels = five_seconds(np.random.default_rng(0))
    b = write_csd(tmp_path / "b.csd", {"v": (x, intervals)})
    by_word = write_csd(tmp_path / "a.csd", {f"v[{i}]": (x[i : i + 1], intervals[i : i + 1]) for i in range(10)})
    rows = write_csd(tmp_path / "l.csd", labels)
    pieces = {f"v[{i}]": ([labels["v"][0][i]], [labels["v"][1][i]]) for i in range(2)}
    cut_labels = write_csd(tmp_path / "m.csd", pieces)
    for file in (rows, cut_labels):
        samples = read_sdk({"text": by_word, "audio": b}, file, known="")
        assert samples.ids.tolist() == ["v[0]", "v[1]"]
        for name in ("text", "audio"):
            assert samples.modalities[name].sample(0).tolist() == x[:4].tolist()
            assert samples.modalities[name].sample(1).tolist() == x[4:].tolist()


def test_pieces_numbered_by_labels_stay_apart_where_labels_overlap(tmp_path):
    x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    times = [[0, 3], [2, 5]]
    means = write_csd(tmp_path / "a.csd", {f"v[{i}]": (x[i : i + 1], times[i : i + 1]) for i in range(2)})
    labels = write_csd(tmp_path / "l.csd", {"v": ([[1.0], [2.0]], times)})
    samples = read_sdk({"text": means, "audio": means}, labels, known="")
    assert [samples.modalities["text"].sample(i).tolist() for i in range(2)] == [[[1, 2]], [[3, 4]]]


def test_pauses_of_a_sequence_are_those_of_word_files(tmp_path):
    paths = made(tmp_path)
    words = [b"so", b"SIL", b"good", b"<eps>", b"yes"]
    times = [[0.1, 0.5], [0.5, 0.7], [0.7, 1.7], [1.9, 2.6], [2.6, 2.6]]
    write_csd(paths["words"], {"v1": (np.array(words)[:, None], times)})
    assert read(paths, align="words", drop_empty=True).modalities["audio"].lengths.tolist() == [2, 2]


NOTHING = {
    "(0, d)": (np.zeros((0, 3), np.float32), np.zeros((0, 2))),
    "(0,)": (np.zeros(0), np.zeros(0)),
    "(0,) and (0, 2)": (np.zeros(0), np.zeros((0, 2))),
    "(0, 0)": (np.zeros((0, 0)), np.zeros((0, 0))),
    "null": (h5py.Empty("f4"), h5py.Empty("f8")),
}


@pytest.mark.parametrize("form", NOTHING)
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("align", ["none", "labels", "words", "audio"])
def test_a_segment_without_frames_is_a_gap(tmp_path, form, where, align):
    paths = made(tmp_path)
    features, intervals = regular(np.random.default_rng(1), 4.0, 0.1, 3)
    empty = "v1" if where == "first" else "v2"
    with h5py.File(paths["audio"], "w") as file:
        for video in ("v1", "v2"):
            held = NOTHING[form] if video == empty else (features, intervals)
            for name, value in zip(("features", "intervals"), held):
                file.create_dataset(f"root/data/{video}/{name}", data=value)
    del paths["vision"]  # it is in one video alone
    samples = read(paths, align=align, drop_empty=True)
    there = dict(zip(samples.ids.tolist(), samples.present[:, samples.names.index("audio")].tolist()))
    full = {"v1[0]": empty != "v1", "v1[1]": empty != "v1", "v2[0]": empty != "v2"}
    assert there == (full if align != "audio" else {i: b for i, b in full.items() if b})
    assert samples.modalities["audio"].dim == 3


def test_a_segment_without_words_or_labels_is_passed_over(tmp_path):
    paths = made(tmp_path)
    write_csd(paths["words"], {"v1": (np.zeros((0, 1)), np.zeros((0, 2))), "v2": (np.array([[b"no"]]), [[0.1, 1.0]])})
    del paths["vision"]
    assert read(paths, align="words", drop_empty=True).ids.tolist() == ["v2[0]"]
    write_csd(paths["labels"], {"v1": (np.zeros((0, 1)), np.zeros((0, 2))), "v2": ([[1.0]], [[0.1, 1.0]])})
    assert read(paths).ids.tolist() == ["v2[0]"]


def test_frames_without_intervals_are_no_gap(tmp_path):
    paths = made(tmp_path)
    with h5py.File(paths["audio"], "r+") as file:
        del file["COVAREP/data/v1/intervals"]
        file["COVAREP/data/v1/intervals"] = np.zeros((0, 2))
    with pytest.raises(DataError, match=r"segment 'v1': features \(43, 3\) and intervals \(0, 2\) do not agree"):
        read(paths)
