"""The record of a batch: features, which numbers are known, which modalities exist and which may be read.

There are two flags.  ``present`` says that the data hold this modality of this sample, so that a loss or a measure has
a truth to compare with.  ``available`` says that a model may read it as input.  A protocol, or the training loop, hides
a modality by lowering ``available``; it never edits features.  A method's ``predict`` and ``recover`` read features
only where ``available``; tests make sure of it with ``poisoned``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from md2n.brief import brief
from md2n.errors import DataError
from md2n.modality import Modality
from md2n.noise import SampleNoise
from md2n.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True)
class SequenceBatch:
    """B samples of M modalities, in schema order, in the units the network sees (normalised).

    Args:
        features: modality name -> ``[B, T_k, d_k]``; invalid frames and absent modalities hold anything
            (it may be NaN) and must not be read.
        valid: modality name -> ``[B, T_k]``; True at real frames.  A present modality has at least one.
        present: ``[B, M]``; True where the data hold the modality.
        available: ``[B, M]``; True where a model may read it.  ``available`` implies ``present``.
        labels: ``[B]`` float (regression; NaN: unknown) or int64 (classes; -1: unknown).
        rows: ``[B]`` row numbers in the data set.
        conversation: ``[B]`` code of the conversation that a sample is an utterance of, -1 where it is of none; None
            where the data know of no conversations.
        place: ``[B]`` order of the utterances inside a conversation; there where ``conversation`` is.
        cells: modality name -> ``[B, T_k, d_k]``, False at single numbers that may not be read; only of modalities
            with such numbers inside their valid frames.
        keys: ``[B]`` say who a sample is, whatever batch or file it is in: its draws go by it (``noise``).  Row
            numbers where it is None.
    """

    features: Mapping[str, Float[Tensor, "batch _time _dim"]]
    valid: Mapping[str, Bool[Tensor, "batch _time"]]
    present: Bool[Tensor, "batch modality"]
    available: Bool[Tensor, "batch modality"]
    labels: Float[Tensor, " batch"] | Int[Tensor, " batch"]
    rows: Int[Tensor, " batch"]
    conversation: Int[Tensor, " batch"] | None = None
    place: Int[Tensor, " batch"] | None = None
    cells: Mapping[str, Bool[Tensor, "batch _time _dim"]] = field(default_factory=dict)
    keys: Int[Tensor, " batch"] | None = None

    __repr__ = brief

    @property
    def names(self) -> tuple[str, ...]:
        """Modality names in order: the columns of ``present`` and ``available``."""
        return tuple(self.features)

    @property
    def size(self) -> int:
        """B."""
        return int(self.present.shape[0])

    @property
    def device(self) -> torch.device:
        """Where the batch lives."""
        return self.present.device

    @property
    def missing(self) -> Bool[Tensor, "batch modality"]:
        """True where a model has to do without the modality (hidden or absent)."""
        return ~self.available

    def noise(self, generator: torch.Generator) -> SampleNoise:
        """Noise that goes by sample: the same for a sample alone and in any batch, in any order.

        Args:
            generator: on any device; one number is taken from it, the seed.
        """
        return SampleNoise.of(self.sample_keys, generator)

    @property
    def sample_keys(self) -> Int[Tensor, " batch"]:
        """``[B]`` ``keys``, or row numbers where there are none."""
        return self.rows if self.keys is None else self.keys

    def frames(self, name: str) -> Bool[Tensor, "batch time"]:
        """Frames of modality ``name`` that may be read: valid, in an available modality."""
        return self.valid[name] & self.available[:, self.names.index(name), None]

    def known(self, name: str) -> Bool[Tensor, "batch time _dim"]:
        """Numbers of ``name`` that may be read: ``[B, T_k, 1]`` where that is a matter of frames alone."""
        frames = self.frames(name)[..., None]
        return frames & self.cells[name] if name in self.cells else frames

    def real(self, name: str) -> Bool[Tensor, "batch time _dim"]:
        """Numbers of ``name`` that the data hold, hidden or not, in the shape of ``known``."""
        frames = (self.valid[name] & self.present[:, self.names.index(name), None])[..., None]
        return frames & self.cells[name] if name in self.cells else frames

    def readable(self, name: str) -> Float[Tensor, "batch time dim"]:
        """Features of ``name`` with zeros wherever they may not be read, NaN included."""
        return torch.where(self.known(name), self.features[name], 0.0)

    def inputs(self, modality: Modality) -> Float[Tensor, "batch time _input"]:
        """What an encoder reads: ``readable``, and where the modality has gaps a flag beside each unknown number.

        Returns:
            ``[B, T_k, modality.input_dim]``.
        """
        x = self.readable(modality.name)
        if not modality.gaps:
            return x
        unknown = self.frames(modality.name)[..., None] & ~self.known(modality.name)
        return torch.cat([x, unknown.expand_as(x).to(x.dtype)], dim=2)

    def truth(self, name: str) -> Float[Tensor, "batch time dim"]:
        """Features of ``name`` with zeros wherever the data hold none: for losses and measures only."""
        return torch.where(self.real(name), self.features[name], 0.0)

    def hide(self, available: Bool[Tensor, "batch modality"]) -> "SequenceBatch":
        """The same samples with only ``available & present`` readable.

        Raises:
            DataError: a sample would be left with no modality at all.
        """
        left = available & self.present
        if not bool(left.any(dim=1).all()):
            empty = int((~left.any(dim=1)).sum())
            raise DataError(
                f"{empty} of {self.size} samples are left without any modality",
                "keep at least one present modality of every sample available",
            )
        return replace(self, available=left)

    def hide_cells(self, cells: Mapping[str, Bool[Tensor, "batch _time _dim"]]) -> "SequenceBatch":
        """The same samples with single numbers hidden inside valid frames.

        Args:
            cells: modality name -> ``[B, T_k, d_k]``, False where a number may not be read.
        """
        fewer = {k: c & self.cells[k] if k in self.cells else c for k, c in cells.items()}
        return replace(self, cells={**self.cells, **fewer})

    def complete(self) -> "SequenceBatch":
        """The same samples with everything the data hold readable."""
        return replace(self, available=self.present)

    def select(self, index: Int[Tensor, " chosen"] | Bool[Tensor, " batch"]) -> "SequenceBatch":
        """The samples at ``index``, in that order."""
        return self._each(lambda x: x[index])

    def apart(self, code: Int[Tensor, " batch"]) -> "SequenceBatch":
        """The same batch with each conversation divided by ``code`` (>= 0), one for each value of it.

        A batch that holds a sample several times, under different patterns, says so with it: what is hidden from one
        copy must not reach it through another.
        """
        if self.conversation is None:
            return self
        own = self.conversation * (code.max() + 1) + code
        return replace(self, conversation=torch.where(self.conversation < 0, self.conversation, own))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "SequenceBatch":
        """The same batch on another device."""
        return self._each(lambda x: x.to(device, non_blocking=non_blocking))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "SequenceBatch":
        """The batch with every tensor changed."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            held = getattr(self, f.name)
            if isinstance(held, Mapping):
                changed[f.name] = {k: change(x) for k, x in held.items()}
            elif held is not None:
                changed[f.name] = change(held)
        return replace(self, **changed)

    def poisoned(self) -> "SequenceBatch":
        """NaN in every feature that may not be read, and no labels: predictions must not change by a bit."""
        nan = float("nan")
        unknown = -1 if not self.labels.is_floating_point() else nan
        return replace(
            self,
            features={k: torch.where(self.known(k), x, nan) for k, x in self.features.items()},
            labels=torch.full_like(self.labels, unknown),
        )


@runtime_checkable
class Dataset(Protocol):
    """N samples that are read in batches: what training and evaluation need of any data.

    Data that know of conversations also have ``conversation``, ``[N]`` codes, -1 for none.
    """

    def __len__(self) -> int:
        """N."""
        ...

    def batch(self, positions: npt.NDArray[np.int64]) -> SequenceBatch:
        """The samples at ``positions`` (0..N-1), everything present available."""
        ...
