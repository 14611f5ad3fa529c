"""Settings of boosted trees.  No torch here."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class BoostedTreesConfig:
    """Settings of the boosting and of the rows it is fitted on.

    Args:
        copies: times that a training sample is a row: once as the data hold it, else each time with drawn modalities
            hidden.
        iterations: most rounds of boosting, each of one tree (of one per class, where there are more than two).
            Held-out training samples choose how many.
        rate: what the answer of each tree is multiplied by.
        leaves: most leaves of a tree.
        leaf_rows: fewest rows in a leaf.
        penalty: on the squares of the answers in the leaves.
    """

    copies: Annotated[int, Gt(0), Le(64)] = 4
    iterations: Annotated[int, Gt(0), Le(1000)] = 100
    rate: Annotated[float, Gt(0), Le(1)] = 0.1
    leaves: Annotated[int, Ge(2), Le(256)] = 31
    leaf_rows: Annotated[int, Gt(0)] = 20
    penalty: Annotated[float, Ge(0)] = 0.0
