"""The way into a graph and out of it: features in the data's own units, as the network reads them, and back."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.data.affine import Affine
from md2n.data.normalise import Normaliser
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Tensor


class Inputs(nn.Module):
    """Normalisation as part of a graph.

    A NaN is a number that is not known; a frame of nothing else is padding.  Where training normalised by groups,
    everybody is taken for the average member.

    Args:
        schema: modalities in their order.
        normaliser: of the run.
    """

    def __init__(self, schema: Schema, normaliser: Normaliser) -> None:
        super().__init__()
        self.schema = schema
        self.kind, self.limit, self.stages = normaliser.kind, normaliser.limit, 2 if normaliser.group else 1
        for k, name in enumerate(schema.names):
            for stage, affine in enumerate(_affines(normaliser, name)):
                self.register_buffer(f"centre_{k}_{stage}", torch.from_numpy(np.array(affine.centre)))
                self.register_buffer(f"scale_{k}_{stage}", torch.from_numpy(np.array(affine.scale)))

    def batch(self, features: Sequence[Tensor], available: Bool[Tensor, "batch modality"]) -> SequenceBatch:
        """The batch that a model reads.

        Args:
            features: of each modality, ``[B, d]`` of a vector and ``[B, T, d]`` of a sequence.
            available: ``[B, M]``; a modality of padding alone counts as missing, whatever is said here.
        """
        frames = [x[:, None] if m.is_vector else x for m, x in zip(self.schema.modalities, features)]
        cells = {name: ~x.isnan() for name, x in zip(self.schema.names, frames)}
        valid = {name: known.any(dim=2) for name, known in cells.items()}
        there = available & torch.stack([v.any(dim=1) for v in valid.values()], dim=1)
        normalised = {name: self.towards_network(k, frames[k]) for k, name in enumerate(self.schema.names)}
        rows = torch.zeros(len(available), dtype=torch.int64, device=available.device)
        return SequenceBatch(normalised, valid, there, there, self._unknown(rows), rows, cells=cells)

    def towards_network(self, k: int, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        """Normalised features of modality k, NaN where they are not known."""
        if self.kind == "none":
            return x
        x = torch.log1p(x) if self.kind == "log" else x
        for stage in range(self.stages):
            x = (x - getattr(self, f"centre_{k}_{stage}")) / getattr(self, f"scale_{k}_{stage}")
        return x.clamp(-self.limit, self.limit)

    def towards_data(self, k: int, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        """Features of modality k in the data's own units, from normalised ones."""
        if self.kind == "none":
            return x
        x = x.clamp(-self.limit, self.limit)
        for stage in reversed(range(self.stages)):
            x = x * getattr(self, f"scale_{k}_{stage}") + getattr(self, f"centre_{k}_{stage}")
        return torch.expm1(x) if self.kind == "log" else x

    def _unknown(self, rows: Tensor) -> Tensor:
        classes = self.schema.task.kind == "classification"
        return rows - 1 if classes else torch.full_like(rows, torch.nan, dtype=torch.float32)


def _affines(normaliser: Normaliser, name: str) -> list[Affine]:
    """What comes first stands first."""
    return [*([normaliser.anyone[name]] if normaliser.group else []), normaliser.train[name]]
