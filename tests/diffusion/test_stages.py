"""Where time is divided."""

import pytest

from md2n.diffusion.stages import Stage, Stages
from md2n.errors import ConfigError, UsageError


def test_stages_are_closed_on_the_right() -> None:
    stages = Stages(200, 800, 1000)
    assert [stages.stage_of(t) for t in (1, 200, 201, 800, 801, 1000)] == [
        Stage.REFINEMENT,
        Stage.REFINEMENT,
        Stage.TRANSFER,
        Stage.TRANSFER,
        Stage.STRUCTURE,
        Stage.STRUCTURE,
    ]


def test_outer_stages_may_be_left_out() -> None:
    stages = Stages(0, 10, 10)
    assert {stages.stage_of(t) for t in range(1, 11)} == {Stage.TRANSFER}


@pytest.mark.parametrize(("t1", "t2", "steps"), [(800, 200, 1000), (5, 5, 10), (-1, 5, 10), (2, 11, 10)])
def test_times_out_of_order_are_named(t1: int, t2: int, steps: int) -> None:
    with pytest.raises(ConfigError, match=f"t1 = {t1}, t2 = {t2}, steps = {steps}"):
        Stages(t1, t2, steps)


@pytest.mark.parametrize("t", [0, 11])
def test_what_is_not_a_step_has_no_stage(t: int) -> None:
    with pytest.raises(UsageError, match=f"{t} is not a step"):
        Stages(2, 8, 10).stage_of(t)
