"""A folder of clips: whoever made the files, they meet by id and time, and as they would as ``.csd`` sequences."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from md2n.data.readers.clips import read_clip_features
from md2n.data.readers.csd import open_sequence
from md2n.data.readers.detect import detect, read
from md2n.data.readers.sdk import read_sdk
from md2n.errors import DataError, UnsafeFileError, UsageError
from tests.data.readers.test_covarep import version_5
from tests.data.readers.test_faces import OPENFACE, write
from tests.data.readers.test_sdk import made, regular, write_csd

AUDIO = np.arange(30.0).reshape(10, 3)


def openface(path: Path, count: int = 3, value: float = 0.0, failed: tuple[int, ...] = ()) -> Path:
    rows = [f"{t + 1}, 0, {t / 25:.3f}, 0.9, {int(t not in failed)}, 0, {value + t}, 0, 1" for t in range(count)]
    return write(path, OPENFACE, *rows)


def mixture(root: Path) -> Path:
    """Three clips: my text, their COVAREP, their OpenFace; ``b`` lacks sound, ``c`` lacks text and face."""
    for name in ("text", "audio", "vision"):
        (root / name).mkdir(parents=True)
    np.save(root / "text" / "a.npy", np.full((2, 4), 1.0, np.float32))
    np.save(root / "text" / "b.npy", np.full(4, 2.0, np.float16))
    version_5(root / "audio" / "a.mat", features=AUDIO)
    version_5(root / "audio" / "c ü.mat", features=np.vstack([AUDIO[:3], [[np.nan, 0, 0], [0, -np.inf, 0]]]))
    openface(root / "vision" / "a.csv", 4, failed=(1,))
    openface(root / "vision" / "b.csv", 2, 7.0)
    write(
        root / "labels.csv",
        "id,split,y,arousal,speaker,file,transcript",
        "a,train,0.5,3,ann,a.mp4,hello",
        "b,dev,-1.5,,ann,b.mp4,",
        "c ü,test,,1,bob,,",
    )
    return root


def test_a_mixture_is_joined_by_id_and_gaps_are_gaps(tmp_path):
    samples = read_clip_features(mixture(tmp_path / "mine"))
    assert (samples.name, samples.names) == ("mine", ("text", "audio", "vision"))
    assert samples.ids.tolist() == ["a", "b", "c ü"]
    assert samples.split.tolist() == [0, 1, 2]
    assert samples.present.tolist() == [[True, True, True], [True, False, True], [False, True, False]]
    assert {k: g.tolist() for k, g in samples.groups.items()} == {
        "arousal": ["3", "", "1"],
        "speaker": ["ann", "ann", "bob"],
    }
    np.testing.assert_array_equal(samples.label().values, [0.5, -1.5, np.nan])
    np.testing.assert_array_equal(samples.modalities["audio"].sample(0), AUDIO.astype(np.float32))
    assert samples.modalities["text"].lengths.tolist() == [2, 1, 0]
    assert samples.modalities["vision"].valid.tolist() == [True, False, True, True, True, True]
    assert samples.modalities["vision"].sample(1).tolist() == [[7, 0, 1], [8, 0, 1]]
    assert samples.modalities["audio"].valid.tolist() == [True] * 15
    assert samples.modalities["audio"].known()[13:].tolist() == [[False, True, True], [True, False, True]]
    notes = "\n".join(samples.notes)
    assert "audio: 1 NaN and 1 infinite values in 2 frames are unknown" in notes
    assert (
        "vision: 3 columns were read from OpenFace CSV; others were left out (frame, face_id, timestamp, ...)" in notes
    )
    assert samples.source["reader"] == "clips"
    assert samples.source["layouts"] == {
        "text": {".npy": 2},
        "audio": {"COVAREP .mat": 2},
        "vision": {"OpenFace CSV": 2},
    }
    assert [f["name"] for f in samples.source["files"]] == ["labels.csv"]


@pytest.mark.parametrize("empty", [np.array([]), np.zeros((0, 4)), np.zeros((1, 0))])
def test_an_empty_array_is_a_clip_without_the_modality(tmp_path, empty):
    root = mixture(tmp_path / "mine")
    np.save(root / "text" / "a.npy", empty)
    np.savez(root / "text" / "c ü.npz", features=empty, intervals=np.zeros((len(empty) if empty.ndim == 2 else 0, 2)))
    samples = read_clip_features(root)
    assert samples.present.tolist() == [[False, True, True], [True, False, True], [False, True, False]]
    assert samples.modalities["text"].dim == 4


def test_it_is_recognised_by_what_it_holds(tmp_path):
    root = mixture(tmp_path / "mine")
    assert detect(root) == detect(root / "labels.csv") == "clips"
    assert read(root, modalities=("vision", "text"), drop_empty=True).names == ("vision", "text")
    assert read(root, label="arousal").default_label == "arousal"
    assert read(root, label="arousal").label().task.classes == ("1", "3")
    assert read(root, kinds={"arousal": "regression"}).label("arousal").task.kind == "regression"
    assert read(root, align="labels").modalities["audio"].lengths.tolist() == [1, 0, 1]
    # The SDK's own folder stays its own, whatever tables lie beside it; so does a data.npz.
    sdk = tmp_path / "sdk"
    sdk.mkdir()
    made(sdk)
    write(sdk / "labels.csv", "id", "v1")
    assert detect(sdk) == "sdk"
    np.savez(root / "data.npz", y=[1])
    assert detect(root) == "npz"


def to_the_nanosecond(paths: dict[str, Path]) -> dict[str, Path]:
    """The SDK's files say what they say; those of clips are read to a nanosecond, so that hairs do not overlap."""
    for path in paths.values():
        with h5py.File(path, "r+") as file:
            for segment in file[next(iter(file))]["data"].values():
                segment["intervals"][...] = np.round(segment["intervals"][...], 9)
    return paths


