"""COVAREP's ``.mat`` files: 74 acoustic columns, a row every 10 ms.

The file holds ``features [T, 74]`` and ``names`` (a cell array of 74 words; older versions wrote 36, which name nothing
for sure).  Row i is measured around 0.005 + 0.01 i
seconds, so it stands for the ten milliseconds from 0.01 i on.  COVAREP writes infinities and NaN where a measure has no
value; such rows are invalid.  MATLAB writes two layouts: version 5 (and 4), read by SciPy, and 7.3, which is HDF5.

Source: Degottex et al., "COVAREP: a collaborative voice analysis repository", ICASSP 2014.
"""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.readers.files import require_file, signature
from md2n.data.readers.frames import as_features
from md2n.data.readers.timed import ClipFrames, track_of
from md2n.data.samples import Array
from md2n.errors import DataError

HOP_S = 0.01
FEATURES, NAMES = "features", "names"
AGAIN = "run COVAREP_feature_extraction on the recording again"


def read_covarep(path: Path) -> ClipFrames:
    """The rows of one ``.mat`` file.

    Raises:
        DataError: missing, empty, truncated, no MATLAB file, without ``features``, or without a row; as many names as
            rows, where they are not as many as columns.
    """
    import h5py

    require_file(path)
    if h5py.is_hdf5(path):
        found = _version_73(path)
    elif signature(path) == "HDF5 file":
        raise DataError(f"'{path}' is truncated or damaged", AGAIN)
    else:
        found = _version_5(path)
    if FEATURES not in found:
        raise DataError(
            f"'{path}' has no variable '{FEATURES}', only: {', '.join(sorted(found)) or 'none'}",
            "COVAREP's files hold features [frames, 74] and names; other arrays are read as .npy",
        )
    features = as_features(found[FEATURES], f"'{path}', '{FEATURES}'")
    if features.ndim != 2 or not features.size:
        raise DataError(
            f"'{path}' holds no frame: '{FEATURES}' has shape {features.shape}",
            "take the file away if the clip has no sound, or " + AGAIN,
        )
    names = tuple(_words(found[NAMES])) if NAMES in found else ()
    notes: tuple[str, ...] = ()
    if names and len(names) != features.shape[1]:
        if len(names) == len(features):
            raise DataError(
                f"'{path}' has {len(names)} names for {features.shape[1]} columns",
                f"'{FEATURES}' is [frames, columns]; transpose it",
            )
        notes = (f"{len(names)} names for {features.shape[1]} columns are not believed",)
        names = ()
    starts = HOP_S * np.arange(len(features))
    return ClipFrames(
        track_of(features, np.stack([starts, starts + HOP_S], axis=1)), names, "COVAREP .mat", notes=notes
    )


def _version_5(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat, matlab

    try:
        found = loadmat(path, variable_names=[FEATURES, NAMES])
        if FEATURES not in found:
            return dict.fromkeys(name for name, _, _ in matlab.whosmat(path))
    except (
        matlab.MatReadError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        OSError,
        OverflowError,
        MemoryError,
        NotImplementedError,
        UnicodeDecodeError,
        struct.error,
        zlib.error,
    ) as error:
        state = "is truncated or damaged" if signature(path) == "MATLAB file" else "is no MATLAB file"
        raise DataError(f"'{path}' {state}: {error}", AGAIN) from error
    return {k: v for k, v in found.items() if not k.startswith("__")}


def _version_73(path: Path) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found: dict[str, Any] = dict.fromkeys(k for k in file if not k.startswith("#"))
            held = file.get(FEATURES)
            if not isinstance(held, h5py.Dataset):
                found.pop(FEATURES, None)
                return found
            # MATLAB stores columns first, so that its [T, 74] stands in the file as [74, T]; empty arrays as sizes.
            empty = bool(held.attrs.get("MATLAB_empty", 0))
            found[FEATURES] = np.zeros((0, 0)) if empty else np.asarray(held[()]).T
            names = file.get(NAMES)
            if isinstance(names, h5py.Dataset) and names.dtype == h5py.ref_dtype:
                found[NAMES] = ["".join(map(chr, file[r][()].reshape(-1))) for r in names[()].reshape(-1)]
            else:
                found.pop(NAMES, None)
            return found
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"'{path}' is truncated or damaged: {error}", AGAIN) from error


def _words(cells: Any) -> list[str]:
    """Words of a cell array, of a char matrix, or of a list."""
    flat: Array = np.asarray(cells).reshape(-1)
    return [str(c.reshape(-1)[0] if isinstance(c, np.ndarray) and c.size else c).strip() for c in flat]
