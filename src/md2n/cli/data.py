"""``md2n data``: which sets there are, other people's files into a store, what is wrong with them, what is in them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from md2n.cli.output import AsJson

if TYPE_CHECKING:
    from md2n.data.samples import Samples

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List, import, check and describe data sets.",
)

Root = Annotated[Path | None, typer.Option("--data-root", help="Folder of the ready sets (else MD2N_DATA_ROOT).")]
Chosen = Annotated[str, typer.Option(help="Modalities, separated by commas; all if not given.")]
Label = Annotated[str, typer.Option(help="The label column to check; the set's default if not given.")]
Split = Annotated[str, typer.Option(help="An alternative split of the set (`original` of ict_mmmo).")]
Source = Annotated[
    str, typer.Argument(metavar="NAME|STORE", help="A ready name, a store, or a file that import reads.")
]
Tier = Annotated[str, typer.Option(help="The tier of words in TextGrids; * for anything: '* - words'.")]
Ranges = Annotated[
    list[str] | None, typer.Option("--range", help="LOW,HIGH of the default label, or COLUMN=LOW,HIGH; repeatable.")
]
Sentiment = Annotated[
    bool, typer.Option("--sentiment", help="The default label is a sentiment: its zero is neutral (needs a range).")
]
Unknown = Annotated[
    list[str] | None, typer.Option(help="A label value that means 'not known', such as -1; repeatable.")
]

LIST_HELP = """Ready sets by name, and whether their data are here.

\b
Examples:
  md2n data list
  md2n data list --data-root ~/data
"""

IMPORT_HELP = """Read other people's feature files into a store of md2n's own.

\b
SRC is one of
  an MMSA pickle (.pkl), aligned or unaligned; nothing in it is run
  a data.npz: x_<modality>, m_<modality> presence, t_<modality> validity, y..., split, ids
  a folder of CMU SDK .csd files, the one with 'label' in its name holding the labels
  a folder with samples.csv (id, split, y..., a column of .npy paths per modality) and its .npy files
  a folder with labels.csv (id, split, y...) and a sub-folder per modality, in it one file per clip:
    COVAREP .mat; .csv, .tsv or .txt of OpenFace, py-feat, FACET, openSMILE, or start_s,end_s and numbers;
    .npy; .npz; a modality may also be one .csd file; words/ holds .csv, .TextGrid or .align for --align words
  a folder with labels.csv or samples.csv and one table per modality (.csv, .tsv), joined by their columns 'id'
  one table (.parquet, .csv, .tsv) with the columns of all modalities (--modality), labels and groups (--group)
  a ready name
  a store: to declare its labels, or to take some of its modalities

\b
Examples:
  md2n data import unaligned_50.pkl --out mosei --known mosei
  md2n data import csd-folder --out mosi-words --align words
  md2n data import data.npz --out mine --label y_mood --kind y_age=regression
  md2n data import table.parquet --modality 'acc=acc_*' --modality heart=hr,hrv --label y --group subject --out mine
  md2n data import my-folder --out mine --classes y=no,yes --drop-empty
  md2n data import my-clips --out mine --align words --label arousal
  md2n data import my-clips --out mine --align words --tier tokens
  md2n data import my-clips --out mine --known mosi
  md2n data import my-store --out my-store --range y=-1,1 --sentiment
  md2n data import data.npz --out mine --unknown=-1
"""

CHECK_HELP = """What is wrong with a data set: leaks, dead features, labels, gaps that give the label away.

Every byte of a store is compared with the checksums in its manifest.
Ends with exit code 3 if there is an error, 0 if there is nothing worse than a warning.

\b
Examples:
  md2n data check mosi --modalities text,vision
  md2n data check my-store --label y_mood
  md2n data check my-store --json > findings.json
"""

INFO_HELP = """What is in a data set: modalities, splits, labels, patterns, notes, where it came from.

\b
Examples:
  md2n data info stressid
  md2n data info my-store --json