def as_clips(root: Path, paths: dict[str, Path], form: str) -> Path:
    """The sequences of ``made`` once more: as ``.csd`` beside a table, or as a file per recording."""
    root.mkdir()
    lines = ["id,recording,start_s,end_s,y"]
    with open_sequence(paths["labels"]) as labels:
        for video in labels.segments:
            track = labels.track(video)
            lines += [
                f"{video}[{i}],{video},{start},{end},{value}"
                for i, ((start, end), value) in enumerate(zip(track.intervals, track.features[:, 0]))
            ]
    write(root / "labels.csv", *lines)
    for name in ("words", "text", "audio", "vision"):
        if form == "csd":
            shutil.copy(paths[name], root / f"{name}.csd")
            continue
        (root / name).mkdir()
        with open_sequence(paths[name]) as sequence:
            for video in sequence.segments:
                track = sequence.track(video)
                if name == "words":
                    rows = [f"{w},{s!r},{e!r}" for w, (s, e) in zip(track.features, track.intervals.tolist())]
                    write(root / name / f"{video}.csv", "word,start_s,end_s", *rows)
                else:
                    held = {"features": track.features, "intervals": track.intervals}
                    np.savez(root / name / f"{video}.npz", **held)
    return root


@pytest.mark.parametrize("form", ["csd", "files"])
@pytest.mark.parametrize("align", ["none", "labels", "words", "audio"])
def test_clips_give_what_the_same_sequences_give(tmp_path, form, align):
    paths = to_the_nanosecond(made(tmp_path))
    sources = {k: paths[k] for k in ("text", "audio", "vision")}
    expected = read_sdk(sources, paths["labels"], words=paths["words"], align=align)
    samples = read_clip_features(as_clips(tmp_path / form, paths, form), align=align)
    assert samples.ids.tolist() == expected.ids.tolist()
    assert samples.groups["recording"].tolist() == expected.groups["video"].tolist()
    np.testing.assert_array_equal(samples.label().values, expected.label().values)
    for name, modality in expected.modalities.items():
        np.testing.assert_array_equal(samples.modalities[name].offsets, modality.offsets)
        np.testing.assert_array_equal(samples.modalities[name].valid, modality.valid)
        np.testing.assert_array_equal(samples.modalities[name].values, modality.values)


