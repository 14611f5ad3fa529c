"""An HDF5 file reads itself and nothing else: every door to another file is closed before a byte goes through it."""

import os

import h5py
import numpy as np
import pytest

from md2n.data.readers.covarep import read_covarep
from md2n.data.readers.csd import open_sequence
from md2n.data.readers.hdf5 import open_hdf5
from md2n.errors import DataError, UnsafeFileError

SECRET = np.arange(6.0).reshape(3, 2)
INTERVALS = [[0, 1], [1, 2], [2, 3]]


@pytest.fixture
def other(tmp_path):
    """Another file of the user, as HDF5 and as plain bytes."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["features"] = SECRET
        file["group/features"] = SECRET
        file["group/intervals"] = INTERVALS
    (tmp_path / "secret.bin").write_bytes(SECRET.tobytes())
    return tmp_path


def external_storage(group, name, folder):
    group.create_dataset(name, SECRET.shape, "f8", external=[(str(folder / "secret.bin"), 0, h5py.h5f.UNLIMITED)])


def view_of_another(group, name, folder):
    layout = h5py.VirtualLayout(SECRET.shape, "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "features", SECRET.shape)
    group.create_virtual_dataset(name, layout)


def external_link(group, name, folder):
    group[name] = h5py.ExternalLink(str(folder / "secret.h5"), "/features")


def soft_link_to_an_external_one(group, name, folder):
    group.file["hidden"] = h5py.ExternalLink(str(folder / "secret.h5"), "/group")
    group[name] = h5py.SoftLink("/hidden/features")


def through_links(group, name, folder):
    group.file["a"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
    group.file["b"] = h5py.SoftLink("/a/group")
    group[name] = h5py.SoftLink("/b/features")


def by_a_plug_in(group, name, folder):
    facts = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    facts.set_chunk((3, 2))
    facts.set_scaleoffset(h5py.h5z.SO_FLOAT_DSCALE, 2)
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 2)), facts)


DOORS = [external_storage, view_of_another, external_link, soft_link_to_an_external_one, through_links, by_a_plug_in]


@pytest.mark.parametrize("name", ["features", "intervals"])
@pytest.mark.parametrize("door", DOORS)
def test_a_sequence_reads_no_other_file(other, door, name):
    for segment in ("first", "second"):
        with h5py.File(other / "x.csd", "w") as file:
            for one in ("first", "second"):
                group = file.create_group(f"root/data/{one}")
                for key, value in (("features", SECRET), ("intervals", INTERVALS)):
                    if (one, key) == (segment, name):
                        door(group, key, other)
                    else:
                        group[key] = value
        with pytest.raises(UnsafeFileError, match=r"x.csd': .*; it was not read"), open_sequence(other / "x.csd") as s:
            [s.track(one) for one in s.segments]


@pytest.mark.parametrize("place", ["root", "root/data", "root/data/v", "root/metadata"])
def test_no_group_on_the_way_is_in_another_file(other, place):
    with h5py.File(other / "x.csd", "w") as file:
        group = file.create_group("root/data/v")
        group["features"], group["intervals"] = SECRET, INTERVALS
        if place in file:
            del file[place]
        file[place] = h5py.ExternalLink(str(other / "secret.h5"), "/")
    with pytest.raises(UnsafeFileError, match="is a link into another file"), open_sequence(other / "x.csd") as s:
        s.track("v")
        s.dimension_names()


@pytest.mark.parametrize("door", DOORS)
def test_a_matlab_file_reads_no_other_file(other, door):
    with h5py.File(other / "a.mat", "w") as file:
        door(file, "features", other)
    with pytest.raises(UnsafeFileError, match=r"a.mat': .*; it was not read"):
        read_covarep(other / "a.mat")


def test_a_reference_leads_to_no_other_file(other):
    with h5py.File(other / "a.mat", "w") as file:
        file["features"] = SECRET
        external_storage(file, "refs", other)
        file.create_dataset("names", data=np.array([[file["refs"].ref]] * 3, h5py.ref_dtype), dtype=h5py.ref_dtype)
    with pytest.raises(UnsafeFileError, match="keeps its bytes in another file"):
        read_covarep(other / "a.mat")


def test_soft_links_inside_the_file_are_followed_and_circles_are_named(tmp_path):
    with h5py.File(tmp_path / "x.csd", "w") as file:
        file["kept/f"], file["kept/i"] = SECRET, INTERVALS
        for segment, features in (("v", "/kept/f"), ("w", "w"), ("x", "nowhere")):
            group = file.create_group(f"a/data/{segment}")
            group["features"], group["intervals"] = h5py.SoftLink(features), h5py.SoftLink("/kept/i")
        file["a/data/w/w"] = h5py.SoftLink("features")
    with open_sequence(tmp_path / "x.csd") as sequence:
        np.testing.assert_array_equal(sequence.track("v").features, SECRET)
        with pytest.raises(DataError, match="leads in a circle"):
            sequence.track("w")
        with pytest.raises(DataError, match="segment 'x' has no readable features"):
            sequence.track("x")


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"compression": "lzf"}, {"chunks": (1, 2)}])
def test_every_plain_way_to_store_is_read(tmp_path, options):
    options |= {"shuffle": True, "fletcher32": True} if options else {}
    with h5py.File(tmp_path / "x.csd", "w") as file:
        group = file.create_group("a/data/v")
        group.create_dataset("features", data=SECRET, **options)
        group["intervals"] = INTERVALS
    with open_sequence(tmp_path / "x.csd") as sequence:
        np.testing.assert_array_equal(sequence.track("v").features, SECRET)


@pytest.mark.parametrize("parts", [1, 40])
def test_a_file_may_hold_so_much_and_no_more(tmp_path, parts):
    """One large promise, or many that are small enough each."""
    with h5py.File(tmp_path / "x.csd", "w") as file:
        for i in range(parts):
            group = file.create_group(f"a/data/v{i}")
            group.create_dataset(
                "features", (40_000_000 // parts * 2, 1), "f4", chunks=(1 << 16, 1), compression="gzip"
            )
            group["intervals"] = [[0, 1]]
    with (
        pytest.raises(DataError, match=r"x.csd': '/a/data/v.*/features' declares .* may hold"),
        open_sequence(tmp_path / "x.csd") as sequence,
    ):
        for segment in sequence.segments:
            sequence._file.read(sequence._file.dataset(sequence._data, f"{segment}/features"))


def test_texts_that_share_their_bytes_are_counted_one_by_one(tmp_path):
    with h5py.File(tmp_path / "x.csd", "w") as file:
        held = file.create_dataset("a", (4000,), h5py.string_dtype())
        held[:] = ["x" * 1000] * 4000
    with open_hdf5(tmp_path / "x.csd", "again") as file:
        assert len(file.read(file.dataset(file.root, "a"))) == 4000
    with open_hdf5(tmp_path / "x.csd", "again") as file:
        file._budget.left = 19_000_000
        with pytest.raises(DataError, match="declares 4000 entries"):
            file.read(file.dataset(file.root, "a"))


def test_a_pipe_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "x.csd")
    with (
        pytest.raises(DataError, match=r"x.csd' cannot be read: it is a pipe, not a file"),
        open_sequence(tmp_path / "x.csd"),
    ):
        pass
