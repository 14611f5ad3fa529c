"""COVAREP's ``.mat`` files: 74 acoustic columns, a row every 10 ms.

The file holds ``features [T, 74]`` and ``names`` (a cell array of 74 words; older versions wrote 36, which name nothing
for sure).  Row i is measured around 0.005 + 0.01 i seconds, so its interval is the ten milliseconds from 0.01 i on.
COVAREP writes infinities and NaN where a measure has no value; such rows are invalid.  MATLAB writes two
layouts: version 5 (and 4), and 7.3, which is HDF5.

Source: Degottex et al., "COVAREP: a collaborative voice analysis repository", ICASSP 2014.
"""

from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.readers.files import require_file, signature
from md2n.data.readers.hdf5 import Hdf5, is_hdf5, open_hdf5, reference_dtype
from md2n.data.readers.matlab import read_mat
from md2n.data.readers.tracks import ClipFrames, track_of
from md2n.data.samples import Array, as_features
from md2n.errors import DataError
from md2n.reading import named

HOP_S = 0.01
FEATURES, NAMES = "features", "names"
AGAIN = "run COVAREP_feature_extraction on the recording again"


@named(hint=AGAIN)
def read_covarep(path: Path) -> ClipFrames:
    """The rows of one ``.mat`` file.

    Raises:
        DataError: missing, empty, truncated, no MATLAB file, without ``features``, or without a row; as many names as
            rows, where they are not as many as columns.
    """
    require_file(path)
    newest = is_hdf5(path) or signature(path) == "HDF5 file" or _says_73(path)
    variables = _version_73(path) if newest else read_mat(path, (FEATURES, NAMES), AGAIN)
    if FEATURES not in variables:
        raise DataError(
            f"'{path}' has no variable '{FEATURES}', only: {', '.join(sorted(variables)) or 'none'}",
            "COVAREP's files hold features [frames, 74] and names; other arrays are read as .npy",
        )
    features = as_features(variables[FEATURES], f"'{path}', '{FEATURES}'")
    if features.ndim != 2 or not features.size:
        raise DataError(
            f"'{path}' holds no frame: '{FEATURES}' has shape {features.shape}",
            "take the file away if the clip has no sound, or " + AGAIN,
        )
    names = tuple(_words(variables[NAMES])) if NAMES in variables else ()
    notes: tuple[str, ...] = ()
    if names and len(names) != features.shape[1]:
        if len(names) == len(features):
            raise DataError(
                f"'{path}' has {len(names)} names for {features.shape[1]} columns",
                f"'{FEATURES}' is [frames, columns]; transpose it",
            )
        notes = (f"{len(names)} names for {features.shape[1]} columns were ignored",)
        names = ()
    starts = HOP_S * np.arange(len(features))
    return ClipFrames(
        track_of(features, np.stack([starts, starts + HOP_S], axis=1)), names, "COVAREP .mat", notes=notes
    )


def _says_73(path: Path) -> bool:
    """True for MATLAB's own head before an HDF5 file, be that whole or not."""
    with path.open("rb") as stream:
        return stream.read(32).startswith(b"MATLAB 7.3")


def _version_73(path: Path) -> dict[str, Any]:
    with open_hdf5(path, AGAIN) as file:
        variables: dict[str, Any] = dict.fromkeys(k for k in file.names(file.root) if not k.startswith("#"))
        held, names = file.dataset(file.root, FEATURES), file.dataset(file.root, NAMES)
        variables.pop(NAMES, None)
        if held is None:
            variables.pop(FEATURES, None)
            return variables
        # MATLAB stores columns first, so the file holds its [T, 74] as [74, T]; empty arrays are stored as their sizes.
        empty = bool(held.attrs.get("MATLAB_empty", 0))
        variables[FEATURES] = np.zeros((0, 0)) if empty else file.read(held).T
        if names is not None and names.dtype == reference_dtype():
            variables[NAMES] = _referenced(file, file.read(names).reshape(-1), variables[FEATURES].shape)
        return variables


def _referenced(file: Hdf5, references: Array, shape: tuple[int, ...]) -> list[str]:
    """The words that references lead to; where their count does not fit the columns, none is followed."""
    if len(references) not in shape:
        return [""] * len(references)
    return ["".join(map(chr, file.read(file.referenced(r)).reshape(-1))) for r in references]


def _words(cells: Any) -> list[str]:
    """Words of a cell array, of a char matrix, or of a list."""
    flat: Array = np.asarray(cells).reshape(-1)
    return [str(c.reshape(-1)[0] if isinstance(c, np.ndarray) and c.size else c).strip() for c in flat]
