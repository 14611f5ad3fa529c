"""Places to write to: never over the source data, never under the name of other data."""

from pathlib import Path

from md2n.data.sets import READY
from md2n.data.store import check_place, is_store
from md2n.errors import UsageError


def check_store_place(out: Path, data: str | Path) -> None:
    """Refuses a place for a store that is made from other data, before the work.

    Args:
        out: of the store.
        data: its source: a ready name, or the path of a store, file or folder.

    Raises:
        UsageError: it is the place of the data, or the name of a ready set, which every command would read instead.
        DataError: the path holds something that is no store, or more than a store.
    """
    if str(out) in READY:
        raise UsageError(
            f"'{out}' is the name of a ready set, which every command would read in place of this store",
            f"choose another --out, for example --out my-{out}",
        )
    check_apart(out, data)
    check_place(out)


def check_apart(out: Path, data: str | Path) -> None:
    """Refuses to replace data, or a file of them, by what is made from them, however the two paths are spelt.

    Raises:
        UsageError: ``out`` is the data, a folder above them, or a file of them.
    """
    if str(data) in READY and not Path(data).exists():
        return
    target, source = out.resolve(), Path(data).resolve()
    if not source.exists():  # an absent file is refused where it is read
        return
    if target == source or target in source.parents or (source in target.parents and target.is_file()):
        raise UsageError(
            f"--out '{out}' would replace the data '{data}' that it is made from", "choose another place for --out"
        )


def check_one_meaning(name: str) -> None:
    """Refuses a name that means two data sets here.

    Raises:
        UsageError: the path of a store is the name of a ready set.
    """
    if name in READY and is_store(Path(name)):
        raise UsageError(
            f"'{name}' is a ready set, and this folder holds a store of that name",
            f"give ./{name} for the store; for the ready set, rename the store or go to another folder",
        )