def cut_from(root: Path) -> Path:
    """Clip ``a`` is 2 to 3 s of ``film``: its face has a file of its own, the sound is the film's."""
    (root / "vision").mkdir(parents=True)
    (root / "audio").mkdir()
    features, intervals = regular(np.random.default_rng(0), 5.0, 0.1, 2)
    np.savez(root / "audio" / "film.npz", features=features, intervals=intervals)
    write(root / "vision" / "a.csv", "start_s,end_s,smile", "0,0.5,1", "0.5,1,2")
    write(root / "vision" / "film.csv", "start_s,end_s,smile", "0,2.5,7", "2.5,5,8")
    write(root / "labels.csv", "id,recording,start_s,end_s", "a,film,2,3", "b,film,1,2.8", "film,,,")
    return root


def test_a_file_of_its_own_begins_with_the_clip_and_goes_before_the_recording(tmp_path):
    root = cut_from(tmp_path / "mine")
    with np.load(root / "audio" / "film.npz") as held:
        film = held["features"]
    samples = read_clip_features(root, align="vision")
    steps = samples.modalities["vision"]
    assert [steps.sample(i)[:, 0].tolist() for i in range(3)] == [[1, 2], [7, 8], [7, 8]]
    audio = samples.modalities["audio"]
    np.testing.assert_allclose(audio.sample(0), [film[20:25].mean(0), film[25:30].mean(0)], rtol=1e-6)
    np.testing.assert_allclose(audio.sample(1), [film[10:25].mean(0), film[25:28].mean(0)], rtol=1e-6)
    np.testing.assert_allclose(audio.sample(2), [film[:25].mean(0), film[25:].mean(0)], rtol=1e-6)
    assert samples.groups["recording"].tolist() == ["film", "film", ""]
    assert read_clip_features(root).modalities["audio"].lengths.tolist() == [10, 18, 50]


def test_a_clip_beyond_its_recording_is_a_gap_that_is_told(tmp_path):
    root = cut_from(tmp_path / "mine")
    write(root / "labels.csv", "id,recording,start_s,end_s", "a,film,2,3", "late,film,7,8")
    samples = read_clip_features(root, drop_empty=True)
    assert samples.ids.tolist() == ["a"]
    assert "audio: 1 clips have no frame between start_s and end_s (late)" in samples.notes


