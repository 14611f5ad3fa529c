"""w_t and Phi_t; their laws are in tests/laws/test_forward.py."""

import pytest
import torch

from md2n.diffusion.schedule import make_schedule
from md2n.diffusion.stages import Stages
from md2n.diffusion.transfer import constant_phi, transfer_push, transfer_weight
from md2n.errors import UsageError

SCHEDULE = make_schedule("scaled_linear", 10)


def test_linear_weight_rises_in_equal_steps() -> None:
    w = transfer_weight("linear", SCHEDULE, Stages(2, 6, 10))
    torch.testing.assert_close(w, torch.tensor([0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4]).double() / 4)


def test_a_transfer_of_one_step_is_a_jump() -> None:
    stages = Stages(4, 5, 10)
    for kind in ("constant", "linear"):
        w = transfer_weight(kind, SCHEDULE, stages)
        assert w.tolist() == [0.0] * 5 + [1.0] * 6
    assert constant_phi(SCHEDULE, stages) == pytest.approx(float(SCHEDULE.abar[5].sqrt()))


def test_constant_weight_by_hand() -> None:
    """Two steps: Phi (sqrt(a_2) + 1) = sqrt(abar_2), by Eq. 8 written out twice."""
    stages = Stages(0, 2, 10)
    phi = SCHEDULE.abar[2].sqrt() / (SCHEDULE.alpha[2].sqrt() + 1)
    w = transfer_weight("constant", SCHEDULE, stages)
    torch.testing.assert_close(w[1], phi / SCHEDULE.abar[1].sqrt())
    torch.testing.assert_close(transfer_push(w, SCHEDULE)[1:3], phi.expand(2))


def test_the_constant_push_moves_late_and_the_linear_one_evenly() -> None:
    schedule, stages = make_schedule("scaled_linear", 1000), Stages(200, 800, 1000)
    constant, linear = (transfer_weight(kind, schedule, stages) for kind in ("constant", "linear"))
    assert bool((constant[201:800] < linear[201:800]).all())


def test_unknown_transfer_is_refused() -> None:
    with pytest.raises(UsageError, match="no transfer is called 'constnat'"):
        transfer_weight("constnat", SCHEDULE, Stages(2, 6, 10))
