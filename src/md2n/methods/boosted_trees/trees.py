"""Trees as tensors: they are saved, loaded and walked without the library that grew them.

All nodes of all trees lie in one array.  Node i compares the number ``feature[i]`` of a row with ``threshold[i]`` and
leads to ``next[i, 0]`` if it is not larger, else to ``next[i, 1]``; an unknown number (NaN) leads to
``next[i, unknown[i]]``.  A leaf is its own two children.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from md2n.shapes import Float, Int, Tensor

Nodes = npt.NDArray[Any]  # of one tree, as scikit-learn's ``TreePredictor`` has them


class Trees(nn.Module):
    """The sum of the answers of trees, each of which adds to one of the outputs.  It begins without trees.

    Args:
        columns: numbers of a row.
        outputs: sums.
        leaves: most leaves of a tree, and so a bound for its depth.
    """

    feature: Int[Tensor, " node"]
    threshold: Float[Tensor, " node"]
    next: Int[Tensor, "node 2"]
    unknown: Int[Tensor, " node"]
    value: Float[Tensor, " node"]
    root: Int[Tensor, " tree"]
    output: Int[Tensor, " tree"]

    def __init__(self, columns: int, outputs: int, leaves: int) -> None:
        super().__init__()
        self.columns, self.outputs, self.leaves = columns, outputs, leaves
        for name, value in _arrays((), ()).items():
            self.register_buffer(name, value)

    def forward(self, x: Float[Tensor, "row column"]) -> Float[Tensor, "row output"]:
        """Sums over trees; NaN in ``x`` is an unknown number."""
        at = self.root.expand(len(x), -1)
        for _ in range(self.leaves - 1):
            number = x.gather(1, self.feature[at])
            side = torch.where(number.isnan(), self.unknown[at], (number > self.threshold[at]).long())
            at = self.next[at, side]
        answers = self.value[at]
        return answers.new_zeros(len(x), self.outputs).index_add(1, self.output, answers)

    def hold(self, trees: Sequence[Nodes], outputs: Sequence[int]) -> None:
        """Takes these trees in place of its own.

        Args:
            trees: nodes of each.
            outputs: which output each adds to.
        """
        for name, value in _arrays(trees, outputs).items():
            held = getattr(self, name)
            setattr(self, name, value.to(held.device, held.dtype))

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Tensor],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # The number of nodes is that of the training, not the constructor's.
        names = [name for name, _ in self.named_buffers()]
        arrays = {name: state_dict[prefix + name] for name in names if prefix + name in state_dict}
        if len(arrays) == len(names) and not self._sound(**arrays):
            error_msgs.append("the arrays of its trees do not fit together")
            return
        for name, value in arrays.items():
            setattr(self, name, torch.zeros_like(value, dtype=getattr(self, name).dtype))
        super()._load_from_state_dict(
            dict(state_dict), prefix, dict(local_metadata), strict, missing_keys, unexpected_keys, error_msgs
        )

    def _sound(self, **arrays: Tensor) -> bool:
        """Whether walking the trees of a file stays inside the arrays."""
        nodes, trees = len(arrays["value"]), len(arrays["root"])
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("feature", "threshold", "unknown", "value"), (nodes,))
        shapes["next"], shapes["root"], shapes["output"] = (nodes, 2), (trees,), (trees,)
        below = {"feature": self.columns, "next": nodes, "unknown": 2, "root": nodes, "output": self.outputs}
        return all(tuple(arrays[name].shape) == shape for name, shape in shapes.items()) and all(
            bool(((arrays[name] >= 0) & (arrays[name] < bound)).all()) for name, bound in below.items()
        )


def _arrays(trees: Sequence[Nodes], outputs: Sequence[int]) -> dict[str, Tensor]:
    """Buffers of ``Trees`` by name."""
    feature, threshold, children, unknown, value, root = [], [], [], [], [], []
    count = 0
    for nodes in trees:
        own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        sides = np.stack([nodes["left"], nodes["right"]], axis=1).astype(np.int64)
        feature.append(np.where(leaf, 0, nodes["feature_idx"]))
        threshold.append(_not_above(np.where(leaf, 0.0, nodes["num_threshold"])))
        children.append(np.where(leaf[:, None], own[:, None], sides) + count)
        unknown.append(1 - nodes["missing_go_to_left"].astype(np.int64))
        value.append(nodes["value"])
        root.append(count)
        count += len(nodes)

    def joined(parts: Sequence[npt.NDArray[Any]], *rest: int) -> npt.NDArray[Any]:
        return np.concatenate(parts) if parts else np.zeros((0, *rest))

    return {
        "feature": torch.from_numpy(joined(feature)).long(),
        "threshold": torch.from_numpy(joined(threshold)).float(),
        "next": torch.from_numpy(joined(children, 2)).long(),
        "unknown": torch.from_numpy(joined(unknown)).long(),
        "value": torch.from_numpy(joined(value)).float(),
        "root": torch.tensor(root, dtype=torch.long),
        "output": torch.tensor(list(outputs), dtype=torch.long),
    }


def _not_above(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest finite float32 that is not above: it divides numbers of float32 at the same place."""
    most = np.finfo(np.float32).max
    near = np.clip(threshold, -most, most).astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
