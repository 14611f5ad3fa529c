"""The embedded data set: handwritten digits that scikit-learn carries, seen through four views of unequal worth.

1,797 images of 8 x 8 from the UCI Optical Recognition of Handwritten Digits set; no download.  Logistic regression on
one normalised view, its strength chosen on the validation split, reaches on the test split: rows .983, edges .978,
fourier .843, moments .791; a ridge classifier .943, .923, .791, .696.
"""

import numpy as np
import numpy.typing as npt

from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.modality import Task
from md2n.seeding import numpy_generator

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
DECIMALS = 4  # so many of features that processors compute with errors of their own: the set is the same on all of them
SHARES = (0.61, 0.167)  # of each class to train and valid; the rest is the test split


def load_digits() -> Samples:
    """Modalities ``rows`` (8 frames of 8 pixels), ``edges`` [48], ``fourier`` [40], ``moments`` [7]; ten classes."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    images: Floats = np.asarray(bunch.images / 16, np.float32)
    codes = np.asarray(bunch.target, np.int64)
    classes = tuple(str(c) for c in range(10))
    return Samples(
        name="digits",
        modalities={
            "rows": Ragged.from_padded(images),
            "edges": Ragged.from_padded(edges(images)),
            "fourier": Ragged.from_padded(_settled(fourier(images))),
            "moments": Ragged.from_padded(_settled(moments(images))),
        },
        labels={"digit": LabelColumn(codes, Task("classification", "digit", classes))},
        split=stratify(codes),
        ids=np.asarray([f"digit-{i:04d}" for i in range(len(codes))]),
        default_label="digit",
        notes=("views of one image: recovery is possible in principle", "writers are not named in this set"),
        source={"reader": "sklearn.datasets.load_digits"},
    )


def edges(images: Floats) -> Floats:
    """``[N, 48]``: ink per row and per column, and how far it is to the first ink from each of the four sides."""
    ink = images > 0.25

    def depth(marked: npt.NDArray[np.bool_]) -> Floats:
        # Where a line has no ink the whole width is free.
        free = np.where(marked.any(axis=2), marked.argmax(axis=2), marked.shape[2])
        return np.asarray(free / marked.shape[2], np.float32)

    sideways = ink.transpose(0, 2, 1)
    profiles = [depth(ink), depth(ink[:, :, ::-1]), depth(sideways), depth(sideways[:, :, ::-1])]
    return np.concatenate([images.mean(axis=2), images.mean(axis=1), *profiles], axis=1)


def fourier(images: Floats) -> Doubles:
    """``[N, 40]``: magnitudes of the two-dimensional spectrum (half of it: the rest is its mirror); place is lost."""
    magnitudes = np.abs(np.fft.rfft2(images.astype(np.float64)))
    return np.log1p(magnitudes).reshape(len(images), -1)


def moments(pixels: Floats) -> Doubles:
    """``[N, 7]``: total ink, centre of mass, and the four normalised central moments 20, 02, 11, 30."""
    images = pixels.astype(np.float64)
    place = np.arange(8, dtype=np.float64)
    mass = images.sum(axis=(1, 2))
    x = (images.sum(axis=1) @ place) / mass
    y = (images.sum(axis=2) @ place) / mass
    dx, dy = place[None, None, :] - x[:, None, None], place[None, :, None] - y[:, None, None]

    def central(p: int, q: int) -> Doubles:
        value: Doubles = (images * dx**p * dy**q).sum(axis=(1, 2)) / mass ** (1 + (p + q) / 2)
        return value

    return np.stack([mass / 64, x, y, central(2, 0), central(0, 2), central(1, 1), central(3, 0)], axis=1)


def _settled(features: Doubles) -> Floats:
    """Rounded so far that the last bits, which differ between processors, are gone."""
    return np.round(features, DECIMALS).astype(np.float32)


def stratify(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """``[N]`` 0 train, 1 valid, 2 test, the same shares of every class, from a fixed seed."""
    split = np.full(len(codes), 2, np.uint8)
    for code in np.unique(codes):
        members = numpy_generator(0, "digits", int(code)).permutation(np.flatnonzero(codes == code))
        train, valid = (round(share * len(members)) for share in SHARES)
        split[members[:train]] = 0
        split[members[train : train + valid]] = 1
    return split
