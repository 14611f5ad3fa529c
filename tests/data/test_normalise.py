"""Laws of normalisation: the way there and back, whose rows count, what cannot spoil a scale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from md2n.data.normalise import KINDS, MOST, Affine, Normaliser
from md2n.data.samples import Ragged, Samples
from md2n.errors import DataError, UsageError
from md2n.seeding import numpy_generator
from tests.data.sets import small

PEOPLE = ("ann", "bob", "cyd")


def made(seed: int = 0, count: int = 60, counts: bool = False) -> Samples:
    """Sequences and vectors of three people with resting levels and ranges of their own."""
    rng = numpy_generator(seed, "normalise")
    who = np.asarray([PEOPLE[i % 3] for i in range(count)])
    level = {"ann": 100.0, "bob": -40.0, "cyd": 3.0}
    span = {"ann": 20.0, "bob": 0.1, "cyd": 1.0}

    def values(i: int, shape: tuple[int, int]) -> np.ndarray:
        x = rng.normal(size=shape) * span[who[i]] + level[who[i]]
        return (np.abs(x) if counts else x).astype(np.float32)

    return Samples(
        name="made",
        modalities={
            "video": Ragged.from_arrays([values(i, (1 + i % 4, 3)) for i in range(count)]),
            "pulse": Ragged.from_arrays([None if i % 7 == 0 else values(i, (1, 2)) for i in range(count)]),
        },
        labels={},
        split=np.repeat(np.asarray([0, 1, 2], np.uint8), count // 3),
        ids=np.asarray([f"s{i}" for i in range(count)]),
        groups={"subject": who},
    )


def changed(samples: Samples, rows: np.ndarray, value: float) -> Samples:
    """The same samples with other features in some rows."""
    modalities = {}
    for name, ragged in samples.modalities.items():
        values = ragged.values.copy()
        for i in rows:
            values[ragged.offsets[i] : ragged.offsets[i + 1]] = value
        modalities[name] = replace(ragged, values=values)
    return replace(samples, modalities=modalities)


def frames_of(samples: Samples, name: str, rows: np.ndarray) -> np.ndarray:
    ragged = samples.modalities[name]
    return np.concatenate([ragged.sample(i) for i in rows.tolist()])


# --- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "subject"])
@pytest.mark.parametrize("kind", KINDS)
def test_inverting_gives_back_what_is_inside_the_limit(kind, group):
    samples = made(counts=kind == "log")
    normaliser = Normaliser.fit(samples, samples.rows("train"), group, kind, limit=5)
    for name, ragged in samples.modalities.items():
        for i in range(len(samples)):
            for member in (str(samples.groups["subject"][i]), None, "stranger"):
                x = ragged.sample(i)
                z = normaliser.apply(name, x, member)
                back = normaliser.invert(name, z, member)
                inside = np.abs(z) < 5 if kind != "none" else np.ones(z.shape, bool)
                assert np.allclose(back[inside], x[inside], rtol=1e-4, atol=1e-4)
                assert z.dtype == back.dtype == np.float32


@settings(max_examples=40, deadline=None)
@given(centre=st.floats(-1e6, 1e6), power=st.integers(-12, 12), seed=st.integers(0, 10**6))
def test_any_unit_gives_the_same_numbers(centre, power, seed):
    x = numpy_generator(seed, "unit").normal(size=(50, 2)).astype(np.float32)
    plain = Affine.fit(x, "robust").apply(x)
    scaled = (x * np.float32(10.0**power)).astype(np.float32)
    assert np.allclose(Affine.fit(scaled, "robust").apply(scaled), plain, atol=1e-3)
    fitted = Affine.fit(x + np.float32(centre), "standard")
    assert np.all(np.isfinite(fitted.apply(x)))


def test_as_they_are_means_as_they_are():
    samples = changed(made(), np.arange(3), 1e6)
    for group in ("", "subject"):
        normaliser = Normaliser.fit(samples, samples.rows("train"), group, "none", limit=2)
        x = samples.modalities["video"].sample(0)
        assert np.array_equal(normaliser.apply("video", x, "ann"), x)
        assert np.array_equal(normaliser.invert("video", x, "ann"), x)


def test_the_state_goes_round_to_the_bit():
    samples = made()
    for group in ("", "subject"):
        one = Normaliser.fit(samples, samples.rows("train"), group, "robust", limit=7)
        two = Normaliser.from_state(*one.to_state())
        assert (two.kind, two.limit, two.group) == (one.kind, one.limit, one.group)
        assert list(two.train) == list(one.train)
        for member in (*PEOPLE, "stranger", None):
            x = samples.modalities["pulse"].values
            assert np.array_equal(one.apply("pulse", x, member), two.apply("pulse", x, member))


# --- whose rows count ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["robust", "standard", "log"])
def test_only_training_rows_count(kind):
    samples = made(counts=True)
    train = samples.rows("train")
    others = np.concatenate([samples.rows("valid"), samples.rows("test")])
    one = Normaliser.fit(samples, train, "", kind).to_state()
    two = Normaliser.fit(changed(samples, others, 1e4), train, "", kind).to_state()
    assert all(np.array_equal(one[0][k], two[0][k]) for k in one[0])
    three = Normaliser.fit(changed(samples, train[:9], 1e4), train, "", kind).to_state()
    assert not np.array_equal(one[0]["train.video.centre"], three[0]["train.video.centre"])


def test_people_who_are_not_in_training_touch_nothing_but_their_own_statistics():
    samples = made()
    who = samples.groups["subject"].copy()
    test = samples.rows("test")
    who[test] = "dee"
    samples = replace(samples, groups={"subject": who})
    train = samples.rows("train")
    one = Normaliser.fit(samples, train, "subject")
    two = Normaliser.fit(changed(samples, test, 1e4), train, "subject")
    x = samples.modalities["video"].values
    for member in ("ann", "bob", "cyd", "stranger"):
        assert np.array_equal(one.apply("video", x, member), two.apply("video", x, member))
    assert not np.array_equal(one.apply("video", x, "dee"), two.apply("video", x, "dee"))


def test_each_member_is_centred_by_itself():
    samples = made(count=600)
    normaliser = Normaliser.fit(samples, samples.rows("train"), "subject")
    for name in samples.names:
        for person in PEOPLE:
            x = frames_of(samples, name, np.flatnonzero(samples.groups["subject"] == person))
            z = normaliser.apply(name, x, person)
            assert np.allclose(z.mean(axis=0), 0, atol=0.1)
            assert np.allclose(z.std(axis=0), 1, atol=0.15)


def test_strangers_are_taken_for_the_average_member():
    samples = made(count=600)
    normaliser = Normaliser.fit(samples, samples.rows("train"), "subject")
    x = frames_of(samples, "video", samples.rows("train"))
    z = normaliser.apply("video", x, "stranger")
    assert np.allclose(z.mean(axis=0), 0, atol=0.2)
    assert np.allclose(z.std(axis=0), 1, atol=0.3)
    assert np.array_equal(z, normaliser.apply("video", x, None))
    assert np.array_equal(z, normaliser.apply("video", x, ""))
    assert normaliser.known("video", "ann")
    assert not normaliser.known("video", "stranger")
    assert not normaliser.known("video", "")


def test_a_member_with_too_few_frames_does_not_spoil_the_scale_of_the_others():
    samples = made(count=300)
    who = samples.groups["subject"].copy()
    who[0] = "eve"  # one frame, at ann's level of about 100
    samples = replace(samples, groups={"subject": who})
    normaliser = Normaliser.fit(samples, samples.rows("train"), "subject", "standard")
    assert not normaliser.known("video", "eve")
    assert np.allclose(normaliser.train["video"].scale, 1, atol=0.15)  # raw, her one frame makes it 10


def test_new_people_are_normalised_by_themselves_and_known_ones_anew():
    old, new = made(count=300), made(seed=1, count=300)
    new = replace(new, groups={"subject": np.char.add("new-", new.groups["subject"])})
    normaliser = Normaliser.fit(old, old.rows("train"), "subject")
    adapted = normaliser.adapt(new)
    assert all(np.array_equal(adapted.train[k].centre, normaliser.train[k].centre) for k in normaliser.train)
    x = frames_of(new, "video", np.flatnonzero(new.groups["subject"] == "new-bob"))
    assert np.allclose(adapted.apply("video", x, "new-bob").std(axis=0), 1, atol=0.15)
    assert normaliser.apply("video", x, "new-bob").std() < 0.1
    assert np.array_equal(adapted.apply("video", x, "ann"), normaliser.apply("video", x, "ann"))
    assert normaliser.adapt(replace(new, groups={})) is normaliser


# --- what cannot spoil a scale ---------------------------------------------------------------------------------------


def test_a_few_clipped_values_do_not_swallow_the_deviation():
    rng = numpy_generator(0, "clipped")
    x = rng.normal(size=(4000, 1)).astype(np.float32)
    spoilt = x.copy()
    spoilt[:20], spoilt[20:40] = 255, -255
    robust, plain = Affine.fit(spoilt, "robust"), Affine.fit(spoilt, "standard")
    assert robust.scale[0] == pytest.approx(x.std(), rel=0.1)
    assert abs(robust.centre[0]) < 0.1
    assert plain.scale[0] > 20


@pytest.mark.parametrize("bad", [np.nan, -np.inf, np.inf])
def test_frames_that_are_no_numbers_do_not_count(bad):
    rng = numpy_generator(0, "frames")
    clean = [rng.normal(size=(4, 2)).astype(np.float32) for _ in range(40)]
    spoilt = [np.concatenate([np.full((1, 2), bad, np.float32), x]) for x in clean]
    found = []
    for rows in (clean, spoilt):
        samples = Samples(
            name="made",
            modalities={"a": Ragged.from_arrays(rows), "b": Ragged.from_arrays(rows)},
            labels={},
            split=np.zeros(40, np.uint8),
            ids=np.arange(40).astype(str),
        )
        found.append(Normaliser.fit(samples, samples.rows("train")).train["a"])
    assert np.array_equal(found[0].centre, found[1].centre)
    assert np.array_equal(found[0].scale, found[1].scale)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e4, 3e-9])
@pytest.mark.parametrize("group", ["", "subject"])
def test_dead_columns_give_zeros(value, group):
    samples = changed(made(), np.arange(60), value)
    for kind in ("robust", "standard"):
        normaliser = Normaliser.fit(samples, samples.rows("train"), group, kind)
        z = normaliser.apply("video", samples.modalities["video"].values, "ann" if group else None)
        assert np.allclose(z, 0, atol=1e-6)


def test_a_constant_per_person_tells_nothing_after_normalising_by_person():
    samples = made()
    level = {"ann": 1000.1, "bob": -0.3, "cyd": 77.7}
    for person, value in level.items():
        samples = changed(samples, np.flatnonzero(samples.groups["subject"] == person), value)
    normaliser = Normaliser.fit(samples, samples.rows("train"), "subject")
    for person in PEOPLE:
        x = frames_of(samples, "video", np.flatnonzero(samples.groups["subject"] == person))
        assert np.allclose(normaliser.apply("video", x, person), 0, atol=1e-3)


def test_a_column_that_is_nearly_always_zero_keeps_its_rare_values():
    x = np.zeros((1000, 1), np.float32)
    x[:5] = 3
    fitted = Affine.fit(x, "robust")
    assert fitted.scale[0] == pytest.approx(x.std(), rel=1e-4)


def test_beyond_the_limit_is_clipped():
    samples = made()
    normaliser = Normaliser.fit(samples, samples.rows("train"), limit=3)
    assert np.abs(normaliser.apply("video", np.full((2, 3), 1e9, np.float32))).max() == 3


def test_many_frames_are_sampled_from_everywhere_in_a_clip():
    """A regular subset of clips of one length would see the same places of every clip."""
    length = 50
    count = MOST  # so that every fiftieth frame would be taken: the first of each clip
    clip = np.arange(length, dtype=np.float32)[:, None]
    samples = Samples(
        name="long",
        modalities={
            "a": Ragged.from_padded(np.repeat(clip[None], count, axis=0)),
            "b": Ragged.from_padded(np.eye(count, 2)),
        },
        labels={},
        split=np.zeros(count, np.uint8),
        ids=np.arange(count).astype(str),
    )
    fitted = Normaliser.fit(samples, samples.rows("train"), kind="standard").train["a"]
    assert fitted.centre[0] == pytest.approx((length - 1) / 2, abs=0.5)
    assert fitted.scale[0] == pytest.approx(clip.std(), rel=0.02)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_refusals():
    samples = made()
    rows = samples.rows("train")
    with pytest.raises(UsageError, match=r"no normalisation is called 'robst'\n.*did you mean 'robust'"):
        Normaliser.fit(samples, rows, kind="robst")
    with pytest.raises(UsageError, match=r"'made' has no group column 'subjekt'\n.*did you mean 'subject'"):
        Normaliser.fit(samples, rows, "subjekt")
    with pytest.raises(DataError, match=r"'made' has no training rows"):
        Normaliser.fit(samples, np.zeros(0, np.int64))
    with pytest.raises(DataError, match=r"modality 'video' holds values of -1 or less"):
        Normaliser.fit(samples, rows, kind="log")


@pytest.mark.parametrize("entry", ["centre", "scale"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_saved_normalisation_without_usable_numbers_is_refused(entry, value):
    arrays, facts = Normaliser.fit(small(), np.arange(12)).to_state()
    if entry == "centre" and np.isfinite(value):
        value = float("-inf")
    arrays[f"train.text.{entry}"][1] = value
    with pytest.raises(DataError, match=r"no usable numbers in 'train.text'\n.*train again"):
        Normaliser.from_state(arrays, facts)


@pytest.mark.parametrize(
    ("facts", "told"),
    [({"kind": "robst"}, "of kind 'robst'"), ({"limit": 0}, "limit 0"), ({"limit": "x"}, "cannot be read"),
     ({"modalities": 3}, "cannot be read"), ({"members": [1]}, "cannot be read"), ({"modalities": ["z"]}, "lacks")],
)  # fmt: skip
def test_a_saved_normalisation_with_other_facts_is_refused(facts, told):
    arrays, before = Normaliser.fit(small(), np.arange(12)).to_state()
    with pytest.raises(DataError, match=told):
        Normaliser.from_state(arrays, before | facts)
