"""Modalities that are there and wrong: scores and ranks as defined, who is distrusted, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.errors import RunError, UsageError
from md2n.serve.fitting import samples_of, validation_set
from md2n.serve.inspecting import REFERENCE, Reference, fit_reference
from md2n.serve.predictor import Predictor
from tests.serve.games import Echo, ruled
from tests.serve.test_predictor import arrays

NAMES = "abcd"


def agreeing(names: str = NAMES, count: int = 200, seed: int = 0) -> dict[str, np.ndarray]:
    """Modalities that are one cause and a little noise each."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(count, 1))
    return {name: (cause + 0.1 * rng.normal(size=(count, 1))).astype(np.float32) for name in names}


def echo(names: str = NAMES, count: int = 200) -> Predictor:
    """Recovers by the mean of the others, with a reference of ``count`` samples."""
    predictor = ruled(names, lambda x, there: sum(x.values()) / sum(t.float() for t in there.values()), kind=Echo)
    samples = samples_of(agreeing(names, count, 1), np.zeros(count), splits=["valid"] * count)
    reference = fit_reference(predictor, validation_set(predictor, samples))
    predictor.measure = lambda model: reference
    return predictor


def with_wrong(names: str = NAMES) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Of sample i modality i % M is another sample's; and which."""
    data = agreeing(names, 60, 2)
    wrong = np.arange(60) % len(names)
    for i, k in enumerate(wrong):
        data[names[k]][i] += 3
    return data, wrong


def test_a_score_is_the_mean_squared_difference_in_deviations() -> None:
    data = {"a": np.ones((1, 1)), "b": np.full((1, 1), 4.0), "c": np.full((1, 1), 2.0)}
    answer = echo("abc").inspect(data)
    expected = [((1 - 3) / 0.5) ** 2, ((4 - 1.5) / 0.5) ** 2, ((2 - 2.5) / 0.5) ** 2]
    np.testing.assert_allclose(answer.score[0], expected, rtol=1e-6)


def test_a_deviation_has_a_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "deviation", 0.0)
    answer = echo("ab").inspect({"a": np.zeros((1, 1)), "b": np.ones((1, 1))})
    assert answer.score[0].tolist() == pytest.approx([100, 100])


def test_what_is_missing_or_alone_has_no_score() -> None:
    one = np.ones(1)
    answer = echo("abc").inspect({"a": [one, one], "b": [None, one], "c": [None, None]})
    assert np.isnan(answer.score).tolist() == [[True, True, True], [False, False, True]]
    assert np.isnan(answer.p).tolist() == np.isnan(answer.score).tolist()


def test_a_rank_counts_the_scores_as_high_beside_as_many_others() -> None:
    reference = Reference((((1.0, 2.0, 3.0), (10.0,)), ((), (5.0, 6.0)), ((), ())))
    assert [reference.rank(0, 1, x) for x in (0.0, 2.0, 2.5, 9.0)] == [1.0, 0.75, 0.5, 0.25]
    assert reference.rank(0, 2, 9.0) == 1.0
    assert reference.rank(1, 1, 9.0) == reference.rank(1, 2, 9.0) == 1 / 3  # of the other number, where there are none
    assert np.isnan(reference.rank(2, 1, 1.0))
    assert reference.times(0, 1, 6.0) == 3.0
    assert reference.finest == 1 / 2


def test_ranks_of_samples_like_the_validation_samples_are_uniform() -> None:
    p = echo(count=400).inspect(agreeing(count=400, seed=3)).p
    for level in (0.05, 0.2, 0.5):
        assert np.abs((p <= level).mean(axis=0) - level).max() < 0.09


def test_a_wrong_modality_has_a_higher_score_than_the_same_one_right() -> None:
    predictor, (data, wrong) = echo(), with_wrong()
    right = predictor.inspect(agreeing(count=60, seed=2)).score[np.arange(60), wrong]
    assert predictor.inspect(data).score[np.arange(60), wrong].min() > np.quantile(right, 0.95)


def test_the_wrong_one_is_distrusted_and_the_prediction_is_as_without_it() -> None:
    predictor, (data, wrong) = echo(), with_wrong()
    answer = predictor.predict(data, distrust=0.01)
    assert [name == NAMES[k] for name, k in zip(answer.distrusted, wrong)].count(True) >= 58
    first = {k: None if k == NAMES[wrong[0]] else x[:1] for k, x in data.items()}
    assert answer.output[0] == predictor.predict(first).output[0]
    assert answer.available[0] == "b+c+d"
    assert "samples have a modality that was distrusted and taken as missing" in answer.notes[-1]
    assert predictor.predict(data).distrusted == ()


def test_two_wrong_ones_leave_the_rest() -> None:
    data = agreeing("abcdef", 8, 4)
    data["b"] += 3
    data["e"] -= 5
    answer = echo("abcdef").predict(data, distrust=0.01)
    assert set(answer.distrusted) == {"b+e"}


def test_of_two_that_contradict_each_other_nothing_tells_which_is_wrong() -> None:
    answer = echo("ab").predict({"a": np.zeros((1, 1)), "b": np.full((1, 1), 9.0)}, distrust=0.01)
    assert answer.available == ("a+b",)
    assert answer.distrusted == ("",)


def test_a_modality_that_is_alone_is_kept() -> None:
    answer = echo("ab").predict({"a": np.full((1, 1), 99.0)}, distrust=0.5)
    assert answer.available == ("a",)


def test_a_level_finer_than_the_validation_samples_is_raised_and_said() -> None:
    predictor, (data, _) = echo(count=9), with_wrong()
    answer = predictor.predict(data, distrust=0.01)
    assert answer.notes[0] == "level 0.01 is finer than the validation samples allow: 0.1 was used"
    assert sum(map(bool, answer.distrusted)) > 50


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, float("nan")])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(UsageError, match="a level of"):
        echo("ab", 9).predict(agreeing("ab"), distrust=level)


def test_what_cannot_be_inspected_is_refused(dropout: Predictor, recovering: Predictor, digits) -> None:
    with pytest.raises(UsageError, match="does not recover modalities"):
        dropout.inspect(arrays(digits))
    parts = recovering.model, recovering.schema, recovering.normaliser
    with pytest.raises(UsageError, match="there are no validation samples to compare with"):
        Predictor(*parts).inspect(arrays(digits))


def test_a_run_is_measured_once_and_a_damaged_file_is_named(
    folder: Path, recovering: Predictor, digits, tmp_path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder / "digits-md2n", run, ignore=shutil.ignore_patterns(REFERENCE))
    data = arrays(digits)
    first = md2n.load(run).inspect(data)
    assert first.finest == 1 / 16  # fifteen validation digits
    before = (run / REFERENCE).read_bytes()
    other = md2n.load(run, seed=5)
    other.batch_size = 5
    again = other.inspect({k: x[::-1] for k, x in data.items()})
    np.testing.assert_allclose(again.score[::-1], first.score, rtol=1e-3)
    assert (run / REFERENCE).read_bytes() == before
    (run / REFERENCE).write_text('{"scores": [[]]}')
    with pytest.raises(RunError, match=r"inspection\.json.*\n.*delete"):
        md2n.load(run).inspect(data)
