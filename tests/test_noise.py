"""Noise that goes by sample: normal, independent, and the same whatever other rows there are."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from md2n.noise import SampleNoise, SequentialNoise
from md2n.seeding import generator, sample_keys

KINDS = (torch.float32, torch.float64)


def noise(rows: int = 64, seed: int = 0) -> SampleNoise:
    return SampleNoise.of(torch.arange(rows), generator(seed, "noise"))


def zeros(rows: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.zeros(rows, *shape, dtype=dtype)


# --- a normal distribution -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("across", ["a row", "rows", "draws", "names"])
def test_numbers_are_normal_along_every_way_of_drawing_them(across: str, dtype: torch.dtype) -> None:
    """Kolmogorov and Smirnov over 100,000; the seed is fixed, so the bound on p is no lottery."""
    count = 100_000
    ways: dict[str, Callable[[], Tensor]] = {
        "a row": lambda: noise(1).like(zeros(1, count, dtype=dtype)),
        "rows": lambda: noise(count).like(zeros(count, 1, dtype=dtype)),
        "draws": lambda: noise(1).draws(count).like(zeros(count, 1, dtype=dtype)),
        "names": lambda: torch.stack([noise(100).like(zeros(100, 1, dtype=dtype), n) for n in range(count // 100)]),
    }
    x = ways[across]().double().flatten()
    assert x.dtype == torch.float64 and len(x) == count
    assert stats.kstest(x.numpy(), "norm").pvalue > 0.01


def test_moments_of_four_million_numbers() -> None:
    x = noise(4096).like(zeros(4096, 1024))
    z, count = x.flatten(), x.numel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(float((z**power).mean()) - moment) < 4 * math.sqrt(variance / count), power


def test_tails_are_as_heavy_as_they_must_be() -> None:
    z = noise(4096).like(zeros(4096, 4096, dtype=torch.float32)).abs()
    for bound in (3.0, 4.0, 5.0):
        expected = z.numel() * 2 * stats.norm.sf(bound)
        assert abs(int((z > bound).sum()) - expected) < 4 * math.sqrt(expected), bound
    assert bool(z.isfinite().all())


# --- independence ----------------------------------------------------------------------------------------------------


def correlation(x: Tensor, y: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1])


def test_rows_streams_draws_names_seeds_and_places_do_not_know_of_each_other() -> None:
    rows, width = 256, 1024
    one, x = noise(rows), zeros(rows, width)
    first = one.like(x, "a")
    drawn = one.draws(2).like(x.repeat(2, 1), "a")
    others = {
        "name": one.like(x, "b"),
        "no name": one.like(x),
        "number": one.like(x, "a", 1),
        "fork": one.fork("a").like(x, "a"),
        "deeper fork": one.fork("a").fork("b").like(x, "a"),
        "draw": drawn[:rows],
        "second draw": drawn[rows:],
        "seed": noise(rows, seed=1).like(x, "a"),
        "next row": first.roll(1, dims=0),
        "next place": first.roll(1, dims=1),
        "next but one": first.roll(2, dims=1),
        "other keys": SampleNoise.of(torch.arange(rows) + 2**40, generator(0, "noise")).like(x, "a"),
    }
    names = ["the first", *others]
    every = [first, *others.values()]
    bound = 4.5 / math.sqrt(rows * width)
    for i, a in enumerate(every):
        for j, b in enumerate(every[:i]):
            assert abs(correlation(a, b)) < bound, (names[i], names[j])
            assert abs(correlation(a**2, b**2)) < bound, (names[i], names[j])


def test_no_two_numbers_of_many_rows_and_places_are_equal() -> None:
    x = noise(1000).like(zeros(1000, 1000))
    assert len(x.unique()) > x.numel() * (1 - 1e-5)


# --- whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", KINDS)
def test_a_row_has_the_same_bits_alone_in_any_batch_and_in_any_order(dtype: torch.dtype) -> None:
    keys = sample_keys_of("a", "b", "c", "d", "e")
    whole = SampleNoise.of(keys, generator(3, "noise")).like(zeros(5, 4, 3, dtype=dtype), "a")
    for index in ([2], [4, 3, 2, 1, 0], [1, 1, 3], [0, 4]):
        chosen = torch.tensor(index)
        x = zeros(len(index), 4, 3, dtype=dtype)
        separate = SampleNoise.of(keys[chosen], generator(3, "noise")).like(x, "a")
        assert torch.equal(separate, whole[chosen])
        chosen_rows = SampleNoise.of(keys, generator(3, "noise")).rows(chosen).like(x, "a")
        assert torch.equal(chosen_rows, whole[chosen])


def sample_keys_of(*ids: str) -> Tensor:
    import numpy as np

    return torch.from_numpy(sample_keys(np.asarray(ids)))


def test_draws_of_a_sample_are_the_same_however_many_are_asked_for() -> None:
    one, x = noise(5), zeros(5, 3)
    few, many = (one.draws(s).like(x.repeat(s, 1)).view(s, 5, 3) for s in (4, 20))
    assert torch.equal(few, many[:4])
    alone = one.rows(torch.tensor([3])).draws(20).like(zeros(20, 3))
    assert torch.equal(alone, many[:, 3])


def test_asking_twice_for_one_purpose_gives_one_answer() -> None:
    one, x = noise(), zeros(64, 3)
    assert torch.equal(one.like(x, "a"), one.like(x, "a"))
    assert torch.equal(one.fork(1).like(x), one.fork(1).like(x))


def test_a_longer_row_begins_with_a_shorter_ones_numbers() -> None:
    """So that padding to another batch's length changes nothing."""
    short, long = (noise(3).like(zeros(3, time, 3), "a") for time in (5, 8))
    assert torch.equal(short, long[:, :5])
    odd = noise(3).like(zeros(3, 1), "a")
    assert torch.equal(odd, noise(3).like(zeros(3, 2), "a")[:, :1])


def test_kinds_of_number_differ_by_rounding_alone() -> None:
    single, double, half = (noise().like(zeros(64, 999, dtype=d)) for d in (*KINDS, torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(half.double(), double, rtol=1e-2, atol=1e-3)


def test_the_words_are_splitmix64s() -> None:
    """Vigna's splitmix64.c from state 0: its first outputs, so that no device and no version may compute others."""
    from md2n.noise import GOLDEN, WORD, _mixed, _signed

    words = _mixed(torch.arange(1, 4) * _signed(GOLDEN))
    expected = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert [w % WORD for w in words.tolist()] == list(expected)


def test_rows_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows ask for the noise of 64"):
        noise().like(zeros(3, 2))


def test_the_generator_gives_one_number_and_moves_on() -> None:
    g = generator(0, "noise")
    first, second = (SampleNoise.of(torch.arange(3), g).like(zeros(3, 4)) for _ in range(2))
    assert not torch.equal(first, second)


def test_noise_in_sequence_is_the_generators_own() -> None:
    """Training draws what it always drew: in the order of the calls, whatever the names."""
    source, g = SequentialNoise(generator(0, "loss")), generator(0, "loss")
    for name, shape in (("a", (3, 2)), ("a", (3, 2)), ("b", (5,))):
        x = zeros(*shape)
        got = source.fork(name).rows(torch.tensor([0])).draws(7).like(x, name)
        assert torch.equal(got, torch.randn(shape, generator=g, dtype=x.dtype))
