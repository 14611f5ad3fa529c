"""``md2n.load``: every way to say what is missing, the same answers, own units, and refusals by name."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import md2n
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import open_store, write_store
from md2n.errors import DataError, DivergenceError, RunError, UsageError
from md2n.modality import Task
from md2n.serve.predictor import Predictor
from tests.serve.trained import people

NAMES = ("rows", "edges", "fourier", "moments")


def arrays(samples: Samples, rows: slice = slice(0, 12)) -> dict[str, np.ndarray]:
    """The digits as people have them: ``[N, T, d]`` and ``[N, d]``."""
    count = range(len(samples))[rows]
    cubes = {k: np.stack([samples.modalities[k].sample(i) for i in count]) for k in samples.names}
    return {k: x if k == "rows" else x[:, 0] for k, x in cubes.items()}


@pytest.fixture
def given(digits: Samples) -> dict[str, np.ndarray]:
    return arrays(digits)


def same(one: object, two: object) -> bool:
    return all(np.array_equal(getattr(one, k), getattr(two, k)) for k in ("output", "std", "available"))


# --- ways to say what is there ---------------------------------------------------------------------------------------


def test_a_store_arrays_and_lists_give_the_same_bits(dropout: Predictor, digits: Samples, tmp_path) -> None:
    rows = np.arange(12)
    x = arrays(digits)
    lists = {k: list(v) for k, v in x.items()}
    plain = {k: v.tolist() for k, v in x.items()}
    stored = open_store(write_store(tmp_path / "store", digits.select(rows)))
    answer = dropout.predict(x)
    assert answer.output.shape == (12, 10)
    assert np.allclose(answer.output.sum(axis=1), 1, atol=1e-5)
    for other in (lists, plain, stored, digits.select(rows), {k: torch.from_numpy(v) for k, v in x.items()}):
        assert same(answer, dropout.predict(other))
    assert dropout.predict(stored).ids.tolist() == digits.ids[:12].tolist()
    assert answer.ids.tolist() == [str(i) for i in range(12)]
    assert [str(w) for w in answer.labels] == [answer.classes[i] for i in answer.output.argmax(axis=1)]


def test_every_way_to_say_missing_gives_the_same_bits(dropout: Predictor, given: dict) -> None:
    nan = np.full_like(given["rows"], np.nan)
    left_out = {k: x for k, x in given.items() if k != "rows"}
    answer = dropout.predict(left_out)
    assert set(answer.available) == {"edges+fourier+moments"}
    ways = (None, [None] * 12, nan, list(nan), np.zeros((12, 0, 8)), [np.zeros((0, 8))] * 12, [[]] * 12)
    for missing in ways:
        assert same(answer, dropout.predict({**given, "rows": missing}))
    assert not np.array_equal(answer.output, dropout.predict(given).output)


def test_samples_may_miss_different_modalities(dropout: Predictor, given: dict) -> None:
    mixed = {k: [None if (i + j) % 3 == 0 else x[i] for i in range(12)] for j, (k, x) in enumerate(given.items())}
    answer = dropout.predict(mixed)
    for i in range(12):
        there = [k for k in NAMES if mixed[k][i] is not None]
        assert answer.available[i] == "+".join(there)
        alone = dropout.predict({k: mixed[k][i : i + 1] for k in there})
        assert np.allclose(answer.output[i], alone.output[0], atol=1e-5)


def test_ragged_sequences_and_frames_without_a_face(dropout: Predictor, given: dict) -> None:
    ragged = [x[: 3 + i % 5] for i, x in enumerate(given["rows"])]
    one = dropout.predict({"rows": ragged})
    padded = np.full((12, 9, 8), np.nan, np.float32)
    for i, x in enumerate(ragged):
        padded[i, : len(x)] = x
    assert np.allclose(one.output, dropout.predict({"rows": padded}).output, atol=1e-6)
    longer = dropout.predict({"rows": np.concatenate([given["rows"]] * 3, axis=1)})
    assert np.isfinite(longer.output).all()


def test_labels_of_other_names_do_not_stand_in_the_way(dropout: Predictor, digits: Samples) -> None:
    some = digits.select(np.arange(5))
    other = {"age": LabelColumn(np.zeros(5, np.float32), Task("regression", "age"))}
    assert same(dropout.predict(some), dropout.predict(replace(some, labels=other, default_label="age")))
    assert same(dropout.predict(some), dropout.predict(replace(some, labels={}, default_label="")))


# --- the same answers ------------------------------------------------------------------------------------------------


def test_predictions_do_not_depend_on_the_other_rows(dropout: Predictor, given: dict) -> None:
    whole = dropout.predict(given).output
    order = np.asarray([7, 2, 11, 0])
    some = dropout.predict({k: x[order] for k, x in given.items()}).output
    assert np.allclose(some, whole[order], atol=1e-5)
    small = Predictor(dropout.model, dropout.schema, dropout.normaliser, batch_size=5, certainty=dropout.certainty)
    assert np.allclose(small.predict(given).output, whole, atol=1e-5)


def test_a_seed_fixes_predictions_and_recoveries(folder, recovering: Predictor, given: dict) -> None:
    given.pop("rows")
    one, again = (recovering.predict(given, draws=3) for _ in range(2))
    assert same(one, again)
    assert (one.std > 0).any()
    first, second = (recovering.recover(given) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first.features["rows"], second.features["rows"]))
    assert all(np.array_equal(a, b) for a, b in zip(first.std["rows"], second.std["rows"]))
    other = Predictor(recovering.model, recovering.schema, recovering.normaliser, seed=1)
    assert not np.array_equal(one.std, other.predict(given, draws=3).std)
    # A calibrated recovery draws neither its estimate nor its deviation.
    third = other.recover(given)
    assert all(np.array_equal(a, b) for a, b in zip(first.features["rows"], third.features["rows"]))
    assert all(np.array_equal(a, b) for a, b in zip(first.std["rows"], third.std["rows"]))


def stds(predictor: Predictor, data: dict | Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, their standard deviation, and the first column of what is recovered of ``rows``."""
    answer, back = predictor.predict(data), predictor.recover(data)
    assert answer.std is not None
    return answer.output, answer.std, np.stack([x[:, 0] for x in back.features["rows"]])


