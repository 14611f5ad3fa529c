"""One table in different forms has one answer; where that cannot be, it is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import md2n
from md2n.data.readers.wide_table import from_table
from md2n.errors import DataError, UsageError
from md2n.modality import Modality, Schema, Task
from md2n.serve.fitting import Evaluation
from md2n.serve.incoming import incoming
from md2n.serve.predictor import Predictor
from md2n.serve.tables import columns_among, require_std_names
from tests.cli.commands import ask, refused
from tests.serve.trained import quick

pandas = pytest.importorskip("pandas")
SENSORS = {"acc": ["acc_x", "acc_y"], "heart": ["hr", "steps"]}
N = 80


def table(**more: Any) -> Any:
    """Two sensors of one cause; a column of whole numbers without gaps; twenty videos of four clips."""
    cause = np.random.default_rng(0).normal(size=N)
    held = {"acc_x": cause, "acc_y": -2 * cause, "hr": 60 + cause, "steps": (100 * cause).astype(int)}
    held |= {"video": [f"v{i // 4}" for i in range(N)], "y": np.where(cause > 0, "up", "down")}
    return pandas.DataFrame({**held, **more})


@pytest.fixture(scope="module")
def model() -> Predictor:
    return md2n.fit(table(), "y", modalities=SENSORS, progress=False, **quick())


def test_a_column_in_another_place_than_in_training_is_refused(model: Predictor) -> None:
    own = from_table(table(), "y", modalities=SENSORS)
    np.testing.assert_allclose(model.predict(own).output, model.predict(table()).output, atol=1e-6)
    for other in ({**SENSORS, "acc": ["acc_y", "acc_x"]}, {"acc": ["acc_x", "hr"], "heart": ["acc_y", "steps"]}):
        with pytest.raises(DataError, match="in the data, but was number") as refusal:
            model.predict(from_table(table(), "y", modalities=other))
        assert "--modality acc=acc_x,acc_y" in refusal.value.hint
        with pytest.raises(DataError, match="in the data, but was number"):
            model.evaluate(from_table(table(), "y", modalities=other))
    renamed = from_table(table().rename(columns={"acc_x": "ax"}), "y", modalities={**SENSORS, "acc": ["ax", "acc_y"]})
    np.testing.assert_allclose(model.predict(renamed).output, model.predict(table()).output, atol=1e-6)


def test_numbered_columns_are_read_by_their_number() -> None:
    schema = Schema((Modality("acc", 12), Modality("hr", 2)), Task("regression", "y"))
    names = [*sorted(f"acc_{i}" for i in range(12)), "hr_b", "hr_a"]
    columns = columns_among(names, schema, {})
    assert columns == {"acc": tuple(f"acc_{i}" for i in range(12)), "hr": ("hr_b", "hr_a")}


def test_an_answer_goes_into_a_table_of_as_many_rows_only(model: Predictor) -> None:
    with pytest.raises(DataError, match="the table has 80 rows, 1 were answered"):
        model.predict(table()[1:2]).into(table())


def test_the_smallest_numbers_are_known_numbers(model: Predictor) -> None:
    held = table()
    held.loc[3, "acc_x"], held.loc[4, "hr"] = 1e-60, None
    filled = model.recover(held).into(held)
    assert filled["acc_x"][3] == 1e-60
    assert np.isfinite(filled["hr"][4])


def test_a_filled_column_of_whole_numbers_can_be_read_by_pandas(model: Predictor) -> None:
    arrow = pytest.importorskip("pyarrow")
    held = table()
    held["steps"] = held["steps"].astype("Int64")
    held.loc[3, "steps"] = pandas.NA
    whole = arrow.Table.from_pandas(held)
    back = model.recover(whole).into(whole).to_pandas()
    assert np.isfinite(back["steps"]).all()
    assert back["steps"].drop(3).tolist() == held["steps"].drop(3).tolist()
    assert back["video"].tolist() == held["video"].tolist()


def test_times_are_no_numbers(model: Predictor) -> None:
    days = pandas.date_range("2026-01-01", periods=N).astype("datetime64[ns]")
    held = table(when=days, lasted=days - days[0])
    assert set(from_table(held, "y").source["columns"]) == {"acc", "hr", "steps"}
    with pytest.raises(DataError, match="'acc_x' holds times"):
        model.predict(held.assign(acc_x=days))


def test_a_person_without_a_name_is_unknown_and_numbers_keep_theirs() -> None:
    schema = Schema((Modality("acc", 2), Modality("heart", 2)), Task("classification", "y", ("down", "up")))
    people = [None if i % 3 == 0 else float(i % 2 + 1) for i in range(N)]
    held = table(subject=people)
    samples, _ = incoming(held, None, schema, "subject", columns={k: tuple(v) for k, v in SENSORS.items()})
    read = from_table(held, "y", modalities=SENSORS, groups="subject")
    assert samples.groups["subject"].tolist() == read.groups["subject"].tolist()
    assert set(samples.groups["subject"]) == {"", "1", "2"}


def test_groups_given_beside_arrays_have_the_names_of_training() -> None:
    schema = Schema((Modality("acc", 2), Modality("heart", 2)), Task("classification", "y", ("down", "up")))
    arrays = {"acc": np.ones((3, 2)), "heart": np.ones((3, 2))}
    samples, _ = incoming(arrays, [None, 2.0, b"ann"], schema, "subject")
    assert samples.groups["subject"].tolist() == ["", "2", "ann"]


def test_no_modality_has_the_name_of_a_deviation() -> None:
    require_std_names(("acc", "hr_std"))
    with pytest.raises(DataError, match="the deviation of 'acc' would have the name of the modality 'acc_std'"):
        require_std_names(("acc", "hr", "acc_std"))


def test_conversations_of_a_table_are_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = md2n.fit(
        table(), "y", modalities=SENSORS, groups="video", method="gcnet", epochs=2, progress=False, out=tmp_path / "run"
    )
    expected = model.predict(from_table(table(), "y", modalities=SENSORS, groups="video")).output
    np.testing.assert_allclose(model.predict(table()).output, expected, atol=1e-5)
    alone = model.predict(table().drop(columns="video")).output
    assert np.abs(alone - expected).max() > 1e-3  # what is read of a conversation matters
    model.batch_size = 6
    np.testing.assert_allclose(model.predict(table()).output, expected, atol=1e-5)
    apart = np.argsort(np.arange(N) % 4, kind="stable")  # the first clip of every video, then the second, ...
    np.testing.assert_allclose(model.predict(table().iloc[apart]).output, expected[apart], atol=1e-5)
    pytest.importorskip("pyarrow")
    table().to_parquet(tmp_path / "t.parquet")
    data = "predict", tmp_path / "run", "--data", tmp_path / "t.parquet"
    refused(capsys, 3, "reads each video as a whole", *data, "--out", tmp_path / "parts", "--parts", "32")
    assert ask(capsys, *data, "--out", tmp_path / "p.parquet").code == 0
    written = pandas.read_parquet(tmp_path / "p.parquet")
    np.testing.assert_allclose(written[["p_down", "p_up"]].to_numpy(), expected, atol=1e-5)


def test_a_run_whose_data_were_in_memory_says_so_where_it_needs_them(tmp_path: Path) -> None:
    fitted = md2n.fit(table(), "y", modalities=SENSORS, progress=False, out=tmp_path / "run", **quick())
    assert fitted.inspect(table()).p.shape == (N, 2)
    with pytest.raises(DataError, match="its data 'table' are not here"):
        md2n.load(tmp_path / "run").inspect(table())


def test_a_number_of_draws_or_steps_is_positive(model: Predictor) -> None:
    with pytest.raises(UsageError, match="0 draws are none"):
        model.predict(table(), draws=0)
    with pytest.raises(UsageError, match="-3 steps are none"):
        model.recover(table(), steps=-3)


def test_the_mean_is_over_conditions_that_hide_something() -> None:
    measures = {
        name: {"accuracy": value} for name, value in {"inside=0": 1.0, "inside=0.1": 0.8, "rate=0": 1.0}.items()
    }
    assert Evaluation("inside", measures, dict.fromkeys(measures, 9), "accuracy").mean == pytest.approx(0.8)
