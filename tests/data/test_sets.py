"""What the ready sets change while reading, on made files; and that the real ones are read so, where they are here."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.config import DataConfig
from md2n.data.ready import ENVIRONMENT, data_root, load, load_datasets
from md2n.data.samples import Samples
from md2n.data.sets import CONTEXT, FOLDS, GASES, PARTICLES, WORN
from md2n.errors import UsageError

ROOT = data_root()
here = pytest.mark.skipif(
    ROOT is None or not (ROOT / "extrasensory").is_dir(), reason="the shared data are not here (MD2N_DATA_ROOT)"
)
HOURS, DAYS, PEOPLE = 24, 12, 10


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root of made-up sets in the layouts of the real ones."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    for name, arrays in (("beijing_air", air()), ("extrasensory", phones()), ("cremad_ratings", ratings())):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "data.npz", **arrays)
    return tmp_path


def air() -> dict[str, np.ndarray]:
    """Days 0 to 11 of two stations; no gas before 03:00 on day 1, one bad hour on day 2, none of co on day 3."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name in (*GASES, "weather"):
        valid = np.ones((DAYS, HOURS), bool)
        if name != "weather":
            valid[1, :3] = False
        valid[2, 10] = False
        valid[3] = name != "co"
        x = rng.uniform(-20, 40, (DAYS, HOURS, 6)) if name == "weather" else rng.gamma(2, 50, (DAYS, HOURS, 1))
        arrays |= {f"x_{name}": (x * valid[..., None]).astype(np.float16), f"t_{name}": valid}
        arrays[f"m_{name}"] = valid.any(axis=1)
    day = np.arange(DAYS, dtype=np.int16)
    return arrays | {
        "y": (day % 6).astype(np.uint8),
        "y_log_pm25": np.linspace(2, 5, DAYS).astype(np.float32),
        "y_next_day": np.where(day == 5, -1, day % 6).astype(np.int8),
        "split": np.repeat(np.array([0, 1, 2], np.uint8), DAYS // 3),
        "station": (day % 2).astype(np.uint8),
        "day": day,
        "block": (day // 4).astype(np.uint8),
        "ids": np.array([f"d{i}" for i in day]),
    }


def phones() -> dict[str, np.ndarray]:
    """Ten people in five folds, four minutes each; values of either sign over six orders of magnitude."""
    rng = np.random.default_rng(1)
    count = 4 * PEOPLE
    subject = np.repeat(np.arange(PEOPLE, dtype=np.uint8), 4)
    arrays = {f"x_{name}": (rng.normal(size=(count, 3)) * [1e-3, 1, 1e3]).astype(np.float16) for name in WORN}
    arrays |= {"x_phone": rng.integers(0, 2, (count, 4)).astype(np.float16)}
    arrays |= {f"m_{name}": np.arange(count) % 4 != k % 4 for k, name in enumerate((*WORN, "phone"))}
    arrays |= {"y_home": (np.arange(count) % 3 - 1).astype(np.int8)}
    return arrays | {
        "y": (np.arange(count) % 5).astype(np.uint8),
        "y_posture6": (np.arange(count) % 6).astype(np.uint8),
        "y_phone_position": (np.arange(count) % 5 - 1).astype(np.int8),
        "clock": np.eye(8, dtype=np.uint8)[np.arange(count) % 8],
        "subject": subject,
        "fold": (subject % FOLDS).astype(np.uint8),
        "split": np.select([subject < 6, subject < 8], [0, 1], 2).astype(np.uint8),
        "ids": np.array([f"m{i}" for i in range(count)]),
    }


def ratings() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    code = np.arange(30)
    votes = {f"x_{name}": rng.dirichlet(np.ones(12), 30).astype(np.float32) for name in ("voice", "face", "av")}
    raters = {f"raters_{name}": np.full(30, 10, np.uint8) for name in ("voice", "face", "av")}
    people = {"actor": (1001 + code // 5).astype(np.int16), "sex": (code % 2).astype(np.uint8)}
    split = np.repeat(np.array([0, 1, 2], np.uint8), 10)
    return votes | raters | people | {"y": code % 6, "split": split, "ids": np.array([f"c{i}" for i in code])}


def raw(root: Path, name: str, key: str) -> np.ndarray:
    with np.load(root / name / "data.npz") as archive:
        return np.asarray(archive[key], np.float64)


# --- beijing_air -----------------------------------------------------------------------------------------------------


def test_every_hour_is_in_its_place(root: Path) -> None:
    samples = load("beijing_air")
    for name, ragged in samples.modalities.items():
        hours = raw(root, "beijing_air", f"t_{name}").astype(bool)
        held = hours.any(axis=1)
        assert ragged.present.tolist() == held.tolist()
        assert ragged.lengths.tolist() == (HOURS * held).tolist()
        assert np.array_equal(ragged.valid.reshape(-1, HOURS), hours[held])
    assert not samples.present[3, samples.names.index("co")]
    # A batch holds a row's hours at the same places in all modalities, also where a day begins with bad ones.
    batch = load_datasets(samples, DataConfig("beijing_air")).train.batch(np.array([1]))
    assert batch.valid["so2"][0].tolist() == [False] * 3 + [True] * 21
    assert batch.valid["weather"][0].all()


def test_gases_are_logarithms_and_the_weather_is_not(root: Path) -> None:
    samples = load("beijing_air")
    for name, ragged in samples.modalities.items():
        hours = raw(root, "beijing_air", f"t_{name}").astype(bool)
        x = raw(root, "beijing_air", f"x_{name}")[hours]
        # float16 would keep three digits of a logarithm.
        assert ragged.values.dtype == (np.float16 if name == "weather" else np.float32)
        expected = x if name == "weather" else np.log1p(x)
        assert np.allclose(ragged.values[ragged.valid], expected, rtol=1e-6, atol=0)
        assert not ragged.values[~ragged.valid].any()


def test_the_level_its_logarithm_and_the_next_day_are_labels(root: Path) -> None:
    samples = load("beijing_air")
    assert list(samples.labels) == [task.label for task in PARTICLES.values()] == ["level", "log_pm25", "next_day"]
    assert samples.label().task.classes[-1] == "above 250"
    assert samples.label("next_day").values[5] == -1
    assert samples.label("log_pm25").values.tolist() == raw(root, "beijing_air", "y_log_pm25").tolist()
    data = load_datasets(samples, DataConfig("beijing_air", label="log_pm25"))
    assert data.schema.task.kind == "regression"
    assert list(samples.groups) == ["block", "station", "day"]
    assert "zeros" not in samples.source


# --- extrasensory ----------------------------------------------------------------------------------------------------


def test_worn_sensors_have_signed_logarithms(root: Path) -> None:
    samples = load("extrasensory")
    for name, ragged in samples.modalities.items():
        x = raw(root, "extrasensory", f"x_{name}")[raw(root, "extrasensory", f"m_{name}") == 1]
        values = ragged.values.astype(np.float64)
        if name == "phone":
            assert np.array_equal(values, x)
            continue
        assert ragged.values.dtype == np.float32
        assert np.array_equal(np.sign(values), np.sign(x))
        assert np.allclose(np.sign(values) * np.expm1(np.abs(values)), x, rtol=1e-5)
        assert np.allclose(values[:, 0], x[:, 0], rtol=1e-2)  # the identity near zero
        assert np.array_equal(np.argsort(values[:, 2], kind="stable"), np.argsort(x[:, 2], kind="stable"))


def test_four_labels_and_no_clock(root: Path) -> None:
    samples = load("extrasensory")
    assert samples.names == (*WORN, "phone")
    assert "clock" in samples.source["left_out"]
    assert list(samples.labels) == [task.label for task in CONTEXT.values()]
    assert samples.label().task.label == "posture"
    for key, task in CONTEXT.items():
        assert samples.label(task.label).values.tolist() == raw(root, "extrasensory", key).tolist()
        assert samples.label(task.label).values.max() < len(task.classes)
    assert list(samples.groups) == ["subject"]


def people(samples: Samples, split: str) -> set[str]:
    return set(samples.groups["subject"][samples.rows(split)].tolist())


def test_five_folds_test_everybody_once(root: Path) -> None:
    folds = [load("extrasensory", DataConfig(split=f"fold{k}")) for k in range(FOLDS)]
    fold_of = {str(s): str(s % FOLDS) for s in range(PEOPLE)}
    for k, samples in enumerate(folds):
        train, valid, test = (people(samples, split) for split in ("train", "valid", "test"))
        assert {fold_of[s] for s in test} == {str(k)}
        assert {fold_of[s] for s in valid} == {str((k + 1) % FOLDS)}
        assert train == set(fold_of) - test - valid
        assert samples.source["split"] == f"fold{k}"
    assert sum(len(samples.rows("test")) for samples in folds) == len(folds[0])
    default, named = load("extrasensory"), load("extrasensory", DataConfig(split="people"))
    assert default.split.tolist() == named.split.tolist() == raw(root, "extrasensory", "split").tolist()
    with pytest.raises(UsageError, match=r"no split called 'fold5'\n.*did you mean 'fold"):
        load("extrasensory", DataConfig(split="fold5"))


# --- cremad_ratings --------------------------------------------------------------------------------------------------


def test_ratings_are_read_as_they_are(root: Path) -> None:
    samples = load("cremad_ratings")
    assert samples.names == ("voice", "face", "av")
    assert np.array_equal(samples.modalities["av"].values, raw(root, "cremad_ratings", "x_av").astype(np.float32))
    assert (list(samples.labels), list(samples.groups)) == (["emotion"], ["actor"])
    assert any("third view" in note for note in samples.notes)


# --- the real ones ---------------------------------------------------------------------------------------------------


@here
@pytest.mark.parametrize("name", ["cremad_ratings", "beijing_air", "extrasensory"])
def test_real_splits_keep_groups_whole(name: str) -> None:
    column = {"cremad_ratings": "actor", "beijing_air": "block", "extrasensory": "subject"}[name]
    counts = {"cremad_ratings": (52, 9, 30), "beijing_air": (63, 10, 32), "extrasensory": (17, 4, 9)}[name]
    samples = load(name)
    members = [set(samples.groups[column][samples.rows(s)].tolist()) for s in ("train", "valid", "test")]
    assert tuple(map(len, members)) == counts
    assert len(set.union(*members)) == sum(counts)


@here
def test_every_fold_of_real_people_can_be_trained_on() -> None:
    tested = 0
    for k in range(FOLDS):
        config = DataConfig("extrasensory", split=f"fold{k}")
        samples = load("extrasensory", config)
        assert [len(people(samples, s)) for s in ("train", "valid", "test")] == [18, 6, 6]
        tested += len(load_datasets(samples, config).test)
    assert tested == 25829