@pytest.mark.parametrize("known", ["ids", "arrays"])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_draws_are_a_samples_own(recovering: Predictor, digits: Samples, known: str, batch_size: int) -> None:
    """In any batch, order and subset: by its id in a data set, by what it holds in arrays, which bring no ids."""
    some = digits.select(np.arange(12))
    hidden = replace(some, modalities={k: r for k, r in some.modalities.items() if k != "rows"})
    order = np.asarray([7, 2, 11, 0, 9, 10, 1, 3])

    def part(rows: np.ndarray) -> dict | Samples:
        return hidden.select(rows) if known == "ids" else {k: x[rows] for k, x in arrays(hidden).items()}

    parts = recovering.model, recovering.schema, recovering.normaliser
    other = Predictor(*parts, batch_size=batch_size, certainty=recovering.certainty)
    for whole, chosen in zip(stds(recovering, part(np.arange(12))), stds(other, part(order))):
        np.testing.assert_allclose(chosen, whole[order], rtol=1e-4, atol=1e-6)


def test_a_method_that_draws_tells_a_spread_unasked_and_predicts_the_same(recovering: Predictor, given: dict) -> None:
    given.pop("rows")
    unasked, single = recovering.predict(given), recovering.predict(given, draws=1)
    assert (unasked.std > 0).all()
    assert np.array_equal(unasked.std, recovering.predict(given, draws=8).std)
    assert np.array_equal(unasked.output, single.output)  # to the bit: both are the one-step estimate's
    assert single.std is None


def test_a_method_that_draws_nothing_tells_no_spread(dropout: Predictor, given: dict) -> None:
    assert dropout.predict(given).std is None
    assert dropout.predict(given, draws=5).std is None


def test_nothing_missing_has_no_spread(recovering: Predictor, given: dict) -> None:
    assert not recovering.predict(given, draws=3).std.any()


# --- recovery --------------------------------------------------------------------------------------------------------


