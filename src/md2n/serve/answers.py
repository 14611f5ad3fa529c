"""What a trained model answers: predictions, and data with nothing missing, as arrays or the kind of table given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.readers.wide import Columns
from md2n.data.samples import Array, Samples

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """Predictions for N samples.

    Args:
        ids: ``[N]`` text.
        output: ``[N]`` values in the label's units, or ``[N, C]`` class probabilities, calibrated unless a note says
            otherwise; float64 where float32 would blur the label (``Task.double``) or make two classes equal.
        std: standard deviation over draws, of probabilities before calibration, same shape; zero where nothing was
            missing.  None where there is no telling: the method draws none, or a single draw was asked for.
        classes: class names, empty for real-valued labels.
        available: ``[N]`` what each prediction was made from, as ``audio+text``.
        notes: what a person should know of how the data were taken.
        distrusted: ``[N]`` what was available and taken as missing, as ``audio+text``; empty where that was not asked.
        intervals: 50, 80 and 90 (percent) -> ``[N, 2]`` ends of the interval that holds that share of real labels of
            samples like the validation samples (``md2n.evaluation.certainty``); empty for classes, and where not
            calibrated.
    """

    ids: Array
    output: npt.NDArray[np.float32] | npt.NDArray[np.float64]
    std: npt.NDArray[np.float32] | npt.NDArray[np.float64] | None
    classes: tuple[str, ...]
    available: tuple[str, ...]
    notes: tuple[str, ...] = ()
    intervals: Mapping[int, npt.NDArray[Any]] = field(default_factory=dict)
    distrusted: tuple[str, ...] = ()

    __repr__ = brief

    @property
    def labels(self) -> npt.NDArray[Any]:
        """``[N]`` the most probable class name, or the value."""
        return np.asarray(self.classes)[self.output.argmax(axis=1)] if self.classes else self.output

    def columns(self) -> dict[str, Array]:
        """Column name -> ``[N]``: prediction, std, probabilities or intervals, what was available, what distrusted."""
        best = self.output.argmax(axis=1) if self.classes else np.zeros(len(self.ids), np.int64)
        columns: dict[str, Array] = {"prediction": self.labels}
        if self.std is not None:
            columns["std"] = self.std[np.arange(len(best)), best] if self.classes else self.std
        columns |= {f"p_{name}": self.output[:, k] for k, name in enumerate(self.classes)}
        for level, ends in self.intervals.items():
            columns |= {f"low_{level}": ends[:, 0], f"high_{level}": ends[:, 1]}
        columns["available"] = np.asarray(self.available)
        return {**columns, "distrusted": np.asarray(self.distrusted)} if self.distrusted else columns

    def into(self, table: Any) -> Any:
        """The table that was predicted from, with the ``columns`` of the answer beside its own.

        Raises:
            DataError: it has a column of such a name.
        """
        from md2n.serve.tables import with_columns

        return with_columns(table, {}, self.columns())


@dataclass(frozen=True)
class Recovered:
    """Every modality of N samples in its own units: as given where given, recovered where not.

    Args:
        features: name -> one ``[T_i, d_k]`` array per sample, without a NaN; a number that was given is as it was.
        std: name -> the same shapes, standard deviation over draws; zero where given.  Empty for a method that draws
            none.
        was_given: name -> ``[N]`` bool, True where the sample has the modality.
        known: name -> one ``[T_i, d_k]`` bool array per sample, True at the numbers that were given.
        samples: the same as a data set, ready for a store.
        notes: what a person should know of how the data were taken.
        columns: modality -> columns of the table that was given, if it was one.
    """

    features: Mapping[str, list[npt.NDArray[np.float32]]]
    std: Mapping[str, list[npt.NDArray[np.float32]]]
    was_given: Mapping[str, npt.NDArray[np.bool_]]
    known: Mapping[str, list[npt.NDArray[np.bool_]]]
    samples: Samples
    notes: tuple[str, ...] = ()
    columns: Columns = field(default_factory=dict)

    __repr__ = brief

    def into(self, data: Any) -> Any:
        """The data that were given, with nothing missing; no known cell is changed.

        Args:
            data: the same table, which gets a column ``NAME_std`` beside each, if the method draws; or the same list of
                ``[N, d]`` arrays.

        Raises:
            DataError: another table, or one with a column of such a name.
        """
        from md2n.serve.tables import filled_arrays, filled_table

        return filled_arrays(data, self) if isinstance(data, list | tuple) else filled_table(data, self)