def words_of(root: Path) -> Path:
    """Clip ``a`` with two words and a pause, sound in time, and text without."""
    for name in ("text", "audio", "words"):
        (root / name).mkdir(parents=True)
    write(root / "words" / "a.csv", "word,start_s,end_s", "so,0,0.04", "sp,0.04,0.06", "good,0.06,0.1")
    version_5(root / "audio" / "a.mat", features=AUDIO)
    np.save(root / "text" / "a.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    write(root / "labels.csv", "id,y", "a,1")
    return root


def test_a_row_per_word_and_a_vector_fit_words_without_times(tmp_path):
    root = words_of(tmp_path / "mine")
    samples = read_clip_features(root, align="words")
    assert samples.names == ("text", "audio")
    assert samples.modalities["text"].values.tolist() == [[1, 2], [3, 4]]
    np.testing.assert_allclose(samples.modalities["audio"].values, [AUDIO[0:4].mean(0), AUDIO[6:10].mean(0)])
    np.save(root / "text" / "a.npy", np.array([5.0, 6.0]))
    assert read_clip_features(root, align="words").modalities["text"].values.tolist() == [[5, 6], [5, 6]]
    assert read_clip_features(root, align="labels").modalities["text"].values.tolist() == [[5, 6]]


def test_frames_without_times_are_not_guessed_at(tmp_path):
    root = words_of(tmp_path / "mine")
    with pytest.raises(DataError, match="'text' of 'a' has no times, so nothing can be aligned to it") as caught:
        read_clip_features(root, align="text")
    assert "intervals" in caught.value.hint
    np.save(root / "text" / "a.npy", np.zeros((3, 2)))
    with pytest.raises(DataError, match="'text' of 'a' has 3 frames without times, 'words' has 2 steps") as caught:
        read_clip_features(root, align="words")
    assert "one frame per step" in caught.value.hint
    shutil.copy(root / "text" / "a.npy", root / "text" / "film.npy")
    (root / "text" / "a.npy").unlink()
    write(root / "labels.csv", "id,recording,start_s,end_s", "a,film,0,1")
    shutil.rmtree(root / "words")
    with pytest.raises(DataError, match="has no times, so 'a' cannot be cut from it") as caught:
        read_clip_features(root)
    assert "'a.npy'" in caught.value.hint


def test_a_clip_without_steps_is_not_lost_silently(tmp_path):
    root = mixture(tmp_path / "mine")
    shutil.rmtree(root / "text")
    with pytest.raises(DataError, match=r"1 of 3 clips have nothing to align to 'vision' \(c ü\)") as caught:
        read_clip_features(root, align="vision")
    assert "--drop-empty" in caught.value.hint
    assert read_clip_features(root, align="vision", drop_empty=True).ids.tolist() == ["a", "b"]


def test_what_belongs_to_no_clip_is_left_out_and_told(tmp_path):
    root = mixture(tmp_path / "mine")
    (root / "audio" / "stranger.mat").write_bytes(b"never opened")
    (root / "audio" / "readme.txt").write_text("hello")
    (root / "audio" / ".hidden").write_text("")
    (root / "scripts").mkdir()
    _, intervals = regular(np.random.default_rng(0), 1.0, 0.5, 2)
    write_csd(root / "face.csd", {k: (np.ones((2, 2)), intervals) for k in ("a", "zz")})
    samples = read_clip_features(root)
    assert samples.names == ("text", "audio", "vision", "face")
    assert {
        "audio: 1 files of no clip in the table were left out (stranger)",
        "audio: 1 files of other kinds were left out (readme.txt)",
        "'scripts' holds no feature files and was left out",
        "face: 1 segments of no clip in the table were left out (zz)",
    } <= set(samples.notes)


def breaking(root: Path, what: str) -> None:
    if what == "columns":
        write(root / "vision" / "b.csv", "timestamp,AU01_r,AU45_r", "0,1,1", "0.04,1,1")
    elif what == "names":
        write(root / "vision" / "b.csv", "timestamp,AU01_r,AU45_r,AU23_c", "0,1,1,1", "0.04,1,1,1")
    elif what == "size":
        np.save(root / "text" / "b.npy", np.zeros((2, 5)))
    elif what == "empty":
        write(root / "vision" / "b.csv", OPENFACE)
    elif what == "zero":
        (root / "vision" / "b.csv").write_bytes(b"")
    elif what == "truncated":
        path = root / "audio" / "a.mat"
        path.write_bytes(path.read_bytes()[:200])
    elif what == "two":
        np.save(root / "audio" / "a.npy", AUDIO)
    elif what == "twice":
        write_csd(root / "audio.csd", {"a": (np.ones((1, 2)), [[0, 1]])})
    elif what == "cell":
        write(root / "vision" / "b.csv", OPENFACE, "1, 0, 0, 1, 1, 0, ?, 0, 1", "2, 0, 0.04, 1, 1, 0, 1, 0, 1")
    elif what == "unknown":
        write(root / "vision" / "b.csv", "x,y", "1,2")
    elif what == "objects":
        np.save(root / "text" / "b.npy", np.array([{}], object), allow_pickle=True)
    elif what == "cube":
        np.save(root / "text" / "b.npy", np.zeros((1, 2, 4)))
    elif what == "strangers":
        for old in (root / "audio").iterdir():
            old.rename(old.with_stem("x" + old.stem))
    elif what == "words":
        write_csd(root / "said.csd", {"a": (np.array([[b"hi"]]), [[0, 1]])})
    elif what == "archive":
        (root / "text" / "b.npy").unlink()
        np.savez(root / "text" / "b.npz", x=np.zeros(3))
    elif what == "half":
        (root / "text" / "b.npy").unlink()
        np.savez(root / "text" / "b.npz", features=np.zeros((2, 4)))
        content = (root / "text" / "b.npz").read_bytes()
        (root / "text" / "b.npz").write_bytes(content[: len(content) // 2])
    elif what == "intervals":
        (root / "text" / "b.npy").unlink()
        np.savez(root / "text" / "b.npz", features=np.zeros((2, 4)), intervals=np.zeros((3, 2)))
    elif what == "raw":
        for name in ("text", "audio", "vision"):
            shutil.rmtree(root / name)


@pytest.mark.parametrize(
    ("what", "text", "hint"),
    [
        ("columns", r"b.csv' has 2 feature columns, '.*a.csv' has 3 \(only there: AU28_c\)", "one program"),
        ("names", r"b.csv' has other columns than '.*a.csv': only here: AU23_c; only there: AU28_c", "one program"),
        ("size", r"b.npy' has 5 feature columns, '.*a.npy' has 4", "two sub-folders"),
        ("empty", r"b.csv' has a header but no row", "take the file away"),
        ("zero", r"b.csv' is empty", "again"),
        ("truncated", r"a.mat' is truncated or damaged", "again"),
        ("two", r"has two files of 'a': a.mat, a.npy", "keep one"),
        ("twice", r"has 'audio' twice: audio, audio.csd", "keep one"),
        ("cell", r"b.csv', line 2, column 'AU01_r' holds '\?', which is no number", "leave the cell empty"),
        ("unknown", r"b.csv' has columns that are not known: x, y", "recognised are"),
        ("cube", r"b.npy' has shape \(1, 2, 4\)", "[frames, features]"),
        ("strangers", r"holds nothing of the clips in .*it has 'xa', the table 'a'", "name each file"),
        ("words", r"said.csd' holds words, not features", "embedding"),
        ("archive", r"b.npz' has no 'features', only: x", "np.savez"),
        ("half", r"b.npz' is truncated: its end is missing", "np.savez"),
        ("intervals", r"features \(2, 4\) and intervals \(3, 2\) do not agree", "one for each frame"),
        ("raw", r"has labels.csv but no modality", "md2n extract"),
    ],
)
def test_bad_files_are_named_with_the_next_step(tmp_path, what, text, hint):
    root = mixture(tmp_path / "mine")
    breaking(root, what)
    with pytest.raises(DataError, match=text) as caught:
        read(root)
    assert hint in caught.value.hint


def test_an_array_of_objects_is_not_opened(tmp_path):
    root = mixture(tmp_path / "mine")
    breaking(root, "objects")
    with pytest.raises(UnsafeFileError, match="Python objects"):
        read(root)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["name,y", "a,1"], "no column 'id'"),
        (["id,y", "a,1", "a,2"], "id 'a' is in lines 2 and 3"),
        (["id,recording,start_s", "a,f,1"], "column 'start_s' but no 'end_s'"),
        (["id,start_s,end_s", "a,1,2"], "no column 'recording'"),
        (["id,recording,start_s,end_s", "a,a,1,x"], "line 2: start_s '1' and end_s 'x' are no two numbers"),
        (["id,recording,start_s,end_s", "a,a,1,"], "line 2: start_s '1' and end_s '' are no two numbers"),
        (["id,recording,start_s,end_s", "a,a,2,1"], "line 2: the clip ends before it starts"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(tmp_path, lines, text):
    root = mixture(tmp_path / "mine")
    write(root / "labels.csv", *lines)
    with pytest.raises(DataError, match=text):
        read(root)


def test_options_that_name_nothing_are_refused(tmp_path):
    root = mixture(tmp_path / "mine")
    with pytest.raises(UsageError, match=r"no modality 'audi'\n.*did you mean 'audio'"):
        read(root, modalities=("audi",))
    with pytest.raises(UsageError, match="nothing to align to is called 'words'"):
        read(root, align="words")
    with pytest.raises(UsageError, match="no label column 'valence'"):
        read(root, label="valence")
    with pytest.raises(UsageError, match="no column 'fold'"):
        read(root, split="fold")


def test_a_column_without_a_value_is_left_out(tmp_path):
    root = mixture(tmp_path / "mine")
    write(root / "labels.csv", "id,room", "a,", "b,")
    samples = read(root)
    assert dict(samples.groups) == {}
    assert dict(samples.labels) == {}
    assert "column 'room' of labels.csv is empty and was left out" in samples.notes


def test_files_are_opened_once_per_recording(tmp_path, monkeypatch):
    root = tmp_path / "mine"
    (root / "audio").mkdir(parents=True)
    savemat(root / "audio" / "film.mat", {"features": np.ones((100, 3))})
    write(root / "labels.csv", "id,recording,start_s,end_s", *[f"c{i},film,{i / 10},{(i + 1) / 10}" for i in range(10)])
    import md2n.data.readers.clip_files as clip_files

    opened = []
    plain = clip_files.READ[".mat"]
    monkeypatch.setitem(clip_files.READ, ".mat", lambda path: opened.append(path) or plain(path))
    assert read(root).modalities["audio"].lengths.tolist() == [10] * 10
    assert len(opened) == 1
