"""The store: the same bits again, whatever happens while it is written, and a clear word where it is damaged."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.data.manifest import former_place
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import (
    MANIFEST,
    checksum,
    compare_store,
    is_store,
    open_intervals,
    open_store,
    verify_store,
    write_store,
)
from md2n.errors import DataError, StorageError
from tests.data.sets import assert_same, small


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", small())


def edit(store: Path, **changes: object) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps({k: v for k, v in (manifest | changes).items() if v is not None}))


def write_names() -> list[str]:
    """Names of the files of a store of ``small``."""
    with tempfile.TemporaryDirectory() as folder:
        return sorted(p.name for p in write_store(Path(folder) / "store", small()).iterdir())


# --- round trip ------------------------------------------------------------------------------------------------------


def test_the_same_bits_again(tmp_path):
    for seed in range(3):
        samples = small(seed)
        path = write_store(tmp_path / "store", samples)
        assert path == tmp_path / "store"
        assert_same(open_store(path), samples)
        assert verify_store(path) == []
        assert_same(open_store(write_store(tmp_path / "copy", open_store(path))), samples)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "store"]


@pytest.mark.parametrize("rows", [[], [4], list(range(12))])
def test_few_samples_and_none(tmp_path, rows):
    samples = small().select(np.asarray(rows, np.int64))
    assert_same(open_store(write_store(tmp_path / "store", samples)), samples)


def test_data_without_labels_and_groups(tmp_path):
    samples = replace(small(), labels={}, groups={}, default_label="", normalise_by="")
    assert_same(open_store(write_store(tmp_path / "store", samples)), samples)


def test_features_are_mapped_and_files_are_what_numpy_writes(store, tmp_path):
    samples = open_store(store)
    for name, ragged in samples.modalities.items():
        assert isinstance(ragged.values, np.memmap)
        assert not ragged.values.flags.writeable
        np.save(tmp_path / "again.npy", ragged.values)
        assert (tmp_path / "again.npy").read_bytes() == (store / f"{name}.values.npy").read_bytes()
    assert not [p for p in store.iterdir() if p.suffix not in (".npy", ".json")]


def test_a_store_can_replace_the_one_it_was_made_of(store):
    samples = open_store(store)
    write_store(store, samples.only(("ecg", "text")))
    assert open_store(store).names == ("ecg", "text")
    assert np.array_equal(samples.modalities["text"].values, open_store(store).modalities["text"].values)


# --- the checksum ----------------------------------------------------------------------------------------------------


def test_the_checksum_is_the_same_in_memory_in_a_store_and_by_its_path(store):
    name = checksum(small())
    assert name == checksum(open_store(store)) == checksum(store) == checksum(str(store))
    assert len(name) == 16


def touched(samples: Samples, what: str) -> Samples:
    text = samples.modalities["text"]
    if what == "id":
        return replace(samples, ids=np.asarray([*samples.ids[:-1], "other"]))
    if what == "split":
        return replace(samples, split=np.where(samples.split == 255, 0, samples.split).astype(np.uint8))
    if what == "label":
        column = samples.labels["mood"]
        return replace(samples, labels=samples.labels | {"mood": replace(column, values=(column.values + 1) % 3)})
    if what == "value":
        values = text.values.copy()
        values[-1, -1] += 1
        return replace(samples, modalities=samples.modalities | {"text": replace(text, values=values)})
    if what == "valid":
        valid = text.valid.copy()
        valid[-1] = not valid[-1]
        return replace(samples, modalities=samples.modalities | {"text": replace(text, valid=valid)})
    if what == "bounds":
        offsets = text.offsets.copy()
        offsets[2] -= 1
        return replace(samples, modalities=samples.modalities | {"text": replace(text, offsets=offsets)})
    return samples.only(("ecg", "text"))


@pytest.mark.parametrize("what", ["id", "split", "label", "value", "valid", "bounds", "order"])
def test_the_checksum_knows_every_part(what):
    assert checksum(touched(small(), what)) != checksum(small())


# --- damage ----------------------------------------------------------------------------------------------------------


def test_what_is_no_store(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nothing", tmp_path / "file", tmp_path / "empty"):
        assert not is_store(path)
        with pytest.raises(DataError, match=r"is not a store\n.*md2n data import"):
            open_store(path)
        with pytest.raises(DataError, match="is not a store"):
            checksum(path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', '{"format": "md2n-st'])
def test_a_damaged_manifest(store, content):
    (store / MANIFEST).write_text(content)
    with pytest.raises(
        DataError, match=r"manifest.json' is not the manifest of a store, or is damaged\n.*import or copy"
    ):
        open_store(store)


def test_another_version(store):
    edit(store, version=7)
    with pytest.raises(
        DataError, match=r"is a store of version 7, this md2n reads version 1 and 2\n.*import the data again"
    ):
        open_store(store)
    write_store(store, small())  # replacing it is what the hint asks for
    assert verify_store(store) == []


@pytest.mark.parametrize("name", ["text.values.npy", "ids.json", "label.0.npy", "group.1.json"])
def test_files_that_are_missing_or_truncated(store, name):
    file = store / name
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match=rf"{name}' holds {size - 3} of {size} bytes\n.*damaged"):
        open_store(store)
    file.unlink()
    with pytest.raises(DataError, match=rf"{name}' is missing\n.*damaged"):
        open_store(store)


def flip(file: Path, position: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def test_changed_content_is_found_by_opening_and_by_verifying(store):
    assert verify_store(store) == []
    for name in ("text.values.npy", "split.npy"):
        flip(store / name)
    assert verify_store(store) == ["split.npy", "text.values.npy"]
    for opened in (open_store, compare_store, open_intervals):
        with pytest.raises(DataError, match=r"split.npy', '.*text.values.npy' are not what was written.*\n.*import or"):
            opened(store)


@pytest.mark.parametrize("name", write_names())
def test_every_file_of_a_store_is_vouched_for(store, name):
    if name == MANIFEST:
        edit(store, notes=["nothing is known against these data"])
    else:
        flip(store / name)
    assert verify_store(store) == [name]
    with pytest.raises(DataError, match=r"\n.*the store is damaged; import or copy it again"):
        open_store(store)


def test_an_array_that_the_manifest_does_not_list_is_not_taken_for_a_modalitys(store):
    np.save(store / "text.intervals.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(DataError, match=r"text.intervals.npy' is no file of this store.*\n.*move it elsewhere"):
        open_store(store)


def test_a_store_of_an_older_md2n_is_read_and_compared_whole(store):
    old = json.loads((store / MANIFEST).read_text())
    files = {name: {k: facts[k] for k in ("bytes", "sha256")} for name, facts in old["files"].items()}
    edit(store, files=files, manifest_sha256=None)
    assert_same(open_store(store), small())
    assert verify_store(store) == []
    flip(store / "text.values.npy")
    with pytest.raises(DataError, match="not what was written"):
        open_store(store)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"groups": None}, "the manifest lacks 'groups'"),
        ({"modalities": ["text"]}, "the manifest's 'modalities' is no dict"),
        ({"labels": ["y"]}, "the manifest's 'labels' is no list"),
        ({"notes": "a note"}, "the manifest's 'notes' is no list"),
        ({"name": 3}, "the manifest's 'name' is no str"),
        ({"files": None}, "does not say what its files hold"),
        ({"files": {"ids.json": 3}}, "does not say what its files hold"),
        ({"groups": ["person", "room", "third"]}, "No such file"),
        ({"modalities": {"text": {"dim": 9, "dtype": "<f2"}}}, "its manifest says"),
        ({"modalities": {"text": {"dim": 5, "dtype": "<f4"}}}, "its manifest says"),
        ({"modalities": {"../text": {"dim": 5, "dtype": "<f2"}}}, r"'../text' cannot name a modality"),
        (
            {"labels": [{"name": "y", "task": {"kind": "classification", "label": "y", "classes": []}}]},
            "label 'y' has 0 class",
        ),
    ],
)
def test_a_manifest_that_does_not_fit(store, changes, told):
    edit(store, **changes)
    with pytest.raises(DataError, match=told):
        open_store(store)


def test_a_header_that_does_not_fit(store):
    file = store / "text.offsets.npy"
    content = file.read_bytes()
    file.write_bytes(content[:10] + b"x" * 20 + content[30:])
    with pytest.raises(DataError, match=r"text.offsets.npy' is truncated or damaged: .*\n.*the store is damaged"):
        open_store(store)


def test_arrays_of_objects_are_not_read(store):
    file = store / "split.npy"
    np.save(file, np.asarray([{"a": 1}], object), allow_pickle=True)
    files = json.loads((store / MANIFEST).read_text())["files"]
    edit(store, files=files | {"split.npy": {"bytes": file.stat().st_size, "sha256": ""}})
    with pytest.raises(DataError, match="holds Python objects"):
        open_store(store)


# --- what stands in the way ------------------------------------------------------------------------------------------


def test_nothing_but_a_store_is_replaced(tmp_path, store):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(DataError, match=rf"{name}' exists and is not a store\n.*choose another --out"):
            write_store(tmp_path / name, small())
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    (store / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds more than a store: thesis.txt\n.*move these files away"):
        write_store(store, small(1))
    assert_same(open_store(store), small())
    (tmp_path / "empty").mkdir()
    write_store(tmp_path / "empty", small())
    assert verify_store(tmp_path / "empty") == []


def test_a_folder_of_the_users_own_beside_it_is_left_alone(tmp_path):
    for name in ("store.tmp", "store.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("x")
    write_store(tmp_path / "store", small())
    write_store(tmp_path / "store", small(1))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("mine")) == ["store.old/mine", "store.tmp/mine"]


def test_here_is_a_place_too(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_store("inner", small())
    assert is_store(tmp_path / "here" / "inner")


def test_a_store_is_written_to_what_a_link_leads_to_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("disk") / "store", target_is_directory=True)
    for seed in (0, 1):  # to nothing yet, then to a store
        write_store(link, small(seed))
        assert link.is_symlink()
        assert_same(open_store(tmp_path / "disk" / "store"), small(seed))
    (tmp_path / "disk" / "store").rename(former_place(link))  # killed between the two renamings
    assert_same(open_store(link), small(1))
    write_store(link, small())
    assert_same(open_store(link), small())
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_dir()) == ["disk", "link", "store"]


def test_a_place_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="choose a folder that can be written"):
        write_store(tmp_path / "file" / "store", small())


def test_a_source_that_is_no_json(tmp_path):
    for source in ({"x": np.float32(1)}, {"x": float("nan")}):
        with pytest.raises(DataError, match=r"the source of 'small' cannot be written as JSON"):
            write_store(tmp_path / "store", replace(small(), source=source))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_a_path_names_no_modality(tmp_path):
    samples = small()
    odd = replace(samples, modalities={"a/b": samples.modalities["text"], "ecg": samples.modalities["ecg"]})
    with pytest.raises(DataError, match="'a/b' cannot name a modality"):
        write_store(tmp_path / "store", odd)


def test_labels_keep_their_ranges(tmp_path):
    samples = open_store(write_store(tmp_path / "store", small()))
    assert samples.labels["score"].task.low == -3
    assert samples.labels["free"].task.high == float("inf")
    assert isinstance(samples.labels["mood"], LabelColumn)
    assert isinstance(samples.modalities["ecg"], Ragged)
