"""Computational sequences: alignment against a plain loop over every pair of stretches, folds, and damaged files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from md2n.data.readers.csd import open_sequence, video_of
from md2n.data.readers.sdk import read_sdk, standard_folds
from md2n.data.readers.tracks import overlaps
from md2n.errors import DataError, UsageError


def write_csd(path: Path, segments: dict, root: str = "Some Root", names: list[str] | None = None) -> Path:
    """``segments``: name -> (features, intervals)."""
    with h5py.File(path, "w") as file:
        data = file.create_group(f"{root}/data")
        for key, (features, intervals) in segments.items():
            group = data.create_group(key)
            group["features"] = features
            group["intervals"] = np.asarray(intervals, float)
        metadata = file.create_group(f"{root}/metadata")
        metadata["root name"] = root
        if names:
            import json

            metadata["dimension names"] = [json.dumps(names).encode()]
    return path


def regular(rng, length: float, step: float, dim: int) -> tuple:
    starts = np.arange(0, length, step)
    return rng.normal(size=(len(starts), dim)).astype(np.float32), np.stack([starts, starts + step], 1)


def made(tmp_path: Path, seed: int = 0) -> dict[str, Path]:
    """Two videos with gaps and overlaps between labels, words and frames."""
    rng = np.random.default_rng(seed)
    words = {
        "v1": ([b"so", b"sp", b"good", b"film", b"yes"], [[0.1, 0.5], [0.5, 0.7], [0.7, 1.7], [1.9, 2.6], [2.6, 2.6]]),
        "v2": ([b"no", b"no", b"never"], [[0.0, 0.4], [0.3, 0.9], [3.0, 3.5]]),
    }
    audio = {"v1": regular(rng, 3.0, 0.07, 3), "v2": regular(rng, 3.2, 0.07, 3)}
    jitter = audio["v2"][1] + rng.uniform(-0.05, 0.05, audio["v2"][1].shape)
    jitter[:, 1] = np.maximum(jitter[:, 1], jitter[:, 0])
    audio["v2"] = audio["v2"][0], jitter[rng.permutation(len(jitter))]
    audio["v1"][0][4, 1] = -np.inf
    audio["v1"][0][5] = np.nan
    vision = {"v1": regular(rng, 1.0, 0.2, 2)}
    labels = {"v1": ([[1.5], [-2.0]], [[0.0, 1.5], [1.5, 2.8]]), "v2": ([[0.25]], [[0.1, 3.3]])}
    return {
        "words": write_csd(
            tmp_path / "w_words.csd", {k: (np.array(w)[:, None], i) for k, (w, i) in words.items()}, "words"
        ),
        "text": write_csd(
            tmp_path / "glove.csd",
            {k: (rng.normal(size=(len(w), 4)).astype(np.float32), i) for k, (w, i) in words.items()},
            "glove_vectors",
        ),
        "audio": write_csd(tmp_path / "covarep.csd", audio, "COVAREP"),
        "vision": write_csd(tmp_path / "facet.csd", vision, "FACET_4.2"),
        "labels": write_csd(tmp_path / "labels.csd", labels, "Opinion Segment Labels"),
    }


def raw(path: Path) -> dict:
    with open_sequence(path) as sequence:
        return {s: sequence.track(s) for s in sequence.segments}


def shares_time(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Two stretches share more than a point, or one of them is a point that the other holds (end excluded)."""
    (s, e), (p, q) = a, b
    if s == e and p == q:
        return s == p
    if s == e:
        return p <= s < q
    if p == q:
        return s <= p < e
    return min(e, q) > max(s, p)


def brute(paths: dict[str, Path], modality: str, align: str, known: bool = False) -> list:
    """Samples of one modality by plain loops, written from the rule and not from the code."""
    labels, track = raw(paths["labels"]), raw(paths[modality])
    reference = raw(paths[align]) if align in paths else {}
    out = []
    for video in labels:
        for start, end in labels[video].intervals:
            if video not in track:
                out.append(None)
                continue
            frames = list(zip(track[video].features, track[video].intervals))
            inside = [(x, i) for x, i in frames if shares_time(tuple(i), (start, end))]
            if align == "none":
                out.append(np.array([x for x, _ in inside]) if inside else None)
                continue
            steps = [(start, end)]
            if align != "labels":
                steps = [
                    (max(s, start), min(e, end))
                    for w, (s, e) in zip(reference[video].features, reference[video].intervals)
                    if shares_time((s, e), (start, end)) and not (align == "words" and w == "sp")
                ]
            rows = []
            for step in steps:
                mine = [x for x, (s, e) in inside if shares_time((max(s, start), min(e, end)), step)]
                columns = [[v for v in column if np.isfinite(v)] for column in zip(*mine)]
                rows.append(
                    [np.mean(c, dtype=np.float64) if c else np.nan for c in columns or frames[0][0].shape[0] * [()]]
                )
            out.append(np.array(rows) if np.isfinite(rows).any() else None)
    return out


