"""From arrays to a predictor in one call: the same numbers as the commands give."""

from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.data.samples import Samples
from md2n.data.store import write_store
from md2n.errors import ConfigError, DataError, RunError, UsageError
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.serve.fitting import Evaluation, samples_of
from md2n.serve.predictor import Predictor
from tests.experiment.made import made

SMALL = {
    "epochs": 2,
    "model.latent.length": 4,
    "model.latent.width": 8,
    "model.transformer.layers": 1,
    "model.transformer.width": 16,
    "progress": False,
}
rng = np.random.default_rng(0)
CAUSE = rng.normal(size=(80, 2))
ARRAYS = {"a": CAUSE @ rng.normal(size=(2, 5)), "b": CAUSE @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(80, 4))}
LABELS = np.where(CAUSE[:, 0] > 0, "high", "low")


def fitted(data, label="", **options) -> Predictor:
    return md2n.fit(data, label, method="modality_dropout", **{**SMALL, **options})


def test_arrays_are_learned_and_measured_on_rows_that_took_no_part() -> None:
    model = fitted(ARRAYS, LABELS, epochs=30)
    result = model.evaluate(ARRAYS, LABELS)
    assert list(result.measures) == ["a", "b", "complete"]
    assert result.mean == pytest.approx(np.mean([result.measures[k]["accuracy"] for k in ("a", "b")]))
    assert result.mean > 0.8
    assert result.counts["complete"] == 12  # 15 % of 80
    assert "accuracy, mean of incomplete" in repr(result)
    splits = samples_of(ARRAYS, LABELS).split
    assert np.bincount(splits).tolist() == [56, 12, 12]
    assert np.array_equal(samples_of(ARRAYS, LABELS).split, splits)


def test_the_commands_give_the_same_numbers(tmp_path: Path) -> None:
    samples = made()
    store = write_store(tmp_path / "store", samples)
    config = resolve(None, ["trainer.epochs=2"], data=str(store), model="modality_dropout")
    run = run_training(config, tmp_path / "run")
    rows = {(r.condition, r.metric): r.value for r in run_evaluation(run, ["fixed"])}
    for data in (samples, str(store), store):
        result = md2n.fit(data, method="modality_dropout", epochs=2, progress=False).evaluate(data)
        assert {(c, m): v for c, ms in result.measures.items() for m, v in ms.items()} == pytest.approx(rows)


def test_a_folder_kept_from_a_store_is_measured_on_that_store(tmp_path: Path) -> None:
    store = write_store(tmp_path / "of-another-name", made())
    model = fitted(store, out=tmp_path / "run")
    rows = {r.condition: r.value for r in run_evaluation(tmp_path / "run", ["fixed"]) if r.metric == "accuracy"}
    assert rows == {name: pytest.approx(m["accuracy"]) for name, m in model.evaluate(store).measures.items()}


def test_a_folder_is_kept_and_refuses_other_data(tmp_path: Path) -> None:
    out = tmp_path / "run"
    one = fitted(ARRAYS, LABELS, out=out)
    again = fitted(ARRAYS, LABELS, out=out)
    assert np.array_equal(one.predict(ARRAYS).output, again.predict(ARRAYS).output)
    assert np.array_equal(md2n.load(out).predict(ARRAYS).output, one.predict(ARRAYS).output)
    with pytest.raises(RunError, match="data"):
        fitted(ARRAYS | {"a": ARRAYS["a"] + 1}, LABELS, out=out)


def test_people_stay_on_one_side() -> None:
    samples = samples_of(ARRAYS, LABELS, groups={"subject": [f"p{i // 8}" for i in range(80)]})
    people = samples.groups["subject"]
    assert all(len(set(samples.split[people == p].tolist())) == 1 for p in set(people.tolist()))


@pytest.mark.parametrize("protocol", ["fixed", "random", "inside"])
def test_every_protocol(protocol: str) -> None:
    result = fitted(ARRAYS, LABELS).evaluate(ARRAYS, LABELS, protocol=protocol)
    assert isinstance(result, Evaluation)
    assert 0 <= result.mean <= 1


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(UsageError, match=r"no setting is called 'epoch'\n.*did you mean 'epochs'"):
        fitted(ARRAYS, LABELS, epoch=3)
    with pytest.raises(UsageError, match=r"several settings are called 'width'\n.*model.fusion.latent.width"):
        md2n.fit(ARRAYS, LABELS, width=3)
    with pytest.raises(ConfigError, match=r"trainer.epochs"):
        fitted(ARRAYS, LABELS, epochs=0)
    with pytest.raises(UsageError, match=r"arrays come without labels"):
        fitted(ARRAYS)
    with pytest.raises(UsageError, match=r"belong to arrays"):
        fitted(made(), splits=["train"] * 90)
    with pytest.raises(UsageError, match="no protocol is called 'fixe'"):
        fitted(ARRAYS, LABELS).evaluate(ARRAYS, LABELS, protocol="fixe")
    with pytest.raises(DataError, match="counts differ"):
        fitted(ARRAYS, LABELS[:-1])


def test_what_the_package_offers() -> None:
    names = [md2n.MD2N.__name__, md2n.DuplexProcess.__name__, md2n.Schema.__name__]
    assert names == ["MD2N", "DuplexProcess", "Schema"]
    assert isinstance(samples_of("digits"), Samples)
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        _ = md2n.fits