"""


@app.command("list", help=LIST_HELP)
def list_sets(data_root: Root = None, json: AsJson = False) -> None:
    """Ready sets by name."""
    from md2n.data.ready import ENVIRONMENT, describe

    _set_root(data_root)
    sets = describe()
    if json:
        from md2n.cli.output import print_json

        print_json([{"name": name, "summary": summary, "here": here} for name, summary, here in sets])
        return
    from md2n.cli.description import plain_table
    from md2n.cli.output import print_table, say

    rows = [(name, summary, "yes" if here else "no") for name, summary, here in sets]
    print_table(plain_table("ready-sets", "Ready sets", ("name", "what it is", "here"), rows))
    if not all(here for *_, here in sets):
        say(f"sets that are not here are looked for in --data-root or {ENVIRONMENT}")


@app.command("import", help=IMPORT_HELP)
def import_source(
    source: Annotated[str, typer.Argument(metavar="SRC", help="File, folder or ready name.")],
    out: Annotated[Path, typer.Option(help="The store: a folder, made; a store in its place is replaced.")],
    name: Annotated[str, typer.Option(help="Name of the data set; made from SRC if not given.")] = "",
    label: Annotated[str, typer.Option(help="The label column used by default.")] = "",
    modalities: Chosen = "",
    align: Annotated[str, typer.Option(help=".csd, labels.csv: none, labels, words, or a modality to align to.")] = "",
    tier: Tier = "",
    known: Annotated[
        str,
        typer.Option(
            help="The labels are those of mosi, mosei, ch-sims or iemocap (range, sentiment), or none of these; "
            "a pickle or .csd is recognised if not given."
        ),
    ] = "",
    split: Annotated[str, typer.Option(help="An alternative split column (data.npz, samples.csv, labels.csv).")] = "",
    kind: Annotated[
        list[str] | None, typer.Option(help="COLUMN=regression or COLUMN=classification; repeatable.")
    ] = None,
    classes: Annotated[
        list[str] | None, typer.Option(help="COLUMN=name,name,... in the order of the codes; repeatable.")
    ] = None,
    unknown: Unknown = None,
    range_: Ranges = None,
    sentiment: Sentiment = False,
    reader: Annotated[
        str, typer.Option(help="mmsa, sdk, npz, folder, clips, tables or table; chosen by content if not given.")
    ] = "",
    modality: Annotated[
        list[str] | None,
        typer.Option(help="Of one table: NAME=COLUMNS, a pattern (acc=acc_*) or names (acc=x,y,z); repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Of one table: a column that says who a sample is from; repeatable.")
    ] = None,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Leave out samples without any modality.")] = False,
    data_root: Root = None,
) -> None:
    """Other people's files into a store."""
    from contextlib import suppress
    from dataclasses import replace
    from shlex import quote

    from md2n.cli.description import label_lines
    from md2n.cli.output import say
    from md2n.data.declaration import Meaning, declare, keep_meaning
    from md2n.data.places import check_store_place
    from md2n.data.readers.detect import read
    from md2n.data.ready import READY
    from md2n.data.store import check_place, is_store, open_intervals, open_store, write_store
    from md2n.errors import DataError

    meant: dict[str, Any] = {
        "ranges": dict(label_range(r) for r in range_ or ()),
        "sentiment": ("",) if sentiment else (),
        "unknown": tuple(unknown or ()),
    }
    intervals = {}
    if is_store(Path(source)) and out.resolve() == Path(source).resolve():
        check_place(out)  # a store may be written anew with more said of its labels: nothing of it is lost
    else:
        check_store_place(out, source)
    if source in READY and not Path(source).exists() and not reader:
        samples = _open(source, modalities, split, data_root)
        if label:
            samples = replace(samples, default_label=samples.label(label).task.label)
        samples = declare(replace(samples, name=name or samples.name), Meaning({"none": ""}.get(known, known), **meant))
    else:
        if is_store(Path(source)) and not reader:
            intervals = open_intervals(source)
        samples = read(
            source,
            reader=reader,
            name=name,
            label=label,
            modalities=_words(modalities),
            split=split,
            align=align,
            tier=tier,
            known={"": None, "none": ""}.get(known, known),
            kinds=dict(pair(k, "--kind", "y=regression") for k in kind or ()),
            classes={c: _words(names) for c, names in (pair(k, "--classes", "y=no,yes") for k in classes or ())},
            drop_empty=drop_empty,
            columns={k: _wanted(v) for k, v in (pair(m, "--modality", "acc=acc_*") for m in modality or ())},
            groups=tuple(group or ()),
            **meant,
        )
        if samples.source.get("reader") == "table" and samples.labels:
            from md2n.serve.fitting import with_splits

            samples = with_splits(samples)
    if is_store(out) and not (known or any(meant.values())):
        with suppress(DataError):  # an older store that cannot be read is replaced like any other
            samples, notes = keep_meaning(samples, open_store(out))
            for note in notes:
                say(f"note: {note}")
    write_store(out, samples, {k: times for k, times in intervals.items() if k in samples.names})
    for note in samples.notes:
        say(f"note: {note}")
    for line in label_lines(samples):
        say(line)
    say(f"{len(samples)} samples of {', '.join(samples.names)}; next: md2n data check {quote(str(out))}")
    typer.echo(str(out))