MODALITIES = ("text", "audio", "vision")


def read(paths: dict[str, Path], **options):
    return read_sdk(
        {k: paths[k] for k in MODALITIES if k in paths}, paths["labels"], words=paths["words"], known="", **options
    )


@pytest.mark.parametrize("align", ["none", "labels", "words", "text", "audio"])
@pytest.mark.parametrize("seed", [0, 1])
def test_alignment_equals_plain_loops(tmp_path, align, seed):
    paths = made(tmp_path, seed)
    samples = read(paths, align=align)
    assert samples.ids.tolist() == ["v1[0]", "v1[1]", "v2[0]"]
    for name in MODALITIES:
        expected = brute(paths, name, align)
        ragged = samples.modalities[name]
        assert sum(e is not None for e in expected) > 0
        for row, frames in enumerate(expected):
            got = ragged.sample(row)
            valid = ragged.valid[ragged.offsets[row] : ragged.offsets[row + 1]]
            if frames is None:
                assert not samples.present[row, samples.names.index(name)]
                continue
            assert len(got) == len(frames)
            known = np.isfinite(frames)
            assert valid.tolist() == known.any(axis=1).tolist()
            np.testing.assert_array_equal(ragged.known(slice(*ragged.offsets[row : row + 2])), known)
            np.testing.assert_allclose(got[known], frames[known], rtol=1e-5, atol=1e-6)


def test_aligned_modalities_share_their_steps(tmp_path):
    samples = read(made(tmp_path), align="words")
    lengths = [samples.modalities[k].lengths for k in ("text", "audio")]
    # v1[0] has so and good; the pause between is left out.  v1[1] has the rest of good, film, and a word without
    # length; v2[0] has three words, two of which overlap.
    assert lengths[0].tolist() == [2, 3, 3]
    assert lengths[0].tolist() == lengths[1].tolist()


def test_a_gap_in_the_sound_is_an_invalid_step_and_a_missing_video_an_absent_modality(tmp_path):
    samples = read(made(tmp_path), align="words")
    # v2's sound ends at 3.2 s, its last word is at 3.0 to 3.3: there.  v1's faces end at 1.0 s: v1[1] has none.
    assert samples.present.tolist() == [[True, True, True], [True, True, False], [True, True, False]]


def test_infinite_numbers_take_no_part_in_means_and_are_counted(tmp_path):
    paths = made(tmp_path)
    samples = read(paths, align="labels")
    assert np.isfinite(samples.modalities["audio"].values).all()
    assert samples.source["nonfinite"]["audio"] == {"nan": 0, "infinite": 1, "frames": 1, "empty": 1}
    unaligned = read(paths, align="none").modalities["audio"]
    assert unaligned.known()[:8].all(axis=1).tolist() == [True] * 4 + [False] * 2 + [True] * 2


@pytest.mark.parametrize(
    ("frame", "stretch", "shared"),
    [
        ((0, 1), (1, 2), False),
        ((0, 1.01), (1, 2), True),
        ((1, 1), (1, 2), True),
        ((2, 2), (1, 2), False),
        ((0, 3), (2, 2), True),
        ((0, 2), (2, 2), False),
        ((2, 3), (2, 2), True),
        ((2, 2), (2, 2), True),
        ((1, 1), (2, 2), False),
        ((0, 9), (1, 2), True),
        ((1.4, 1.5), (1, 2), True),
    ],
)
def test_what_overlaps(frame, stretch, shared):
    assert overlaps(np.array([frame], float), *stretch).tolist() == [shared]
    assert shares_time(frame, stretch) == shared


def test_every_point_belongs_to_one_of_two_neighbours():
    frames = np.array([[0.0, 1.0], [1.0, 2.0]])
    for point in (0.0, 0.5, 1.0, 1.5):
        assert overlaps(frames, point, point).sum() == 1


