"""Shape types: ``Float[Tensor, "batch time dim"]`` in a signature is documentation that every test run checks.

In production they cost nothing; ``tests/conftest.py`` installs jaxtyping's import hook with beartype.
Axis words: ``batch`` samples, ``time`` frames T_k, ``dim`` features d_k, ``modality`` M in schema order,
``token`` latent positions L, ``width`` latent features D, ``draw`` samples from the model.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Tensor"]
