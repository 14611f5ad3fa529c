"""The one way in: names, paths, what is missing, and the data sets a training needs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.data import ready as module
from md2n.data.config import DataConfig
from md2n.data.ready import ENVIRONMENT, READY, data_root, describe, load, load_datasets, preferred_normalisation
from md2n.data.samples import LabelColumn, Ragged
from md2n.data.store import open_store, write_store
from md2n.errors import DataError, Md2nError, UsageError
from tests.data.sets import MOOD, assert_same, small

ROOT = data_root()
here = pytest.mark.skipif(ROOT is None, reason="the shared data are not here (MD2N_DATA_ROOT)")


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    """A data root with a made-up ``news3sources`` and ``ict_mmmo`` in it, and nothing else."""
    rng = np.random.default_rng(0)
    count = 24
    news = {f"x_{k}": rng.poisson(1.0, (count, 5)).astype(np.uint8) for k in ("bbc", "guardian", "reuters")}
    news["m_bbc"] = np.arange(count) % 3 != 0
    split = np.asarray([0, 0, 1, 2] * 6, np.uint8)
    ids = np.asarray([f"n{i}" for i in range(count)])
    (tmp_path / "data" / "news3sources").mkdir(parents=True)
    np.savez(tmp_path / "data" / "news3sources" / "data.npz", **news, y=np.arange(count) % 6, split=split, ids=ids)
    ict = {f"x_{k}": rng.normal(size=(count, 4, 2)).astype(np.float32) for k in ("audio", "vision", "text")}
    ict["m_text"] = np.roll(split, 1) > 0
    (tmp_path / "data" / "ict_mmmo").mkdir()
    np.savez(
        tmp_path / "data" / "ict_mmmo" / "data.npz",
        **ict,
        y=np.linspace(1, 5, count).astype(np.float32),
        split=split,
        split_resampled=np.roll(split, 1),
        ids=ids,
    )
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "data"))
    return tmp_path / "data"


# --- where -----------------------------------------------------------------------------------------------------------


def test_the_argument_goes_before_the_environment(root, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    assert data_root() == root
    assert data_root(str(other)) == other
    assert data_root(str(tmp_path / "nothing")) is None
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nothing"))
    assert data_root() is None  # a wrong name is not silently replaced by another place


def test_beside_the_project(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    source = tmp_path / "project" / "src" / "md2n" / "data" / "ready.py"
    monkeypatch.setattr(module, "__file__", str(source))
    assert data_root() is None
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_root() == tmp_path / "shared" / "data"


def test_what_there_is(root):
    told = {name: (summary, present) for name, summary, present in describe()}
    assert list(told) == list(READY)
    assert {name for name, (_, present) in told.items() if present} == {"digits", "news3sources", "ict_mmmo"}
    assert all(len(summary) > 20 and "\n" not in summary for summary, _ in told.values())


# --- by name ---------------------------------------------------------------------------------------------------------


def test_digits_need_no_root(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "/nowhere")
    assert load("digits").names == ("rows", "edges", "fourier", "moments")


def test_counts_prefer_logarithms_and_a_store_keeps_that(root, tmp_path):
    samples = load("news3sources")
    assert samples.name == "news3sources"
    assert samples.label().task.classes[0] == "business"
    assert samples.present[:, 0].sum() == 16
    stored = load(str(write_store(tmp_path / "store", samples)))
    for found in (samples, stored):
        assert preferred_normalisation(found, DataConfig()) == "log"
        assert preferred_normalisation(found, DataConfig(normalise="robust")) == "robust"
        normaliser = load_datasets(found, DataConfig()).normaliser
        assert normaliser.kind == "log"
        x = found.modalities["bbc"].values[:4].astype(np.float32)
        assert np.allclose(normaliser.invert("bbc", normaliser.apply("bbc", x)), x, atol=1e-4)
    assert preferred_normalisation(small(), DataConfig()) == "robust"


def test_an_alternative_split(root):
    default, named, original = (
        load("ict_mmmo", DataConfig("ict_mmmo", split=s)) for s in ("", "resampled", "original")
    )
    assert np.array_equal(default.split, named.split)
    assert np.array_equal(np.roll(original.split, 1), default.split)
    assert (default.label().task.low, default.label().task.high) == (1, 5)
    assert not default.label().task.sentiment


def test_modalities_in_the_order_asked_for(root):
    assert load("news3sources", DataConfig(modalities=("reuters", "bbc"))).names == ("reuters", "bbc")
    with pytest.raises(UsageError, match=r"has no modality 'bcb'\n.*did you mean 'bbc'"):
        load("news3sources", DataConfig(modalities=("bcb", "reuters")))


# --- by path ---------------------------------------------------------------------------------------------------------


def test_a_store_and_a_feature_file_by_their_paths(root, tmp_path):
    path = write_store(tmp_path / "store", small())
    assert_same(load(str(path)), small())
    assert load(str(path), DataConfig(modalities=("ecg", "text"))).names == ("ecg", "text")
    file = str(root / "ict_mmmo" / "data.npz")
    assert np.array_equal(load(file, DataConfig(split="split_resampled")).split, load("ict_mmmo").split)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "config", "error", "told"),
    [
        ("mosy", {}, DataError, r"'mosy' is neither a ready set nor a file or folder\n.*did you mean 'mosi'.*a store"),
        ("mosi", {}, DataError, r"the data of 'mosi' are not here: there is no 'mosi' in '.*data'\n.*MD2N_DATA_ROOT"),
        ("mosi", {"root": "/none"}, DataError, r"'mosi' are not here: there is no folder '/none'\n.*use 'digits'"),
        ("mfeat", {"split": "x"}, UsageError, r"'mfeat' has no split called 'x'\n.*it has one split"),
        ("digits", {"split": "x"}, UsageError, r"'digits' has no split called 'x'\n.*it has one split"),
        ("ict_mmmo", {"split": "orignal"}, UsageError, r"no split called 'orignal'\n.*did you mean 'original'"),
    ],
)
def test_refusals(root, name, config, error, told):
    with pytest.raises(error, match=told):
        load(name, DataConfig(name, **config))


def test_a_store_has_one_split(tmp_path):
    path = write_store(tmp_path / "store", small())
    with pytest.raises(UsageError, match=r"is a store, which has one split\n.*leave data.split = 'original' out"):
        load(str(path), DataConfig(split="original"))


def test_without_any_root(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "project" / "src" / "md2n" / "data" / "ready.py"))
    with pytest.raises(DataError, match=r"the data of 'mosi' are not here\n.*holds 'mosi'"):
        load("mosi")


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("news3sources", lambda f: (f / "data.npz").write_bytes((f / "data.npz").read_bytes()[:200]), "is truncated"),
        ("news3sources", lambda f: (f / "data.npz").unlink(), r"data.npz' does not exist"),
        ("mosi", lambda f: f.mkdir(), r"labels.csv' does not exist"),
    ],
)
def test_damaged_sets(root, name, damage, told):
    damage(root / name)
    with pytest.raises(DataError, match=told):
        load(name)


# --- the data sets of a training -------------------------------------------------------------------------------------


def test_datasets_put_it_together():
    samples = small()
    samples = samples.select(np.flatnonzero(samples.present.any(axis=1)))
    data = load_datasets(samples, DataConfig(label="mood", limit=3))
    assert data.schema == replace(samples.schema("mood"), task=replace(MOOD, counts=(7, 4, 4)))
    assert (data.normaliser.group, data.normaliser.limit, data.normaliser.kind) == ("person", 3, "robust")
    for split in ("train", "valid", "test"):
        assert np.array_equal(data.split(split).rows, samples.rows(split))
        assert data.split(split).normaliser is data.normaliser
    assert load_datasets(samples, DataConfig(group="")).normaliser.group == ""
    assert load_datasets(samples, DataConfig(group="room")).normaliser.group == "room"
    given = load_datasets(samples, DataConfig(), data.normaliser)
    assert given.normaliser is data.normaliser
    with pytest.raises(UsageError, match=r"no split is called 'dev'"):
        data.split("dev")


def without(samples, name: str, rows: np.ndarray):
    r = samples.modalities[name]
    arrays = [None if rows[i] else r.sample(i) for i in range(len(samples))]
    return replace(samples, modalities=samples.modalities | {name: Ragged.from_arrays(arrays, dim=r.dim)})


def relabelled(samples, name: str, row: int, value: float):
    column = samples.labels[name]
    values = column.values.copy()
    values[row] = value
    return replace(samples, labels=samples.labels | {name: LabelColumn(values, column.task)})


@pytest.mark.parametrize(
    ("change", "config", "error", "told"),
    [
        (lambda s: replace(s, split=np.full(30, 2, np.uint8)), {}, DataError, "no rows in the split 'train'"),
        (
            lambda s: replace(s, split=np.where(s.split == 1, 0, s.split).astype(np.uint8)),
            {},
            DataError,
            "split 'valid'",
        ),
        (
            lambda s: without(s, "ecg", s.split == 0),
            {},
            DataError,
            r"modality 'ecg' is in no training sample of 'small' \(all absent, or all NaN\)\n.*modalities=\['text'\]",
        ),
        (
            lambda s: without(s, "ecg", np.arange(30) == 4),
            {},
            DataError,
            r"1 samples of 'small' have no modality at all \(clip-4\)",
        ),
        (lambda s: s, {"label": "moo"}, UsageError, r"'small' has no label column 'moo'\n.*did you mean 'mood'"),
        (lambda s: s, {"group": "persn"}, UsageError, r"'small' has no group column 'persn'"),
        (lambda s: s, {"modalities": ()}, None, ""),
        (
            lambda s: relabelled(s, "score", 2, 4),
            {},
            DataError,
            r"1 labels 'score' of 'small' lie outside the declared range \[-3, 3\]: 4 \(first: clip-2\)",
        ),
        (lambda s: relabelled(s, "score", 2, 3.000001), {}, None, ""),
        (lambda s: relabelled(s, "free", 2, 1e9), {"label": "free"}, None, ""),
        (
            lambda s: relabelled(s, "mood", 2, 3),
            {"label": "mood"},
            DataError,
            r"lie outside the 3 classes 0 to 2: 3 \(first: clip-2\)\n.*correct the labels",
        ),
        (
            lambda s: replace(s, labels={"score": replace(s.labels["score"], values=np.full(30, np.nan, np.float32))}),
            {},
            DataError,
            r"no label 'score' is known in the split 'train' of 'small'\n.*there are: score",
        ),
    ],
)
def test_data_that_cannot_be_trained_on(change, config, error, told):
    samples = small()
    # Each of these lacks one modality by itself, so that only the change under test leaves a sample without any.
    samples = replace(
        samples,
        modalities={
            "text": Ragged.from_arrays([np.ones((2, 2)) * i if i % 4 else None for i in range(30)]),
            "ecg": Ragged.from_arrays([np.ones((1, 3)) * i for i in range(30)]),
        },
    )
    samples = change(samples)
    if error is None:
        assert len(load_datasets(samples, DataConfig(**config)).train)
        return
    with pytest.raises(error, match=told) as caught:
        load_datasets(samples, DataConfig(**config))
    assert isinstance(caught.value, Md2nError)
    assert caught.value.hint


# --- the sets themselves ---------------------------------------------------------------------------------------------

FACTS = {
    "mosi": (2199, {"text": 768, "audio": 73}, (1284, 229, 686), "robust", ""),
    "mosi_clean": (752, {"text": 768, "audio": 73, "vision": 100}, (467, 100, 185), "robust", ""),
    "ict_mmmo": (340, {"audio": 74, "vision": 36, "text": 300}, (274, 18, 48), "robust", ""),
    "ravdess_av": (360, {"audio": 67, "face_au": 42, "face_emo": 14}, (225, 45, 90), "robust", "actor"),
    "stressid": (455, {"ecg": 46, "eda": 24, "resp": 62, "face": 84, "voice": 140}, (315, 42, 98), "robust", "subject"),
    "news3sources": (359, {"bbc": 3560, "guardian": 3631, "reuters": 3068}, (215, 36, 108), "log", ""),
    "mfeat": (
        2000,
        {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47},
        (1400, 200, 400),
        "robust",
        "",
    ),
    "cremad_ratings": (7442, {"voice": 12, "face": 12, "av": 12}, (4263, 731, 2448), "robust", ""),
    "beijing_air": (
        17164,
        {"pm10": 1, "so2": 1, "no2": 1, "co": 1, "o3": 1, "weather": 6},
        (10351, 1654, 5159),
        "robust",
        "",
    ),
    "extrasensory": (
        25829,
        {"acc": 26, "gyro": 26, "mag": 31, "watch": 46, "loc": 13, "audio": 28, "phone": 19},
        (15093, 2269, 8467),
        "robust",
        "",
    ),
}


@here
@pytest.mark.parametrize("name", FACTS)
def test_the_set_is_what_its_description_says(name):
    count, dims, splits, kind, group = FACTS[name]
    samples = load(name)
    assert samples.name == name
    assert len(samples) == count
    assert {m.name: m.dim for m in samples.schema().modalities} == dims
    assert tuple(len(samples.rows(s)) for s in ("train", "valid", "test")) == splits
    data = load_datasets(samples, DataConfig(name))
    assert (data.normaliser.kind, data.normaliser.group) == (kind, group)
    batch = data.test.batch(np.arange(len(data.test)))
    for feature in dims:
        x = batch.features[feature][batch.valid[feature]]
        assert x.isfinite().all()
        assert x.abs().max() <= 10
        # Bulk within a few units, and hardly anything at the limit.
        assert x.abs().mean() < 2
        assert (x.abs() >= 10).float().mean() < 0.005


@here
def test_the_leak_of_mosi_is_told_where_it_is():
    leaks = {
        (n, m): any(note.startswith("LEAK") for note in load(n, DataConfig(n, modalities=m)).notes)
        for n, m in (("mosi", ()), ("mosi", ("text", "audio", "vision")), ("mosi_clean", ()))
    }
    assert leaks == {
        ("mosi", ()): False,
        ("mosi", ("text", "audio", "vision")): True,
        ("mosi_clean", ()): False,
    }


@here
def test_natural_gaps_are_as_they_are():
    stress = load("stressid").present
    assert int(stress.all(axis=1).sum()) == 370
    assert stress[:, :3].sum(axis=0).tolist() == [455, 454, 455]
    ict = load("ict_mmmo")
    assert int(ict.present[:, 2].sum()) == 120
    original = load("ict_mmmo", DataConfig("ict_mmmo", split="original"))
    assert not original.present[original.rows("train"), 2].any()
    with pytest.raises(DataError, match="modality 'text' is in no training sample"):
        load_datasets(original, DataConfig())
    news = load("news3sources").present
    assert int(news.all(axis=1).sum()) == 165
    assert (~news).sum(axis=0).tolist() == [43, 70, 81]


@here
def test_people_are_not_in_two_splits():
    for name, column in (("ravdess_av", "actor"), ("stressid", "subject"), ("mosi", "video"), ("mosi_clean", "video")):
        samples = load(name)
        members = [set(samples.groups[column][samples.rows(s)]) for s in ("train", "valid", "test")]
        assert not members[0] & members[1]
        assert not (members[0] | members[1]) & members[2]


@here
def test_a_ready_set_goes_through_a_store(tmp_path):
    samples = load("ravdess_av")
    assert_same(open_store(write_store(tmp_path / "store", samples)), samples)