def test_pieces_that_were_cut_before_are_taken_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 2)).astype(np.float32)
    pieces = {"v[0]": (x[:2], [[0, 1], [1, 2]]), "v[1]": (x[2:], [[2, 3], [3, 4]])}
    a = write_csd(tmp_path / "a.csd", pieces)
    b = write_csd(tmp_path / "b.csd", {"v": (x, [[0, 1], [1, 2], [2, 3], [3, 4]])})
    labels = write_csd(tmp_path / "l.csd", {"v[0]": ([[1.0]], [[0, 2]]), "v[1]": ([[2.0]], [[2, 4]])})
    samples = read_sdk({"text": a, "audio": b}, labels, known="")
    assert samples.ids.tolist() == ["v[0]", "v[1]"]
    assert set(samples.groups["video"]) == {"v"}
    for name in ("text", "audio"):
        assert np.array_equal(samples.modalities[name].sample(1), x[2:])


def test_the_roots_name_does_not_matter_and_words_decode(tmp_path):
    path = made(tmp_path)["words"]
    with open_sequence(path) as sequence:
        assert (sequence.root, sequence.words, sequence.segments) == ("words", True, ("v1", "v2"))
        assert sequence.track("v1").features.tolist() == ["so", "sp", "good", "film", "yes"]
    assert video_of("a[b][12]") == "a[b]"
    assert video_of("abc") == "abc"


# --- labels and folds ------------------------------------------------------------------------------------------------


def two_modalities(tmp_path: Path, videos) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    one = {v: (rng.normal(size=(3, 2)), [[0, 1], [1, 2], [2, 3]]) for v in videos}
    return {"text": write_csd(tmp_path / "t.csd", one), "audio": write_csd(tmp_path / "a.csd", one)}


def test_mosei_labels_are_named_and_clipped_and_videos_fall_into_their_folds(tmp_path):
    folds = standard_folds("mosei")
    videos = [folds["train"][0], folds["valid"][0], folds["test"][0]]
    values = [[10 / 3, 0, 0, 0, 0, 0, 3.5], [-3, 1, 0, 0, 0, 0, 0], [0.5, 0, 0, 0, 0, 0, 0]]
    labels = write_csd(tmp_path / "l.csd", {v: ([x], [[0, 3]]) for v, x in zip(videos, values)}, "All Labels")
    samples = read_sdk(two_modalities(tmp_path, videos), labels)
    assert samples.source["schema"] == "mosei"
    assert "recognised as CMU-MOSEI by its video ids" in samples.notes
    assert list(samples.labels) == ["sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear"]
    by_id = dict(zip(samples.ids, zip(samples.split, samples.label().values)))
    assert by_id[f"{videos[0]}[0]"] == (0, 3.0)
    assert by_id[f"{videos[1]}[0]"] == (1, -3.0)
    assert by_id[f"{videos[2]}[0]"] == (2, 0.5)
    assert "sentiment: 1 values beyond [-3, 3] were clipped to it" in samples.notes
    assert "fear: 1 values beyond [0, 3] were clipped to it" in samples.notes
    assert samples.label().task.sentiment
    assert not samples.label("fear").task.sentiment


def test_mosi_labels_are_not_clipped(tmp_path):
    videos = standard_folds("mosi")["test"][:1]
    labels = write_csd(tmp_path / "l.csd", {videos[0]: ([[3.5]], [[0, 3]])})
    samples = read_sdk(two_modalities(tmp_path, videos), labels)
    assert samples.label().values.tolist() == [3.5]


def test_a_video_in_no_fold_is_unassigned_and_told(tmp_path):
    videos = [*standard_folds("mosi")["train"][:2], "stranger"]
    labels = write_csd(tmp_path / "l.csd", {v: ([[1.0]], [[0, 3]]) for v in videos})
    samples = read_sdk(two_modalities(tmp_path, videos), labels, known="mosi")
    assert sorted(samples.split.tolist()) == [0, 0, 255]
    assert any("1 samples of 1 videos are in no fold" in n for n in samples.notes)
    with pytest.raises(DataError, match="no video of the labels is in the folds"):
        read_sdk(two_modalities(tmp_path, videos), labels, folds={"train": ("x",)})
    own = read_sdk(two_modalities(tmp_path, videos), labels, known="", folds={"test": ("stranger",)})
    assert sorted(own.split.tolist()) == [2, 255, 255]
    none = read_sdk(two_modalities(tmp_path, videos), labels, known="")
    assert "no folds were given, so no sample belongs to a split" in none.notes


