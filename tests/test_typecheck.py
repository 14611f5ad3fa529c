"""A wrong shape is refused in a test run, but for tests of whole commands."""

import jaxtyping
import pytest
import torch

from md2n.methods.dicmor.flow import bits_per_number
from tests.typecheck import unchecked


def test_a_wrong_shape_is_refused_but_where_checks_are_off() -> None:
    matrix = -torch.ones(3, 2)  # a log-density is [row]
    with pytest.raises(jaxtyping.TypeCheckError):
        bits_per_number(matrix, 2)
    with unchecked():
        with unchecked():
            pass
        bits_per_number(matrix, 2)
    with pytest.raises(jaxtyping.TypeCheckError):
        bits_per_number(matrix, 2)
