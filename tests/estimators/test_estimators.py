"""Estimators in scikit-learn's ways: known cells stay, pickles answer the same, searches and pipelines run."""

import pickle
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from md2n.errors import DataError, UsageError
from md2n.sklearn import MD2NClassifier, MD2NImputer, MD2NRegressor
from md2n.sklearn.blocks import missing_together
from md2n.sklearn.imputer import first_component
from md2n.sklearn.training import QUICK_STEPS, Trained
from tests.estimators.conftest import NAMES, gappy

BLOCKS = {"acc": slice(0, 3), "hr": [3, 4]}
QUICK: dict[str, Any] = {"method": "modality_dropout", "epochs": 3}


@pytest.fixture(scope="module")
def classifier() -> MD2NClassifier:
    table, cause = gappy()
    return MD2NClassifier(BLOCKS, **QUICK | {"epochs": 12}).fit(table, np.where(cause > 0, "up", "down"))


@pytest.fixture(scope="module")
def imputer() -> MD2NImputer:
    return MD2NImputer(BLOCKS, method="regression_fill", epochs=1).fit(gappy()[0])


def test_a_classifier_tells_classes_by_any_modality(classifier: MD2NClassifier) -> None:
    table, cause = gappy(200, seed=1)
    assert classifier.columns_ == {"acc": (0, 1, 2), "hr": (3, 4)}
    assert classifier.classes_.tolist() == ["down", "up"]
    truth = np.where(cause > 0, "up", "down")
    for rows in (slice(0, None, 5), slice(1, None, 5)):  # without acc, without hr
        assert classifier.score(table[rows], truth[rows]) > 0.85
    probability = classifier.predict_proba(table)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    held = gappy()[1]
    np.testing.assert_allclose(probability[3], [np.mean(held <= 0), np.mean(held > 0)])  # it holds nothing


def test_a_pickled_and_a_joblib_copy_answer_the_same(classifier: MD2NClassifier, tmp_path: Any) -> None:
    table, _ = gappy(seed=2)
    joblib.dump(classifier, tmp_path / "c.joblib")
    for copy in (pickle.loads(pickle.dumps(classifier)), joblib.load(tmp_path / "c.joblib")):
        np.testing.assert_array_equal(copy.predict_proba(table), classifier.predict_proba(table))


def test_an_imputer_changes_no_known_cell_and_leaves_none_missing(imputer: MD2NImputer) -> None:
    table, cause = gappy(300, seed=3)
    filled, std = imputer.transform(table), imputer.std(table)
    known = np.isfinite(table)
    np.testing.assert_array_equal(filled[known], table[known])
    assert np.isfinite(filled).all()
    assert (std[known] == 0).all()
    rows = np.arange(300) % 5 == 1
    assert np.corrcoef(filled[rows, 3], cause[rows])[0, 1] > 0.95  # a whole modality, from the other
    assert abs(filled[4, 1] - cause[4]) < 0.7  # a cell, from those beside it
    assert std[4, 1] > 0
    np.testing.assert_allclose(filled[3], np.nanmean(gappy()[0], axis=0))  # a row that holds nothing


def test_a_regressor_answers_in_the_unit_of_its_label() -> None:
    table, cause = gappy(120)
    model = MD2NRegressor(BLOCKS, **QUICK | {"epochs": 12}).fit(table, 1000 + 50 * cause)
    new, truth = gappy(100, seed=5)
    assert model.score(new, 1000 + 50 * truth) > 0.7
    assert model.predict(new[3:4])[0] == pytest.approx(np.mean(1000 + 50 * cause))


def test_frames_give_modalities_by_prefix_and_names_back() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(gappy()[0], columns=list(NAMES), index=[f"r{i}" for i in range(80)])
    imputer = MD2NImputer(method="regression_fill", epochs=1).set_output(transform="pandas")
    filled = imputer.fit_transform(table)
    assert imputer.columns_ == {"acc": (0, 1, 2), "hr": (3, 4)}
    assert filled.columns.tolist() == list(NAMES)
    assert filled.index.tolist() == table.index.tolist()
    assert not filled.isna().any().any()
    polars = pytest.importorskip("polars")
    out = imputer.set_output(transform="polars").transform(polars.from_pandas(table))
    np.testing.assert_allclose(out.to_numpy(), filled.to_numpy(), rtol=1e-6)


def test_cells_may_hold_sequences() -> None:
    pandas = pytest.importorskip("pandas")
    table, cause = gappy(60)
    frame = pandas.DataFrame(table[:, :3], columns=list(NAMES[:3])).drop(index=3).reset_index(drop=True)
    causes = np.delete(cause, 3)
    frame["seq"] = [None if i % 5 == 1 else np.full((3, 2), c).tolist() for i, c in enumerate(causes)]
    wanted = {"acc": "acc_*", "seq": "seq"}
    model = MD2NClassifier(wanted, **QUICK).fit(frame, causes > 0)
    assert model.predict_proba(frame).shape == (59, 2)
    filled = MD2NImputer(wanted, method="regression_fill", epochs=1).fit_transform(frame)
    assert filled.columns.tolist() == frame.columns.tolist()
    assert np.isfinite(filled["seq"][1]).all()
    assert filled["seq"][0] == frame["seq"][0]