def test_recovery_gives_back_what_was_given_to_the_bit_and_fills_the_rest(recovering: Predictor, given: dict) -> None:
    data = {k: [None if (i + j) % 4 == 0 else x[i] for i in range(12)] for j, (k, x) in enumerate(given.items())}
    recovered = recovering.recover(data)
    for k in NAMES:
        assert recovered.was_given[k].tolist() == [x is not None for x in data[k]]
        for i, x in enumerate(data[k]):
            value, std = recovered.features[k][i], recovered.std[k][i]
            assert value.shape == std.shape == np.atleast_2d(given[k][i]).shape
            if x is not None:
                assert np.array_equal(value, np.atleast_2d(x))
                assert not std.any()
            else:
                assert np.isfinite(value).all()
                # Zero only where all matched training samples agree, as on the dark border of an image.
                assert (std >= 0).all()
                assert (std > 0).mean() > 0.6, (std > 0).mean()
    filled = recovered.samples
    assert filled.present.all()
    assert filled.source["recovered_from"] == "data"
    assert "3 of 12 'rows' recovered by MD2N" in filled.notes


def test_recovered_features_are_in_their_own_units(recovering: Predictor, digits: Samples) -> None:
    """Pixels lie in 0..1, Fourier magnitudes in 0..4: an untrained decoder still answers near their means."""
    x = arrays(digits, slice(0, 40))
    for name in ("fourier", "moments"):
        recovered = recovering.recover({k: v for k, v in x.items() if k != name})
        mean = np.concatenate(recovered.features[name]).mean(axis=0)
        scale = recovering.normaliser.train[name].scale
        assert np.all(np.abs(mean - x[name].mean(axis=0)) < 3 * scale)
        assert np.corrcoef(mean, x[name].mean(axis=0))[0, 1] > 0.5


def test_what_was_given_comes_back_to_the_bit_and_the_rest_is_filled(recovering: Predictor, given: dict) -> None:
    rows = given["rows"].copy()
    rows[:, 3] = np.nan  # whole frames
    rows[2:, 5, 2] = np.nan  # single numbers
    rows[0, 0, 1] = np.inf
    edges = given["edges"].copy()
    edges[1:4, :2] = np.nan
    recovered = recovering.recover({"rows": rows, "edges": edges})
    truth = {"rows": rows, "edges": edges[:, None]}
    for name, x in truth.items():
        for i in range(12):
            value, known = recovered.features[name][i], np.isfinite(x[i])
            assert np.array_equal(value[known], x[i][known])
            assert np.array_equal(recovered.known[name][i], known)
            assert np.isfinite(value).all()
            assert not recovered.std[name][i][known].any()
            assert (recovered.std[name][i][~known] > 0).all()
    assert "107 single numbers of 'rows' recovered from the others" in recovered.samples.notes
    assert recovered.samples.modalities["rows"].cells is None
    # Better than the training mean, which is what zeros are.
    scale, mean = recovering.normaliser.train["rows"].scale, recovering.normaliser.train["rows"].centre
    gap = ~np.isfinite(rows)
    filled = np.stack(recovered.features["rows"])
    error = ((filled - given["rows"]) / scale)[gap]
    assert np.square(error).mean() < 0.8 * np.square(((mean - given["rows"]) / scale)[gap]).mean()


def test_a_recovered_sequence_is_as_long_as_its_sample(grouped: Predictor) -> None:
    samples = people(seed=5)
    recovered = grouped.recover(samples)
    audio = samples.modalities["audio"]
    for i in range(len(samples)):
        assert len(recovered.features["video"][i]) == audio.lengths[i]
    alone = grouped.recover({"pulse": [np.zeros(4)]}, groups=["ann"])
    assert alone.features["audio"][0].shape == (6, 3)
    assert alone.features["video"][0].shape == (6, 2)
    long = grouped.recover({"audio": [np.ones((40, 3))]}, groups=["ann"], check_units=False)
    assert long.features["video"][0].shape == (6, 2)
    assert long.features["audio"][0].shape == (40, 3)


