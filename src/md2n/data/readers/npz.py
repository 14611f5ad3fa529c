"""The ``data.npz`` layout: NumPy arrays by name, no pickled objects.

======================  ==============================  ================================================================
key                     shape                           meaning
======================  ==============================  ================================================================
``x_<modality>``        ``[N, d]`` or ``[N, T, d]``     features; zeros or anything where absent or padding
``m_<modality>``        ``[N]``                         presence; without it, always present (but NaN rows are absent)
``t_<modality>``        ``[N, T]``, or as ``x_``        validity of steps, or of single numbers; without it, all but NaN
``y``, ``y_<name>``     ``[N]``                         label columns; classes or real values: see ``readers.labels``
``split``, ``split_*``  ``[N]``                         0 train, 1 valid, 2 test, 255 unassigned; or words
``ids``                 ``[N]``                         sample ids; row numbers if absent
anything else           ``[N]`` text, whole or bool     a group column: subject, actor, task
======================  ==============================  ================================================================
"""

from pathlib import Path
from typing import Unpack

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.files import fingerprints
from md2n.data.readers.npy import load_npz
from md2n.data.readers.sample_table import Options
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named


@named()
def read_npz(
    path: str | Path, *, name: str = "", label: str = "", split: str = "split", **options: Unpack[Options]
) -> Samples:
    """Read a ``data.npz``.

    Args:
        path: the file, or the folder that holds ``data.npz``.
        name: of the data set; the file's name (or, for ``data.npz``, its folder's) if not given.
        label: the label column used by default; ``y``, else the first, if not given.
        split: key of the split.
        **options: see ``Options``; ``unknown=(-1,)`` for codes with -1 in the gaps.

    Raises:
        UnsafeFileError: an array of Python objects, which only pickle could read; it was not read.
        DataError: damaged, of another layout, or counts that differ.
        UsageError: ``label``, ``split``, ``kinds`` or ``classes`` names nothing.
    """
    file = Path(path)
    file = file / "data.npz" if file.is_dir() else file
    held = load_npz(file)
    for key, array in held.items():
        if not array.ndim and (key in ("y", "split", "ids") or key.startswith(("x_", "m_", "t_", "y_", "split_"))):
            raise DataError(f"'{file}': '{key}' is a single value", "every array needs one entry per sample")
    features = {k[2:]: held.pop(k) for k in list(held) if k.startswith("x_")}
    if not features:
        raise DataError(
            f"'{file}' has no features; it holds {first_few(held, 8) or 'nothing'}",
            "features are called x_<modality>: x_text, x_audio",
        )
    flags = {prefix: {k[2:]: held.pop(k) for k in list(held) if k.startswith(prefix)} for prefix in ("m_", "t_")}
    for prefix, entries in flags.items():
        for modality in entries:
            if modality not in features:
                raise DataError(
                    f"'{file}' has {prefix}{modality} but no x_{modality}", did_you_mean(modality, features)
                )
    labels = {k: held.pop(k) for k in list(held) if k == "y" or k.startswith("y_")}
    splits = {k: held.pop(k) for k in list(held) if k == "split" or k.startswith("split_")}
    if split not in splits and (splits or split != "split"):
        raise UsageError(f"'{file}' has no split called '{split}'", did_you_mean(split, splits))
    ids = held.pop("ids", None)
    count = next((len(x) for x in features.values() if x.ndim and x.size), 0)
    groups = {k: v for k, v in held.items() if v.shape == (count,) and _is_group(v)}
    left = sorted(name for name, v in held.items() if name not in groups and v.shape == (count,))
    return from_arrays(
        features,
        labels or None,
        splits=splits.get(split),
        ids=ids,
        groups=groups,
        name=name or (file.resolve().parent.name if file.name == "data.npz" else file.stem),
        default_label=label or ("y" if "y" in labels else ""),
        present=flags["m_"],
        valid=flags["t_"],
        notes=[f"arrays that are no group were left out, for they hold fractions: {first_few(left)}"] if left else (),
        source={
            "reader": "npz",
            "files": fingerprints([file]),
            "split": split,
            "left_out": sorted(set(held) - set(groups)),
        },
        **options,
    )


def _is_group(values: Array) -> bool:
    """Whether an array may name members: text, whole numbers, or whole numbers that became floats beside a gap."""
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        return bool(np.isfinite(known).all() and (known == np.floor(known)).all())
    return values.dtype.kind in "USiub"