def test_searches_and_pipelines_run() -> None:
    table, cause = gappy(60)
    pipeline = make_pipeline(StandardScaler(), MD2NClassifier(BLOCKS, **QUICK))
    search = GridSearchCV(pipeline, {"md2nclassifier__method": ["zero_fill", "majority"]}, cv=2)
    search.fit(table, cause > 0)
    assert search.best_params_ == {"md2nclassifier__method": "zero_fill"}
    assert len(cross_val_score(MD2NRegressor(BLOCKS, **QUICK), table, cause, cv=2)) == 2


def test_the_same_random_state_gives_the_same_answers() -> None:
    table, cause = gappy(40)

    def answers(state: Any) -> np.ndarray:
        return MD2NRegressor(BLOCKS, **QUICK | {"epochs": 1}, random_state=state).fit(table, cause).predict(table)

    np.testing.assert_array_equal(answers(1), answers(1))
    np.testing.assert_array_equal(answers(np.random.RandomState(4)), answers(np.random.RandomState(4)))
    assert not np.allclose(answers(1), answers(2))


def test_what_cannot_be_meant_is_refused_by_name() -> None:
    table, cause = gappy(40)
    with pytest.raises(UsageError, match="takes no 'sample_weight'"):
        MD2NRegressor().fit(table, cause, sample_weight=np.ones(40))
    with pytest.raises(UsageError, match="'modality_dropout' does not recover"):
        MD2NImputer(method="modality_dropout").fit(table)
    with pytest.raises(UsageError, match="no model is called 'md2m'"):
        MD2NImputer(method="md2m").fit(table)
    with pytest.raises(UsageError, match="validation_fraction is 1"):
        MD2NRegressor(validation_fraction=1).fit(table, cause)
    with pytest.raises(UsageError, match="no setting is called 'widht'"):
        MD2NRegressor(settings={"widht": 3}).fit(table, cause)
    with pytest.raises(UsageError, match="no column 'x'"):
        MD2NRegressor({"a": ["x"], "b": [0]}).fit(table, cause)
    with pytest.raises(DataError, match="modality 'b' holds no usable number"):
        MD2NRegressor({"a": [0], "b": [1]}, epochs=1).fit(np.where(np.arange(5) == 1, np.nan, table), cause)
    with pytest.raises(ValueError, match="y contains NaN"):
        MD2NRegressor().fit(table, np.where(cause > 0, cause, np.nan))
    with pytest.raises(ValueError, match="infinity"):
        MD2NImputer().fit(np.where(table > 0, np.inf, table))
    with pytest.raises(ValueError, match="infinity"):
        arrow = pytest.importorskip("pyarrow")
        MD2NImputer().fit(arrow.table({f"a{k}": np.where(x > 0, np.inf, x) for k, x in enumerate(table.T)}))
    for nothing in (None, np.nan):
        with pytest.raises(ValueError, match="y contains None or NaN"):
            MD2NClassifier().fit(table, np.array([nothing, *["up"] * 39], object))
    with pytest.raises(NotFittedError):
        MD2NImputer().transform(table)


def test_columns_that_are_missing_together_are_a_modality() -> None:
    table, _ = gappy()
    table[4, 1] = 0
    assert missing_together(table) == {"block1": (0, 1, 2), "block2": (3, 4)}
    assert missing_together(np.ones((4, 5))) == {"block1": (0, 1), "block2": (2, 3, 4)}
    everywhere = np.where(np.eye(10, dtype=bool), np.nan, 1.0)  # ten columns, each missing by itself
    assert missing_together(everywhere) == {"block1": (0, 1, 2, 3, 4), "block2": (5, 6, 7, 8, 9)}


def test_the_first_component_is_that_of_the_standardised_numbers() -> None:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=200)
    table = cause[:, None] * np.array([1.0, -3.0, 100.0]) + rng.normal(size=(200, 3)) * [0.1, 0.3, 10]
    standard = (table - table.mean(axis=0)) / table.std(axis=0)
    scores = first_component({"a": table[:, :1], "b": [row[None, 1:] for row in table]}, 200)
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    np.testing.assert_allclose(np.abs(scores), np.abs(left[:, 0] * values[0]), rtol=1e-6)


def test_the_budget_grows_with_the_table_and_not_beyond_it() -> None:
    budget = Trained()._budget
    assert budget(32)["trainer.steps"] == 40
    assert budget(4999)["trainer.steps"] == QUICK_STEPS
    assert budget(100_000)["trainer.steps"] == 20 * QUICK_STEPS
    assert Trained(epochs=7)._budget(99) == {"trainer.epochs": 7}