def test_an_invalid_frame_inside_does_not_shorten_what_is_recovered(grouped: Predictor) -> None:
    audio = np.ones((1, 5, 3), np.float32)
    audio[0, 2] = np.nan
    recovered = grouped.recover({"audio": audio}, groups=["ann"])
    assert recovered.features["video"][0].shape == (5, 2)


def test_a_recovered_store_can_be_predicted_on(recovering: Predictor, digits: Samples, tmp_path) -> None:
    some = digits.select(np.arange(6))
    hidden = {k: r if k != "rows" else None for k, r in some.modalities.items()}
    recovered = recovering.recover(
        {k: None if r is None else [r.sample(i) for i in range(6)] for k, r in hidden.items()}
    )
    stored = open_store(write_store(tmp_path / "filled", recovered.samples))
    assert set(recovering.predict(stored).available) == {"rows+edges+fourier+moments"}


# --- groups ----------------------------------------------------------------------------------------------------------


def shifted(samples: Samples, who: str, by: float) -> Samples:
    """New people, who rest at another level."""
    modalities = {
        k: replace(r, values=np.where(r.values == 0, 0, r.values + np.float32(by)))
        for k, r in samples.modalities.items()
    }
    return replace(samples, modalities=modalities, groups={"subject": np.char.add(who, samples.groups["subject"])})


def test_new_people_are_normalised_by_themselves(grouped: Predictor) -> None:
    """A person's resting level is taken out: the answer is the same wherever it lies."""
    samples = people(seed=7)
    one = grouped.predict(shifted(samples, "new-", 0))
    two = grouped.predict(shifted(samples, "new-", 9))
    assert np.allclose(one.output, two.output, atol=1e-3)
    assert one.notes == ()


def test_groups_may_be_given_apart(grouped: Predictor) -> None:
    samples = shifted(people(seed=7), "new-", 0)
    x = {k: [r.sample(i) if len(r.sample(i)) else None for i in range(90)] for k, r in samples.modalities.items()}
    who = samples.groups["subject"]
    # Arrays bring no ids, so their draws are others; what is predicted takes none.
    assert np.array_equal(grouped.predict(samples).output, grouped.predict(x, groups=list(who)).output)
    assert same(grouped.predict(samples), grouped.predict(replace(samples, groups={}), groups=list(who)))


def test_recovered_features_lie_at_the_persons_own_level(grouped: Predictor) -> None:
    samples = people(seed=7)
    hidden = replace(samples, modalities={**samples.modalities, "pulse": Ragged.from_arrays([None] * 90, dim=4)})
    # Their own pulse is known from other recordings: the training rows hold these three people.
    recovered = grouped.recover(hidden)
    for person, level in (("ann", 50), ("bob", -20), ("cyd", 0)):
        mean = np.mean([recovered.features["pulse"][i] for i in np.flatnonzero(samples.groups["subject"] == person)])
        assert mean == pytest.approx(level, abs=3)


def test_a_note_says_so_where_groups_are_not_known(grouped: Predictor, dropout: Predictor, given: dict) -> None:
    samples = people(seed=7)
    without = grouped.predict(replace(samples, groups={}))
    assert len(without.notes) == 1
    assert "do not say which subject a sample is from" in without.notes[0]
    assert np.isfinite(without.output).all()
    few = {k: [r.sample(i) if len(r.sample(i)) else None for i in (1, 2)] for k, r in samples.modalities.items()}
    alone = grouped.predict({"pulse": few["pulse"]}, groups=["dee", "eve"])
    assert "subject dee, eve has too few frames" in alone.notes[0]
    assert "those given are not used" in dropout.predict(given, groups=["a"] * 12).notes[0]
    assert grouped.recover(replace(samples, groups={})).notes == without.notes