def test_dimension_names_of_the_metadata_name_the_labels(tmp_path):
    labels = write_csd(tmp_path / "l.csd", {"v": ([[1.0, 2.0]], [[0, 3]])}, names=["valence", "arousal"])
    samples = read_sdk(two_modalities(tmp_path, ["v"]), labels, known="", label="arousal")
    assert samples.default_label == "arousal"
    plain = write_csd(tmp_path / "m.csd", {"v": ([[1.0, 2.0]], [[0, 3]])})
    assert list(read_sdk(two_modalities(tmp_path, ["v"]), plain, known="").labels) == ["sentiment", "label_1"]


def test_standard_folds_are_disjoint_and_of_the_published_sizes():
    for name, sizes in (("mosi", (52, 10, 31)), ("mosei", (2249, 300, 678))):
        folds = standard_folds(name)
        assert tuple(map(len, folds.values())) == sizes
        assert len({v for ids in folds.values() for v in ids}) == sum(sizes)
    assert "2iD-tVS8NPw" in standard_folds("mosi")["train"]
    with pytest.raises(UsageError, match=r"no standard folds are called 'mosie'\n.*did you mean 'mosi'"):
        standard_folds("mosie")


# --- damaged ---------------------------------------------------------------------------------------------------------


def test_errors_name_file_and_segment(tmp_path):
    paths = made(tmp_path)
    whole = paths["audio"].read_bytes()

    def attempt(message: str, error=DataError) -> None:
        with pytest.raises(error, match=message):
            read(paths)

    paths["audio"].write_bytes(whole[: len(whole) // 2])
    attempt("covarep.csd' cannot be read: .*truncated")
    paths["audio"].write_bytes(b"")
    attempt(r"covarep.csd' is empty \(0 bytes\)")
    paths["audio"].write_bytes(b"\x80\x04N.")
    attempt(r"covarep.csd' is not an HDF5 file but a")
    paths["audio"].unlink()
    attempt("covarep.csd' does not exist")
    with h5py.File(paths["audio"], "w") as file:
        file["something"] = np.zeros(3)
    attempt("holds no computational sequence: its keys are something")
    write_csd(paths["audio"], {"v1": (np.zeros((3, 2)), [[0, 1], [1, 2]]), "v2": (np.zeros((1, 2)), [[0, 1]])})
    attempt(r"segment 'v1': features \(3, 2\) and intervals \(2, 2\) do not agree")
    write_csd(paths["audio"], {"v1": (np.zeros((1, 2)), [[0, 1]]), "v2": (np.zeros((1, 3)), [[0, 1]])})
    attempt("segment 'v2' has 3 features, others have 2")
    paths["audio"] = paths["words"]
    attempt("holds words, not features: 'audio' cannot be a modality")


def test_alignment_to_nothing(tmp_path):
    with pytest.raises(UsageError, match=r"nothing to align to is called 'word'\n.*did you mean 'words'"):
        read(made(tmp_path), align="word")


def test_reversed_intervals_are_left_out_and_told(tmp_path):
    paths = made(tmp_path)
    write_csd(paths["audio"], {"v1": (np.ones((2, 2)), [[0, 1], [2, 1]]), "v2": (np.ones((1, 2)), [[0, np.nan]])})
    samples = read(paths)
    assert samples.modalities["audio"].lengths.tolist() == [1, 0, 0]
    assert "audio: 2 frames without a usable interval were left out" in samples.notes


def test_a_label_without_interval_does_not_renumber_the_others(tmp_path):
    paths = made(tmp_path)
    write_csd(paths["labels"], {"v1": ([[1.0], [2.0], [3.0]], [[0, 1], [np.nan, 1], [1, 2]])})
    samples = read(paths)
    assert samples.ids.tolist() == ["v1[0]", "v1[2]"]
    assert samples.label().values.tolist() == [1.0, 3.0]
    assert "1 labels without a usable interval were left out" in samples.notes


def test_labels_that_cannot_be_used(tmp_path):
    paths = made(tmp_path)
    write_csd(paths["labels"], {"v1": ([[np.nan]], [[0, 1]])})
    with pytest.raises(DataError, match="holds no usable label"):
        read(paths)
    write_csd(paths["labels"], {"v1[0]": ([[1.0], [2.0]], [[0, 1], [1, 2]])})
    with pytest.raises(DataError, match=r"segment 'v1\[0\]' holds 2 different labels"):
        read(paths)
