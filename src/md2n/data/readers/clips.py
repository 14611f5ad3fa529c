"""A folder of clips whose features others extracted: a sub-folder per modality, a file per clip, and ``labels.csv``.

.. code-block:: text

    mine/labels.csv          id,split,y,speaker
    mine/text/clip1.npy      my own array
    mine/audio/clip1.mat     COVAREP
    mine/vision/clip1.csv    OpenFace, py-feat or FACET; openSMILE
    mine/words/clip1.csv     word,start_s,end_s, or clip1.TextGrid: no modality, but what --align words aligns to

Instead of a sub-folder a modality may be one ``.csd`` file (``audio.csd``), whose segments bear the clips' names.  A
clip without a file lacks that modality.

``labels.csv`` is a table of samples (``sample_table``), whose ids are the files' names without their endings.
``recording``, ``start_s`` and ``end_s`` (seconds, both or neither) make a clip a stretch of a longer recording, whose
name its files then bear.  The columns ``file`` and ``transcript``, which ``md2n extract`` reads, are passed over.

``segments`` says what ``align`` does, ``clip_files`` what is read from which file.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

from md2n.brief import first_few
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.clip_files import READ, FolderPieces, list_files
from md2n.data.readers.csd import open_sequence, video_of
from md2n.data.readers.files import fingerprints, plain_name
from md2n.data.readers.sample_table import Options, read_facts
from md2n.data.readers.segments import (
    WORDS,
    Pieces,
    Segment,
    SequencePieces,
    cut,
    require_features,
    require_reference,
)
from md2n.data.readers.text_table import TXT
from md2n.data.readers.word_files import SUFFIXES
from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

LABELS = "labels.csv"
FIRST = ("text", "audio", "vision")
PASSED_OVER = ("file", "transcript")


@named()
def read_clip_features(
    path: str | Path,
    *,
    name: str = "",
    label: str = "",
    modalities: Sequence[str] = (),
    split: str = "split",
    align: str = "none",
    tier: str = "",
    **options: Unpack[Options],
) -> Samples:
    """Read a folder of features that were measured of clips.

    Args:
        path: the folder, or its ``labels.csv``.
        name: of the data set; the folder's name if not given.
        label: the label column used by default, whatever it is called; the first if not given.
        modalities: which ones; all if not given.
        split: the column that holds the split.
        align: ``none``, ``labels`` (one mean per clip), ``words`` or the name of a modality; see ``segments``.
        tier: the tier of words, where their files have several; see ``word_files``.
        **options: see ``Options``.

    Raises:
        DataError: the table or a file is missing, damaged or does not hold together; the message names the file.
        UsageError: ``align``, ``label``, ``modalities``, ``split``, ``kinds`` or ``classes`` names nothing.
    """
    table = Path(path)
    table = table / LABELS if table.is_dir() else table
    facts = read_facts(table, split, label, options)
    columns = {k: v for k, v in facts.columns.items() if k not in PASSED_OVER}
    segments = _segments(facts.ids, columns, table)
    notes = [f"column '{c}' of {LABELS} is empty and was left out" for c, cells in columns.items() if not any(cells)]
    places, passed = _places(table.parent)
    notes += [_nothing_in(one, files) for one, files in passed.items() if one != WORDS]
    notes += _beside(table)
    for modality in modalities:
        if modality not in places or modality == WORDS:
            raise UsageError(f"'{table.parent}' has no modality '{modality}'", did_you_mean(modality, places))
    # Words are read where something is aligned to them.
    wanted = {k: v for k, v in places.items() if (align == WORDS if k == WORDS else not modalities or k in modalities)}
    if align == WORDS and WORDS in passed:
        raise DataError(
            f"'{table.parent / WORDS}' holds no files of words ({first_few(passed[WORDS]) or 'it is empty'})",
            f"put a file per clip into it that ends in {', '.join(SUFFIXES)}",
        )
    require_reference(align, {*wanted, *({WORDS} & places.keys())})
    if tier and align != WORDS:
        raise UsageError(f"a tier is named ('{tier}'), but nothing is aligned to words", "add --align words")
    known = {s.id for s in segments} | {s.recording for s in segments}
    with ExitStack() as stack:
        sources: dict[str, Pieces] = {}
        having: set[str] = set()
        for modality, place in wanted.items():
            sources[modality] = pieces = _open(stack, modality, place, segments, tier)
            held = {*pieces.names, *map(video_of, pieces.names)}
            having |= held if modality != WORDS else set()
            if not known & held:
                raise DataError(
                    f"'{place}' holds nothing of the clips in '{table}': it has '{pieces.names[0]}', the table "
                    f"'{segments[0].recording}'",
                    "name each file by the clip's id, or by its recording",
                )
        arrays = cut(sources, segments, align)
        for modality, source in sources.items():
            notes += source.notes(modality, known)
        layouts = {k: s.layouts() for k, s in sources.items()}
    arrays.pop(WORDS, None)
    if align != "none":
        # Means hold no trace of the frames that took no part in them.
        notes += [note for k, (_, counted) in arrays.items() if (note := counted.note(f"{k}, before alignment"))]
    empty = [s for i, s in enumerate(segments) if all(frames[i] is None for frames, _ in arrays.values())]
    lost = [s.id for s in empty if having & {s.id, s.recording}]
    if lost and align not in ("none", "labels") and not options.get("drop_empty"):
        raise DataError(
            f"{len(lost)} of {len(facts.ids)} clips have nothing to align to '{align}' ({first_few(lost)})",
            f"a clip without '{align}' has no steps: --drop-empty leaves such clips out, --align none keeps them",
        )
    return from_arrays(
        {k: arrays[k][0] for k in arrays},
        facts.targets or None,
        splits=facts.splits,
        ids=facts.ids,
        groups={k: cells for k, cells in columns.items() if any(cells)},
        name=name or table.resolve().parent.name,
        default_label=label,
        notes=notes,
        source={
            "reader": "clips",
            "files": fingerprints([table, *(p for p in wanted.values() if p.is_file())]),
            "layouts": layouts,
            "align": align,
        },
        **facts.options,
    )


def _segments(ids: Sequence[str], columns: dict[str, list[str]], table: Path) -> list[Segment]:
    """The clips as stretches of recordings; the columns of times are taken out of ``columns``."""
    starts, ends = columns.pop("start_s", None), columns.pop("end_s", None)
    if (starts is None) != (ends is None):
        there, gone = ("start_s", "end_s") if ends is None else ("end_s", "start_s")
        raise DataError(f"'{table}' has a column '{there}' but no '{gone}'", "give both, in seconds, or neither")
    recordings = columns.get("recording")
    if starts is not None and recordings is None:
        raise DataError(
            f"'{table}' has start_s and end_s but no column 'recording'",
            "say which recording each clip is cut from; its files bear the recording's name",
        )
    segments = []
    for i, one in enumerate(ids):
        start, end = -math.inf, math.inf
        if starts is not None and ends is not None and (starts[i] or ends[i]):
            try:
                start, end = float(starts[i]), float(ends[i])
            except ValueError as error:
                raise DataError(
                    f"'{table}', line {i + 2}: start_s '{starts[i]}' and end_s '{ends[i]}' are no two numbers",
                    "give both, in seconds with a point for decimals, or leave both empty",
                ) from error
            if not (math.isfinite(start) and math.isfinite(end) and end > start):
                raise DataError(f"'{table}', line {i + 2}: the clip ends before it starts", "start_s < end_s")
        segments.append(Segment(one, (recordings[i] if recordings else "") or one, start, end))
    return segments


def _nothing_in(folder: str, files: Sequence[str]) -> str:
    """What is said of a sub-folder that holds nothing that is read."""
    if not files:
        return f"'{folder}' holds no feature files and was left out"
    return (
        f"'{folder}' holds no feature files but {first_few(files)} and was left out; read are {', '.join(READ)} "
        f"({TXT} where it is a table of frames)"
    )


def _beside(table: Path) -> list[str]:
    """What is said of feature files that lie beside the table, where none is looked for."""
    kinds = set(READ) - {TXT}
    files = sorted(p.name for p in table.parent.iterdir() if p.suffix.lower() in kinds and p.is_file() and p != table)
    where = f"beside {table.name} were left out ({first_few(files)}): a modality is a sub-folder or a .csd"
    return [f"{len(files)} files {where}"] if files else []


def _places(root: Path) -> tuple[dict[str, Path], dict[str, list[str]]]:
    """Modality -> its folder or ``.csd`` file, in order; and folders that hold nothing that is read -> their files."""
    places: dict[str, Path] = {}
    passed = {}
    for place in sorted(p for p in root.iterdir() if not p.name.startswith((".", "__"))):
        if place.is_dir():
            files, others = list_files(place, plain_name(place.name) == WORDS)
            if not files:
                passed[place.name] = others
                continue
            modality = plain_name(place.name)
        elif place.suffix.lower() == ".csd":
            modality = plain_name(place.stem)
        else:
            continue
        if modality in places:
            raise DataError(
                f"'{root}' has '{modality}' twice: {places[modality].name}, {place.name}", "keep one, or rename one"
            )
        places[modality] = place
    if not places.keys() - {WORDS}:
        raise DataError(
            f"'{root}' has {LABELS} but no modality: no sub-folder holds {', '.join(READ)} files, and there is no .csd",
            "put the files of each modality into a sub-folder; raw clips are for `md2n extract`",
        )
    return {m: places[m] for m in [*(m for m in FIRST if m in places), *(m for m in places if m not in FIRST)]}, passed


def _open(stack: ExitStack, modality: str, place: Path, segments: Sequence[Segment], tier: str) -> Pieces:
    if place.is_dir():
        return FolderPieces(place, words=modality == WORDS, tier=tier)
    sequence = stack.enter_context(open_sequence(place))
    if modality != WORDS:
        require_features(modality, sequence)
    return SequencePieces(sequence, segments)
