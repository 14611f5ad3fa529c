"""Tables that do what those of pandas, polars and Arrow do, as far as md2n asks it of them."""

from typing import Any

import numpy as np


class NAType:
    """pandas' missing value: it compares with nothing and is neither true nor false."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __float__(self) -> float:
        raise TypeError("float() argument must be a string or a real number, not 'NAType'")

    def __eq__(self, other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]


NA = NAType()


class Index:
    """Names of rows."""

    def __init__(self, names: list[Any]) -> None:
        self.names = names

    def tolist(self) -> list[Any]:
        return list(self.names)


class Series:
    """A column of pandas."""

    def __init__(self, values: Any, index: list[Any] | None = None) -> None:
        self.values = values if isinstance(values, np.ndarray) else np.array(values, object)
        self.index = Index(list(range(len(self.values))) if index is None else index)

    def __len__(self) -> int:
        return len(self.values)

    def to_numpy(self) -> np.ndarray:
        return self.values

    def to_list(self) -> list[Any]:
        return self.values.tolist()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


class PandasLike:
    """Columns by name, names of rows, and one array of the least type that holds all columns."""

    def __init__(self, held: dict[Any, Any], index: list[Any] | None = None) -> None:
        self.held = {k: Series(v, index) for k, v in held.items()}
        self.columns = list(held)
        self.index = next(iter(self.held.values())).index

    @classmethod
    def of(cls, array: np.ndarray, **more: Any) -> Any:
        return cls({f"c{i}": array[:, i] for i in range(array.shape[1])}, **more)

    def __len__(self) -> int:
        return len(self.index.names)

    def __getitem__(self, name: Any) -> Series:
        return self.held[name]

    def to_numpy(self) -> np.ndarray:
        plain = all(s.values.dtype != object for s in self.held.values())
        columns = [s.values if plain else s.values.astype(object) for s in self.held.values()]
        return np.stack(columns, axis=1)


class PolarsLike(PandasLike):
    """As pandas, without names of rows."""

    def __init__(self, held: dict[Any, Any]) -> None:
        super().__init__(held)
        del self.index

    def __len__(self) -> int:
        return len(self.held[self.columns[0]])


class ArrowLike:
    """Columns as lists, ``None`` where a cell is empty; no way to NumPy at all."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held
        self.column_names = list(held)
        self.columns = list(held.values())

    @classmethod
    def of(cls, array: np.ndarray) -> "ArrowLike":
        return cls({f"c{i}": [None if np.isnan(v) else float(v) for v in array[:, i]] for i in range(array.shape[1])})

    def __len__(self) -> int:
        return len(self.columns[0])

    def to_pydict(self) -> dict[str, list[Any]]:
        return {k: list(v) for k, v in self.held.items()}
