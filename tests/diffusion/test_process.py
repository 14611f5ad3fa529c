"""The forward process as an object: dtypes, rows, the unknown end, conversions."""

import pytest
import torch
from torch import Tensor

from md2n.diffusion.process import DuplexProcess, make_process
from md2n.diffusion.schedule import SCHEDULES, make_schedule
from md2n.diffusion.stages import Stages
from md2n.diffusion.transfer import TRANSFERS
from md2n.errors import UsageError
from md2n.seeding import generator

EVERY = pytest.mark.parametrize(
    ("schedule", "transfer"), [(s, w) for s in SCHEDULES.names() for w in TRANSFERS.names()]
)


def latents(rows: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    x0, partner, e = torch.randn(3, rows, 4, 5, generator=generator(seed, "latents")).double()
    return x0, partner, e


@EVERY
def test_one_step_for_all_rows_is_the_same_step_in_every_row(schedule: str, transfer: str) -> None:
    process = make_process(100, 20, 80, schedule, transfer)
    x0, partner, e = latents()
    rows = torch.tensor([1, 20, 21, 80, 81, 100])
    together = process.sample(x0, partner, rows, e)
    stepped = process.step(x0, x0, partner, rows, e)
    for i, t in enumerate(rows.tolist()):
        one = slice(i, i + 1)
        torch.testing.assert_close(together[one], process.sample(x0[one], partner[one], t, e[one]), rtol=0, atol=0)
        torch.testing.assert_close(stepped[one], process.step(x0[one], x0[one], partner[one], t, e[one]))


@EVERY
def test_known_part_unknown_end_and_noise_make_the_chain(schedule: str, transfer: str) -> None:
    process = make_process(100, 20, 80, schedule, transfer)
    x0, partner, e = latents(101)
    t = torch.arange(101)
    end = process.end(x0, partner, t)
    whole = process.known(partner, t) + process.signal(t, x0) * end + process.std(t, x0) * e
    torch.testing.assert_close(process.sample(x0, partner, t, e), whole)
    last = 100 if transfer == "none" else 80
    assert process.handover == last
    torch.testing.assert_close(end, torch.cat([x0[: last + 1], partner[last + 1 :]]), rtol=0, atol=0)
    assert process.end(x0, partner, last) is x0


def test_at_t2_the_chain_says_nothing_of_its_own_end() -> None:
    process = make_process(100, 20, 80)
    x0, partner, e = latents()
    assert float(process.snr()[80]) == 0
    torch.testing.assert_close(process.sample(x0, partner, 80, e), process.sample(9 * x0, partner, 80, e))


def test_snr_falls_from_infinity_in_plain_diffusion() -> None:
    process = make_process(100, 20, 80, transfer="none")
    abar = process.schedule.abar[1:]
    assert float(process.snr()[0]) == float("inf")
    torch.testing.assert_close(process.snr()[1:], abar / (1 - abar))


def test_works_in_the_dtype_of_its_inputs() -> None:
    process = make_process(1000, 200, 800)
    x0, partner, e = latents(1001)
    t = torch.arange(1001)
    exact = process.sample(x0, partner, t, e)
    single = process.sample(x0.float(), partner.float(), t, e.float())
    assert exact.dtype == torch.float64
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-6)
    assert process.sample(x0.bfloat16(), partner.bfloat16(), 500, e.bfloat16()).dtype == torch.bfloat16


@EVERY
def test_noise_and_clean_end_are_converted_into_each_other(schedule: str, transfer: str) -> None:
    process = make_process(100, 20, 80, schedule, transfer)
    x0, partner, e = latents()
    for t in (1, 20, 50, 79):
        x_t = process.sample(x0, partner, t, e)
        torch.testing.assert_close(process.noise_from_x0(x0, x_t, partner, t), e, rtol=1e-9, atol=1e-9)
        found = process.x0_from_noise(e, x_t, partner, t, tolerance=0)
        torch.testing.assert_close(found, x0, rtol=1e-7, atol=1e-7)
    x_t = process.sample(x0, partner, 90, e)  # past t2 it is the partner that is found
    found = process.x0_from_noise(e, x_t, partner, 90, tolerance=0)
    torch.testing.assert_close(found, process.end(x0, partner, 90), rtol=1e-7, atol=1e-7)


def test_a_wrong_noise_cannot_blow_the_clean_end_up() -> None:
    """With an error of a tenth in the noise, the estimate errs by at most that over twice the tolerance."""
    process = make_process(1000, 200, 800)
    x0, partner, e = (x.float() for x in latents())
    for t in range(1, 801, 7):
        x_t = process.sample(x0, partner, t, e)
        right, wrong = (process.x0_from_noise(e + d, x_t, partner, t) for d in (0.0, 0.1))
        assert float((right - wrong).abs().max()) <= 0.1 / (2 * 0.05) + 1e-4
        assert float((right - partner).abs().max()) <= float((x0 - partner).abs().max()) + 1e-3
    for tolerance in (0.0, 0.05):
        found = process.x0_from_noise(e, process.sample(x0, partner, 800, e), partner, 800, tolerance)
        torch.testing.assert_close(found, partner, rtol=0, atol=0)
    torch.testing.assert_close(process.x0_from_noise(e, x0, partner, 0), x0)


def test_the_score_points_to_the_mean() -> None:
    process = make_process(100, 20, 80)
    x0, partner, e = latents()
    t = torch.tensor([1, 20, 40, 80, 90, 100])
    x_t = process.sample(x0, partner, t, e)
    # Eq. 6: the score of the chain given its ends is -e / sqrt(lambda)
    torch.testing.assert_close(process.score(x0, x_t, partner, t), -e / process.std(t, e))


@pytest.mark.parametrize("t", [-1, 101])
def test_what_is_not_a_step_is_refused(t: int) -> None:
    x0, partner, _ = latents()
    with pytest.raises(UsageError, match=f"{t} is not a step of the diffusion"):
        make_process(100, 20, 80).mean(x0, partner, t)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="schedule has 10 steps and the stages 20"):
        DuplexProcess(make_schedule("cosine", 10), Stages(2, 8, 20))
    with pytest.raises(UsageError, match="did you mean 'as_printed'"):
        DuplexProcess(make_schedule("cosine", 10), Stages(2, 8, 10), variance="printed")