@app.command("check", help=CHECK_HELP)
def check_set(
    source: Source,
    modalities: Chosen = "",
    label: Label = "",
    split: Split = "",
    json: AsJson = False,
    data_root: Root = None,
) -> None:
    """What is wrong with a data set."""
    from dataclasses import asdict

    from md2n.cli.description import findings_table, pattern_facts
    from md2n.cli.output import print_json, print_table, say
    from md2n.data.check import check
    from md2n.data.store import compare_store, is_store

    samples = _open(source, modalities, split, data_root)
    if is_store(Path(source)):
        compare_store(source)
    findings = check(samples, label=label)
    count = {severity: sum(f.severity == severity for f in findings) for severity in ("error", "warning", "info")}
    if json:
        print_json(
            {
                "name": samples.name,
                "samples": len(samples),
                "modalities": list(samples.names),
                "counts": count,
                "findings": [asdict(f) for f in findings],
                "patterns": pattern_facts(samples),
            }
        )
    elif findings:
        print_table(findings_table(samples.name, findings))
    verdict = f"errors: {count['error']}, warnings: {count['warning']}, remarks: {count['info']}"
    say(f"{samples.name}, {len(samples)} samples of {', '.join(samples.names)}: {verdict}")
    if count["error"]:
        raise typer.Exit(3)


@app.command("info", help=INFO_HELP)
def describe_set(
    source: Source, modalities: Chosen = "", split: Split = "", json: AsJson = False, data_root: Root = None
) -> None:
    """What is in a data set."""
    from md2n.cli.description import facts_table, labels_table, modalities_table, patterns_table, set_facts
    from md2n.cli.output import print_json, print_table

    samples = _open(source, modalities, split, data_root)
    if json:
        print_json(set_facts(samples))
        return
    for table in (modalities_table(samples), labels_table(samples), patterns_table(samples), facts_table(samples)):
        if table.rows:
            print_table(table)


def _open(source: str, modalities: str, split: str, root: Path | None) -> "Samples":
    from shlex import quote

    from md2n.data.config import DataConfig
    from md2n.data.ready import READY, load
    from md2n.errors import UsageError

    if split and source not in READY:
        raise UsageError(
            f"'{source}' is no ready set, so it has one split",
            f"`md2n data import SRC --split {quote(split)} --out STORE` makes a store of another",
        )
    _set_root(root)
    return load(source, DataConfig(name=source, modalities=_words(modalities), split=split))


def _set_root(root: Path | None) -> None:
    import os

    from md2n.data.ready import ENVIRONMENT
    from md2n.errors import UsageError

    if root is None:
        return
    if not root.is_dir():
        raise UsageError(f"--data-root '{root}' is no folder", "give the folder that holds the ready sets")
    os.environ[ENVIRONMENT] = str(root)


def _wanted(text: str) -> str | tuple[str, ...]:
    """A pattern, or names of columns."""
    return _words(text) if "," in text else text


def _words(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in text.split(",") if w.strip())


def pair(text: str, option: str, example: str) -> tuple[str, str]:
    """Name and value of an option that is given as NAME=VALUE.

    Raises:
        UsageError: it is given otherwise.
    """
    from md2n.errors import UsageError

    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"{option} '{text}' is not NAME=VALUE", f"for example: {option} {example}")
    return name, value


def label_range(text: str) -> tuple[str, tuple[float, float]]:
    """Column ("" for the default one), least and greatest value, from what ``--range`` is given.

    Raises:
        UsageError: no two numbers.
    """
    from md2n.errors import UsageError

    column, equals, ends = text.rpartition("=")
    try:
        low, high = map(float, ends.split(","))
    except ValueError:
        raise UsageError(
            f"--range '{text}' is not LOW,HIGH or COLUMN=LOW,HIGH", "for example: --range -3,3, or --range y_mood=0,10"
        ) from None
    return column if equals else "", (low, high)
