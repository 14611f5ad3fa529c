"""New data: zeros at the ends as they were in training, one clip that looks like many, tables instead of arrays."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.detect import read
from md2n.data.store import open_store, write_store
from md2n.errors import DataError, RunError
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import LoadedRun, load_run, run_evaluation, run_training
from md2n.serve.predictor import Predictor
from tests.data.tables import ArrowLike, PandasLike, PolarsLike
from tests.serve.trained import settings

TIME = 6
DIMS = {"text": 3, "audio": 4}


def splits(seed: int, *, front: bool = False, zeros: bool = True) -> dict:
    """An MMSA file's content: sequences of two to six frames, filled up with zeros, and one sample without audio."""
    rng = np.random.default_rng(seed)
    content = {}
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        lengths = rng.integers(2, TIME, count) if zeros else np.full(count, TIME)
        part = {"id": [f"{split}{i}" for i in range(count)], "regression_labels": rng.uniform(-1, 1, count)}
        for name, dim in DIMS.items():
            cube = np.zeros((count, TIME, dim), np.float32)
            for i, n in enumerate(lengths):
                cube[i, TIME - n if front else 0 :][:n] = rng.normal(5, 1, (n, dim))
            part[name] = cube
        if zeros:
            part["audio"][0] = 0
        content[split] = part
    return content


def run_on(source: Path, folder: Path, model: str = "modality_dropout") -> Path:
    return run_training(resolve("default", settings(model), data=str(source), model=model), folder)


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("zeros") / "set.pkl"
    file.write_bytes(pickle.dumps(splits(0)))
    return file


