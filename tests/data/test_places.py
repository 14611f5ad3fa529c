"""Nothing is written over what it is made from, nor under a name that means other data."""

from pathlib import Path

import pytest

from md2n.data.places import check_apart, check_store_place
from md2n.data.ready import load
from md2n.data.store import write_store
from md2n.errors import DataError, UsageError
from tests.data.sets import small


def test_a_store_does_not_take_the_name_of_a_ready_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for out in ("mosi", "./digits"):
        with pytest.raises(UsageError, match=r"is the name of a ready set.*\n.*choose another --out.*my-"):
            check_store_place(Path(out), "data.npz")
    check_store_place(Path("below/mosi"), "data.npz")
    check_store_place(tmp_path / "mosi", "data.npz")


def test_a_name_that_means_two_data_sets_is_refused_and_each_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("digits").name == "digits"
    write_store("digits", small())
    with pytest.raises(
        UsageError, match=r"is a ready set, and this folder holds a store of that name\n.*give ./digits for the store"
    ):
        load("digits")
    assert load("./digits").name == "small"
    Path("digits").rename("mine")
    assert load("digits").name == "digits"


@pytest.mark.parametrize("spelling", ["store", "./store", "below/../store", "link", "{}/store", "."])
def test_data_are_not_replaced_by_what_is_made_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_store("store", small())
    Path("below").mkdir()
    Path("link").symlink_to("store")
    for data in ("store", "link"):
        with pytest.raises(UsageError, match=r"would replace the data .* made from\n.*choose another place"):
            check_store_place(Path(spelling.format(tmp_path)), data)
    check_store_place(Path("store-filled"), "store")
    check_apart(Path("predictions.csv"), "store")
    with pytest.raises(UsageError, match="would replace the data"):
        check_apart(Path("store/ids.json"), "store")


def test_a_place_that_holds_something_else_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="exists and is not a store"):
        check_store_place(tmp_path / "mine", "digits")
