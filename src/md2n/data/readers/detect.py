"""Which reader fits the file or folder at a path, by its content."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from md2n.brief import first_few
from md2n.data.declaration import Meaning, declare
from md2n.data.readers import READERS
from md2n.data.readers.clip_files import READ
from md2n.data.readers.clips import LABELS
from md2n.data.readers.files import UNDERSTOOD, kind_of, require_file, what_is
from md2n.data.readers.folder import TABLE
from md2n.data.readers.sample_table import Options
from md2n.data.readers.table_file import is_table_file
from md2n.data.readers.tables import SAMPLE_TABLES, table_files
from md2n.data.readers.wide import Wanted
from md2n.data.samples import Samples
from md2n.data.store import is_store, open_store
from md2n.errors import DataError, UsageError
from md2n.reading import named

ACCEPTS: Mapping[str, frozenset[str]] = {
    "mmsa": frozenset(),
    "sdk": frozenset({"align", "modalities"}),
    "npz": frozenset({"split", "kinds", "classes"}),
    "folder": frozenset({"split", "kinds", "classes"}),
    "clips": frozenset({"split", "kinds", "classes", "align", "tier", "modalities"}),
    "tables": frozenset({"split", "kinds", "classes"}),
    "table": frozenset({"split", "kinds", "classes", "columns", "groups"}),
}
RECOGNISE = frozenset({"mmsa", "sdk"})  # readers that know a set by its content, and more of it than its labels


@named()
def read(
    source: str | Path,
    *,
    reader: str = "",
    name: str = "",
    label: str = "",
    modalities: Sequence[str] = (),
    split: str = "",
    align: str = "",
    tier: str = "",
    known: str | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    sentiment: Sequence[str] = (),
    columns: Wanted | None = None,
    groups: Sequence[str] = (),
    **options: Unpack[Options],
) -> Samples:
    """Read whatever is at a path: a store, pickle or ``data.npz``, or a folder of ``.csd``, ``.npy``, clips or tables.

    Args:
        source: file or folder.
        reader: the name of a reader, where the choice should not be made here.
        name: of the data set; made from the file's name if not given.
        label: the label column used by default.
        modalities: which ones, in this order; all if not given.
        split: an alternative split column (``data.npz``, ``samples.csv``, ``labels.csv``).
        align: what ``.csd`` sequences and clips are aligned to: ``none``, ``labels``, ``words`` or a modality.
        tier: the tier of words in TextGrids of clips, where there are several.
        known: a known data set (``md2n.data.known_sets``), whose label range and sentiment the labels have; None
            recognises it (pickle, ``.csd``), ``""`` declares nothing.
        ranges: label column ("" for the default one) -> least and greatest value.
        sentiment: label columns ("" for the default one) whose sign carries the meaning and whose zero is neutral.
        columns: modality -> its columns in one table with all modalities (``readers.wide``).
        groups: the columns of such a table that say who a sample is from.
        **options: see ``Options``; ``kinds`` and ``classes`` for ``data.npz``, ``samples.csv`` and ``labels.csv``.

    Raises:
        DataError: nothing there, nothing that is understood, or damaged; the message names what was found.  Labels
            outside their range.
        UsageError: an option that this layout does not have, or a name that it does not hold.
    """
    path = Path(source)
    unknown = options.pop("unknown", ())
    drop_empty = options.pop("drop_empty", False)
    special = {"split": split, "align": align, "tier": tier, "columns": columns, "groups": groups, **options}
    settings: dict[str, Any] = {k: v for k, v in special.items() if v not in (None, "", {}, ())}
    if is_store(path) and not reader:
        return _stored(path, name, label, modalities, settings, Meaning(known or "", ranges or {}, sentiment, unknown))
    chosen = READERS.check(reader) if reader else detect(path)
    for option in settings:
        if option not in ACCEPTS[chosen]:
            able = ", ".join(r for r, options in ACCEPTS.items() if option in options)
            raise UsageError(f"'{path}' is read as {chosen}, which has no option '{option}'", f"{option} is for {able}")
    if modalities and "modalities" in ACCEPTS[chosen]:
        settings["modalities"] = modalities
    recognises = chosen in RECOGNISE
    if recognises:
        settings["known"] = known
    samples: Samples = READERS.get(chosen)(
        path, name=name, label=label, unknown=unknown, drop_empty=drop_empty, **settings
    )
    samples = declare(samples, Meaning("" if recognises else known or "", ranges or {}, sentiment))
    return samples.only(modalities) if modalities else samples


def _stored(
    path: Path, name: str, label: str, modalities: Sequence[str], settings: Mapping[str, Any], meaning: Meaning
) -> Samples:
    """The samples of a store, with more said of their labels; all else that is said of them is settled."""
    if settings:
        raise UsageError(
            f"'{path}' is a store, which has no option '{next(iter(settings))}'",
            "give the option where the files themselves are imported",
        )
    samples = open_store(path)
    if label:
        samples.label(label)
        samples = replace(samples, default_label=label)
    samples = declare(replace(samples, name=name or samples.name), meaning)
    return samples.only(modalities) if modalities else samples


def detect(path: Path) -> str:
    """The name of the reader for a file or folder.

    Raises:
        DataError: nothing there, or nothing that is understood.
    """
    if path.is_dir():
        return _detect_folder(path)
    require_file(path)
    if path.name in SAMPLE_TABLES:
        return _beside(path)
    kind = kind_of(path)
    if kind == "pickle":
        return "mmsa"
    if kind == "npz":
        return "npz"
    if is_table_file(path):
        return "table"
    hints = {
        "hdf5": "one .csd file is one sequence; give the folder that holds the labels and the modalities",
        "npy": f"one .npy is one array; give a folder of them with {TABLE}, or a data.npz",
    }
    raise DataError(f"'{path}' is a {what_is(path)}, which cannot be read as a data set", hints.get(kind, UNDERSTOOD))


def _detect_folder(path: Path) -> str:
    if (path / TABLE).is_file():
        return _beside(path / TABLE)
    sequences = sorted(path.glob("*.csd"))
    # A table of labels and sequences without labels are clips; sequences of which one holds the labels are the SDK's.
    labelled = any("label" in s.stem.lower() for s in sequences)
    if (path / LABELS).is_file() and not labelled and not (path / "data.npz").is_file():
        return _beside(path / LABELS)
    if sequences:
        return "sdk"
    if (path / "data.npz").is_file():
        return "npz"
    names = sorted(p.name for p in path.iterdir())
    pickles = [n for n in names if n.endswith((".pkl", ".pickle"))]
    hint = f"give the file itself: '{path / pickles[0]}'" if pickles else UNDERSTOOD
    if not pickles and table_files(path):
        hint = f"add {LABELS} with id, split and labels: tables with a column 'id' are joined by it"
    raise DataError(f"'{path}' holds no data set: {first_few(names, 6) or 'it is empty'}", hint)


def _beside(about: Path) -> str:
    """The reader for a table of samples, by what is beside it."""
    folder = about.parent
    if about.name == TABLE:
        named = b".npy" in about.read_bytes().lower()
        return "folder" if named or not table_files(folder) else "tables"
    places = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    clips = any(folder.glob("*.csd")) or any(f.suffix.lower() in READ for p in places for f in p.iterdir())
    return "clips" if clips or not table_files(folder) else "tables"