# --- refusals --------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_by_name(dropout: Predictor, given: dict) -> None:
    few = {k: x[:3] for k, x in given.items()}
    cases = (
        (r"knows no modality 'row'\n.*did you mean 'rows'", {"row": given["rows"]}),
        (r"modality 'edges' has 40 features, the model was trained on 48", {"edges": given["fourier"]}),
        (r"different numbers of samples \(rows: 12, edges: 3\)", {"rows": given["rows"], "edges": few["edges"]}),
        (r"different numbers of samples \(rows: 2, edges: 3\)", {"rows": [None, None], "edges": few["edges"]}),
        (r"no modality holds any data\n.*rows, edges, fourier, moments", {}),
        (r"no modality holds any data", {"rows": None}),
        (r"there are no samples", {"rows": np.zeros((0, 8, 8))}),
        (r"there are no samples", {"rows": []}),
        (r"1 of 3 samples hold no modality at all \(first: 1\)", {"edges": [few["edges"][0], None, few["edges"][2]]}),
        (r"3 of 3 samples hold no modality at all", {"edges": np.full((3, 48), np.nan)}),
        (
            r"modality 'edges' has up to 2 frames per sample, the model was trained on vectors",
            {"edges": np.ones((3, 2, 48))},
        ),
        (r"modality 'rows': feature sizes differ between samples: 7, 8", {"rows": [np.ones((2, 8)), np.ones((2, 7))]}),
        (r"modality 'rows': features have shape \(3, 2, 2, 8\)", {"rows": np.ones((3, 2, 2, 8))}),
        (r"modality 'edges': the array holds values of dtype <U1", {"edges": np.full((3, 48), "x")}),
        (r"modality 'edges' cannot be read as numbers", {"edges": [[[1, 2], [3]]]}),
    )
    for text, data in cases:
        with pytest.raises(DataError, match=text):
            dropout.predict(data)
    with pytest.raises(UsageError, match="2 groups were given for 12 samples"):
        dropout.predict(given, groups=["a", "b"])


@pytest.mark.parametrize("name", NAMES)
def test_foreign_units_are_refused_unless_told_otherwise(dropout: Predictor, given: dict, name: str) -> None:
    foreign = {**given, name: given[name] * 1000}
    with pytest.raises(DataError, match=rf"of the values of modality '{name}' lie far outside .*\n.*check_units=False"):
        dropout.predict(foreign)
    assert np.isfinite(dropout.predict(foreign, check_units=False).output).all()


def test_foreign_units_are_seen_through_a_persons_own_scale(grouped: Predictor) -> None:
    samples = people(seed=7)
    audio = samples.modalities["audio"]
    foreign = replace(samples, modalities={**samples.modalities, "audio": replace(audio, values=audio.values * 1000)})
    foreign = replace(foreign, groups={"subject": np.char.add("new-", foreign.groups["subject"])})
    with pytest.raises(DataError, match="modality 'audio' lie far outside"):
        grouped.predict(foreign)
    with pytest.raises(DataError, match="modality 'audio' lie far outside"):
        grouped.recover(foreign)


def test_a_method_that_recovers_nothing_says_so(dropout: Predictor, given: dict) -> None:
    with pytest.raises(UsageError, match=r"does not recover modalities\n.*train 'md2n'"):
        dropout.recover(given)


def test_what_is_no_finished_run_is_refused(tmp_path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        md2n.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"has no run\.json"):
        md2n.load(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number_is_an_error(recovering: Predictor, given: dict, monkeypatch, value: float) -> None:
    """Whatever it came of: here the way back to the data's units leaves the numbers there are."""
    predict, recover = type(recovering.model).predict, type(recovering.model).recover

    def poisoned(method, *parts):
        def spoilt(self, batch, *arguments, **options):
            said = method(self, batch, *arguments, **options)
            for part in parts:
                held = getattr(said, part)
                (held["rows"] if isinstance(held, dict) else held)[1] = value
            return said

        return spoilt

    monkeypatch.setattr(type(recovering.model), "predict", poisoned(predict, "output"))
    with pytest.raises(DivergenceError, match=r"the prediction of sample '1' is not a finite number\n.*train again"):
        recovering.predict(given)
    monkeypatch.setattr(type(recovering.model), "recover", poisoned(recover, "features", "std"))
    with pytest.raises(DivergenceError, match=r"the recovered 'rows' of sample '1' is not a finite number"):
        recovering.recover({k: v for k, v in given.items() if k != "rows"})
