"""Members, ids and labels with gaps, commas and bytes; a header is the first row of a table."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.labels import label_column
from md2n.data.readers.npz import read_npz
from md2n.data.readers.wide_table import read_table
from md2n.errors import DataError
from md2n.serve.fitting import with_splits

N = 60
RNG = np.random.default_rng(0)


def test_a_word_in_a_row_makes_no_header_of_it(tmp_path: Path) -> None:
    stimuli = ["table", "chair", "frame", "dog", "word"]
    rows = [f"{stimuli[i % 5]},{i % 2},{i},{i + 1},{i * 2},{i}" for i in range(N)]
    path = tmp_path / "st.csv"
    path.write_text("\n".join(["stimulus,label,eeg_a,eeg_b,eye_a,eye_b", *rows]))
    samples = read_table(path)
    assert len(samples) == N
    assert samples.source["columns"] == {"eeg": ["eeg_a", "eeg_b"], "eye": ["eye_a", "eye_b"]}
    assert list(samples.labels) == ["label"]


def test_labels_with_decimal_commas() -> None:
    commas = label_column(["0,5", "-99,0", "1,5E-05", "-2"], "y", unknown=["-99"])
    assert commas.task.kind == "regression"
    np.testing.assert_allclose(commas.values, [0.5, np.nan, 1.5e-5, -2])
    with pytest.raises(DataError, match="holds text, so it cannot be real-valued: 'much'"):
        label_column(["0,5", "much"], "y", kind="regression")


def test_members_and_ids_of_arrays(tmp_path: Path) -> None:
    people = np.where(np.arange(N) % 5 == 0, np.nan, np.arange(N) // 4)
    file = tmp_path / "fg.npz"
    arrays = {"x_a": RNG.normal(size=(N, 2)), "x_b": RNG.normal(size=(N, 2)), "y": np.arange(N) % 2}
    np.savez(
        file, **arrays, subject=people, ids=np.array([f"i{i}" for i in range(N)], "S"), loudness=RNG.normal(size=N)
    )
    samples = read_npz(file)
    assert samples.groups["subject"][:6].tolist() == ["", "0", "0", "0", "1", ""]
    assert samples.ids[:2].tolist() == ["i0", "i1"]
    assert any("hold fractions: loudness" in note for note in samples.notes)
    named = from_arrays({"a": arrays["x_a"], "b": arrays["x_b"]}, groups={"who": ["NA", None] * (N // 2)})
    assert named.groups["who"][:2].tolist() == ["NA", ""]


def test_rows_of_nobody_known_are_divided_like_others() -> None:
    people = ["" if i % 3 == 0 else f"p{i // 6}" for i in range(N)]
    samples = from_arrays({"a": RNG.normal(size=(N, 2)), "b": RNG.normal(size=(N, 2))}, groups={"subject": people})
    split = with_splits(samples).split
    unknown = split[np.array(people) == ""]
    assert len(set(unknown.tolist())) == 3
    known = {(p, s) for p, s in zip(people, split.tolist()) if p}
    assert len(known) == len({p for p, _ in known})
