"""A store whose samples have unknown numbers: the same flags again, one by one or at once."""

import json

import numpy as np
import pytest

from md2n.data.store import MANIFEST, StoreWriter, checksum, open_store, verify_store, write_store
from md2n.errors import DataError
from tests.data.sets import assert_same, small, with_unknown_cells


def test_unknown_cells_are_kept_sample_by_sample_and_at_once(tmp_path):
    samples = with_unknown_cells()
    assert all(r.cells is not None for r in samples.modalities.values())
    path = write_store(tmp_path / "store", samples)
    assert_same(open_store(path), samples)
    assert verify_store(path) == []
    assert checksum(open_store(path)) == checksum(samples) == checksum(path)
    with StoreWriter(
        tmp_path / "grown",
        name=samples.name,
        dims={k: r.dim for k, r in samples.modalities.items()},
        labels={k: c.task for k, c in samples.labels.items()},
        groups=tuple(samples.groups),
        dtype={k: r.values.dtype for k, r in samples.modalities.items()},
    ) as writer:
        for i in range(len(samples)):  # the first samples have no unknown cell
            writer.extend(samples.select(np.array([i])))
    assert checksum(tmp_path / "grown") == checksum(path)


def test_only_a_store_with_unknown_cells_is_of_the_second_version(tmp_path):
    for samples, version in ((small(), 1), (with_unknown_cells(), 2)):
        path = write_store(tmp_path / f"store{version}", samples)
        manifest = json.loads((path / MANIFEST).read_text())
        assert manifest["version"] == version
        assert ("ecg.cells.npy" in manifest["files"]) == (version == 2)
    (path / "ecg.cells.npy").unlink()
    with pytest.raises(DataError, match=r"ecg\.cells\.npy' is missing"):
        open_store(path)