@pytest.fixture(scope="module")
def padded(pickled: Path) -> Predictor:
    """Trained on a file whose zeros are padding."""
    return md2n.load(run_on(pickled, pickled.parent / "run"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Trained on arrays whose zeros are measurements."""
    content = splits(0)
    features = {k: np.concatenate([p[k] for p in content.values()]) for k in DIMS}
    words = [s for s, p in content.items() for _ in p["id"]]
    labels = np.concatenate([p["regression_labels"] for p in content.values()])
    folder = tmp_path_factory.mktemp("measured")
    return md2n.load(run_on(write_store(folder / "store", from_arrays(features, labels, splits=words)), folder / "run"))


def features(content: Mapping[str, Mapping[str, np.ndarray]], split: str = "test") -> dict[str, np.ndarray]:
    return {k: content[split][k] for k in DIMS}


@pytest.mark.parametrize("front", [False, True])
def test_arrays_are_taken_as_the_file_they_are_from(padded: Predictor, tmp_path, front: bool) -> None:
    content = splits(1, front=front)
    file = tmp_path / "set.pkl"
    file.write_bytes(pickle.dumps(content))
    read_back = read(file)
    from_file = padded.predict(read_back.select(read_back.rows("test")))
    assert from_file.notes == ()
    arrays = features(content)
    flagged = from_arrays(arrays, valid={k: x.any(axis=2) for k, x in arrays.items()})
    for data in (arrays, {k: list(x) for k, x in arrays.items()}, from_arrays(arrays)):
        answer = padded.predict(data)
        assert np.array_equal(answer.output, from_file.output)
        assert answer.available == from_file.available
        assert answer.available[0] == "text"
        assert len(answer.notes) == 2
        assert all("were taken for padding, as in the training data" in note for note in answer.notes)
        assert "'audio': " in answer.notes[1]
        assert "samples (1 of them hold nothing else)" in answer.notes[1]
    assert np.array_equal(padded.predict(flagged).output, from_file.output)
    assert padded.predict(flagged).notes == ()


def test_zeros_between_frames_are_measurements_everywhere(padded: Predictor) -> None:
    arrays = {k: np.full((2, 4, d), 5, np.float32) for k, d in DIMS.items()}
    arrays["audio"][:, 1] = 0
    answer = padded.predict(arrays, check_units=False)
    assert answer.notes == ()
    arrays["audio"][:, 1] = np.nan
    assert not np.array_equal(answer.output, padded.predict(arrays).output)


def test_zeros_that_were_measurements_stay_so_and_are_counted(measured: Predictor) -> None:
    arrays = features(splits(1))
    answer = measured.predict(arrays)
    ends = int((~arrays["text"].any(axis=2)).sum())
    assert answer.notes[0] == (
        f"'text': {ends} frames of zeros alone at the start or end of 8 samples were taken for measurements; "
        "as in the training data"
    )
    assert set(answer.available) == {"text+audio"}
    gaps = {k: np.where(x.any(axis=2)[..., None], x, np.nan) for k, x in arrays.items()}
    assert measured.predict(gaps).notes == ()
    assert not np.array_equal(measured.predict(gaps).output, answer.output)


def test_a_file_that_took_zeros_for_padding_is_told_of_where_training_did_not(measured: Predictor, pickled) -> None:
    answer = measured.predict(read(pickled))
    assert answer.notes == tuple(
        f"'{k}': zeros at the ends are padding in these data, but were measurements in training" for k in DIMS
    )


def test_zeros_are_counted_where_training_met_none(tmp_path, dropout: Predictor, digits) -> None:
    rows = np.array(digits.modalities["rows"].values[: 2 * 8], np.float32).reshape(2, 8, 8)
    rows[0, 7], rows[1, 0] = 0, 0
    edges = np.array(digits.modalities["edges"].values[:2])
    edges[1] = 0
    notes = dropout.predict({"rows": rows, "edges": edges}).notes
    assert "'rows': 2 frames of zeros alone at the start or end of 2 samples were taken for measurements" in notes[0]
    assert "'edges': 1 samples of zeros alone were taken for measurements; give NaN or None" in notes[1]


def test_recovery_takes_zeros_in_the_same_way(pickled, tmp_path) -> None:
    predictor = md2n.load(run_on(pickled, tmp_path / "run", "regression_fill"))
    arrays = features(splits(1))
    recovered = predictor.recover(arrays)
    assert recovered.was_given["audio"].tolist() == [False] + [True] * 7
    assert np.array_equal(recovered.features["text"][1], arrays["text"][1][arrays["text"][1].any(axis=1)])
    assert all("were taken for padding" in note for note in recovered.notes)
    assert len(recovered.notes) == 2


def archived(content: Mapping[str, Mapping[str, np.ndarray]], file: Path) -> Path:
    """The same as a ``data.npz``, with zeros in place and nothing said of them."""
    whole = {f"x_{k}": np.concatenate([p[k] for p in content.values()]) for k in DIMS}
    labels = np.concatenate([p["regression_labels"] for p in content.values()])
    codes = np.repeat([0, 1, 2], [len(p["id"]) for p in content.values()])
    ids = [i for p in content.values() for i in p["id"]]
    np.savez(file, y_regression_labels=labels, split=codes, ids=ids, **whole)
    return file


def test_evaluation_takes_zeros_in_the_same_way(pickled, padded, tmp_path) -> None:
    content = splits(3)
    file = tmp_path / "set.pkl"
    file.write_bytes(pickle.dumps(content))
    loaded = load_run(pickled.parent / "run")
    notes: list[str] = []

    def measured(run: LoadedRun, data: Path) -> list[tuple[str, str, float]]:
        rows = run_evaluation(run, protocols=("fixed",), data=str(data), notice=notes.append)
        return [(r.condition, r.metric, r.value) for r in rows]

    from_pickle = measured(loaded, file)
    assert not any("as in the training data" in note for note in notes)
    task = replace(loaded.schema.task, label="y_regression_labels")
    renamed = replace(loaded, schema=replace(loaded.schema, task=task))
    assert measured(renamed, archived(content, tmp_path / "set.npz")) == from_pickle
    assert sum("taken for padding, as in the training data" in note for note in notes) == 2
    content["test"]["text"][0] = 0  # nor has it audio
    with pytest.raises(DataError, match=r"1 samples of 'none' hold no modality at all \(first: test0\)"):
        measured(renamed, archived(content, tmp_path / "none.npz"))


def test_a_store_remembers_what_zeros_were(pickled, padded: Predictor, tmp_path) -> None:
    stored = open_store(write_store(tmp_path / "store", read(pickled)))
    assert stored.source["zeros"] == {"text": "padding", "audio": "padding"}
    assert md2n.load(run_on(tmp_path / "store", tmp_path / "run")).zeros == padded.zeros == stored.source["zeros"]


def test_a_run_that_says_nonsense_of_zeros_is_refused(pickled, tmp_path) -> None:
    run = run_on(pickled, tmp_path / "run")
    facts = json.loads((run / "run.json").read_text())
    for strange in (3, {"text": "nothing"}, ["text"]):
        (run / "run.json").write_text(json.dumps({**facts, "data": {**facts["data"], "zeros": strange}}))
        with pytest.raises(RunError, match="does not say what zeros were in training"):
            md2n.load(run)
    del facts["data"]["zeros"]  # as older runs are
    (run / "run.json").write_text(json.dumps(facts))
    assert md2n.load(run).zeros == {}


# --- one clip --------------------------------------------------------------------------------------------------------


def test_one_clip_is_not_taken_for_many_samples(padded: Predictor, dropout: Predictor, digits) -> None:
    clip = {k: np.full((5, d), 5, np.float32) for k, d in DIMS.items()}
    ambiguous = r"modality 'text' has 5 rows: that may be one clip of 5 frames, or 5 samples of one\n.*give \[text\]"
    for wrap in (np.asarray, np.ndarray.tolist, list, PandasLike.of):
        with pytest.raises(DataError, match=ambiguous):
            padded.predict({k: wrap(x) for k, x in clip.items()})
    # What the hint says works, both ways.
    assert padded.predict({k: [x] for k, x in clip.items()}).output.shape == (1,)
    assert padded.predict({k: x[:, None] for k, x in clip.items()}).output.shape == (5,)
    # One row is one sample either way, and other modalities may tell.
    assert padded.predict({k: x[:1] for k, x in clip.items()}).output.shape == (1,)
    assert padded.predict({"text": clip["text"], "audio": [None, *clip["audio"][1:, None]]}).output.shape == (5,)
    edges = np.array(digits.modalities["edges"].values[:8])
    rows = np.array(digits.modalities["rows"].values[:8])
    assert dropout.predict({"rows": rows, "edges": edges}).output.shape == (8, 10)
    with pytest.raises(DataError, match="modality 'rows' has 8 rows: that may be one clip of 8 frames"):
        dropout.predict({"rows": rows, "edges": edges[:1]})


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PandasLike, PolarsLike, ArrowLike])
def test_tables_serve_as_vectors(dropout: Predictor, digits, kind) -> None:
    vectors = {k: np.array(digits.modalities[k].values[:5], np.float32) for k in ("edges", "fourier")}
    answer = dropout.predict({k: kind.of(x) for k, x in vectors.items()})
    assert np.array_equal(answer.output, dropout.predict(vectors).output)
    gaps = vectors["edges"].copy()
    gaps[2] = np.nan
    assert dropout.predict({**vectors, "edges": kind.of(gaps)}).available[2] == "fourier"


def test_what_is_no_array_is_refused_by_what_it_is(dropout: Predictor, digits) -> None:
    edges = np.array(digits.modalities["edges"].values[:3])
    words = PandasLike({"id": np.array(["a", "b", "c"], object), "x": np.arange(3.0)})
    for message, value in (
        ("modality 'edges' is a table whose column 'id' holds no numbers but 'a'", words),
        ("modality 'edges' is a single value, 3.0", np.float64(3)),
        ("modality 'edges' is a set, not an array", {1, 2}),
        ("modality 'edges' is a str, not an array", "features.npy"),
    ):
        with pytest.raises(DataError, match=message):
            dropout.predict({"edges": value})
    shuffled = PandasLike.of(edges, index=[2, 0, 1])
    with pytest.raises(DataError, match="rows of modality 'edges' and modality 'fourier' are not the same: 2, 0, 1"):
        dropout.predict({"edges": shuffled, "fourier": PandasLike.of(np.ones((3, 40)), index=[0, 2, 1])})


def test_an_empty_array_is_as_good_as_none(dropout: Predictor, digits) -> None:
    edges = np.array(digits.modalities["edges"].values[:3])
    answer = dropout.predict({"edges": edges, "rows": np.array([])})
    assert np.array_equal(answer.output, dropout.predict({"edges": edges}).output)
    with pytest.raises(DataError, match="no modality holds any data"):
        dropout.predict({"rows": np.array([])})


def test_samples_with_zeros_from_another_reader(padded: Predictor) -> None:
    samples = from_arrays(features(splits(2)))
    assert samples.source["zeros"] == {"text": "measurement", "audio": "measurement"}
    unknown = replace(samples, source={})
    assert np.array_equal(padded.predict(samples).output, padded.predict(unknown).output)
