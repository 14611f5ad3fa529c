"""A folder of ``.npy`` files and a ``samples.csv`` that says which file belongs to which sample.

``samples.csv`` is a table of samples (``sample_table``).  Each column whose filled cells all end in ``.npy`` is a
modality: a cell is a path relative to the folder, which it may not leave, or empty where the sample lacks the modality.
A file holds ``[T, d]``, or ``[d]`` for a vector; an empty array, such as ``np.array([])``, means the same as an empty
cell.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.files import fingerprints
from md2n.data.readers.npy import load_npy
from md2n.data.readers.sample_table import Options, read_facts
from md2n.data.readers.sample_table import target_of as target_of
from md2n.data.samples import Array, Samples
from md2n.errors import DataError
from md2n.reading import named

TABLE = "samples.csv"


@named()
def read_folder(
    path: str | Path, *, name: str = "", label: str = "", split: str = "split", **options: Unpack[Options]
) -> Samples:
    """Read a folder with ``samples.csv``.

    Args:
        path: the folder, or its ``samples.csv``.
        name: of the data set; the folder's name if not given.
        label: the label column used by default, whatever it is called; the first if not given.
        split: the column that holds the split.
        **options: see ``Options``.

    Raises:
        UnsafeFileError: an ``.npy`` of Python objects; it was not read.
        DataError: the table or a file is missing, damaged or does not hold together; the message names line and file.
        UsageError: ``label``, ``split``, ``kinds`` or ``classes`` names nothing.
    """
    table = Path(path)
    table = table / TABLE if table.is_dir() else table
    root = table.parent
    facts = read_facts(table, split, label, options)
    columns = facts.columns
    features: dict[str, Any] = {}
    for column in list(columns):
        cells = [c for c in columns[column] if c]
        if cells and all(c.lower().endswith(".npy") for c in cells):
            lines = columns.pop(column)
            features[column] = [_array(root, c, column, i + 2, table) if c else None for i, c in enumerate(lines)]
            _check_sizes(features[column], lines, column, table)
        elif any(c.lower().endswith(".npy") for c in cells):
            wrong = next(i for i, c in enumerate(columns[column]) if c and not c.lower().endswith(".npy"))
            raise DataError(
                f"'{table}', line {wrong + 2}: '{column}' holds '{columns[column][wrong]}' among paths of .npy files",
                "a modality's cell is a path or empty",
            )
    if not features:
        raise DataError(
            f"'{table}' has no modality: no column holds paths of .npy files",
            "give one column per modality, for instance text, with cells such as text/0001.npy",
        )
    nothing = [c for c in columns if not any(columns[c])]
    if nothing:
        raise DataError(
            f"'{table}': column '{nothing[0]}' is empty in every line",
            "if it is a modality, no sample has it; remove the column",
        )
    return from_arrays(
        features,
        facts.targets or None,
        splits=facts.splits,
        ids=facts.ids,
        groups=columns,
        name=name or root.resolve().name,
        default_label=label,
        source={"reader": "folder", "files": fingerprints([table])},
        **facts.options,
    )


def _array(root: Path, cell: str, column: str, line: int, table: Path) -> Array:
    where = f"'{table}', line {line}, '{column}'"
    file = root / cell
    if not file.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{where}: '{cell}' leaves the folder", "paths are relative to the folder and stay in it")
    array = load_npy(file, f"{where}: ")
    if array.ndim not in (1, 2):
        raise DataError(f"{where}: '{cell}' has shape {array.shape}", "a file holds [frames, features], or [features]")
    return array


def _check_sizes(arrays: Sequence[Array | None], cells: Sequence[str], column: str, table: Path) -> None:
    first: dict[int, str] = {}
    for cell, array in zip(cells, arrays):
        if array is not None and array.shape[-1]:  # an empty one is absent
            first.setdefault(array.shape[-1], cell)
    if len(first) > 1:
        sizes = ", ".join(f"{size} in '{cell}'" for size, cell in first.items())
        raise DataError(
            f"'{table}': feature sizes of '{column}' differ: {sizes}",
            "one modality has one feature size: extract it again, or make it another modality",
        )
