"""Command blocks of the pages, and small files that stand for those which a reader brings."""

import os
import pickle
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.arrays import from_arrays
from md2n.data.store import write_store
from tests.data.readers.test_clips import mixture
from tests.data.readers.test_mmsa import content
from tests.data.readers.test_sdk import made as made_csd
from tests.project.sources import ROOT

GENERATED = ("benchmark.md", "acoustic-agreement.md")
PAGES = (ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name not in GENERATED))
BLOCK = re.compile(r"^```(?:bash|console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COSTLY = re.compile(r"# costly: (?:last run \d{4}-\d{2}-\d{2}|never run here)")
SIZES = {"text": (5, 6), "audio": (8, 4), "vision": (3,)}
COUNT = 24


@dataclass(frozen=True)
class Command:
    """A line of a block.

    Args:
        line: as printed, without the prompt.
        costly: whether it is below a line that says when it was last run.
    """

    line: str
    costly: bool


def commands(text: str) -> Iterator[Command]:
    """The commands of a page, in order."""
    for block in BLOCK.findall(text):
        costly = False
        for line in block.splitlines():
            if line.strip().startswith("#"):
                costly = costly or bool(COSTLY.fullmatch(line.strip()))
            elif words := line.removeprefix("$ ").strip():
                yield Command(words, costly)


def words_of(line: str) -> tuple[dict[str, str], list[str], str | None]:
    """(environment, words, file that stdout goes to) of a line, as a shell reads it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=">")
    lexer.whitespace_split = True
    words = [os.path.expanduser(word) for word in lexer]  # noqa: PTH111 - words, not paths
    target = words[words.index(">") + 1] if ">" in words else None
    words = words[: words.index(">")] if ">" in words else words
    environment = {}
    while words and re.match(r"[A-Z_0-9]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    return environment, words, target


# --- what a reader brings --------------------------------------------------------------------------------------------


def my_folder(folder: Path) -> None:
    """``samples.csv`` with .npy files; every fourth sample misses vision."""
    rng = np.random.default_rng(0)
    lines = ["id,split,y,y_mood,speaker,text,audio,vision"]
    for i in range(COUNT):
        cells = []
        for name, shape in SIZES.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            here = name != "vision" or i % 4
            if here:
                np.save(folder / name / f"clip{i}.npy", rng.normal(size=shape).astype(np.float32))
            cells.append(f"{name}/clip{i}.npy" if here else "")
        split = ("train", "train", "valid", "test")[i // 2 % 4]
        lines.append(
            ",".join([f"clip{i}", split, f"{(i % 5 - 2) / 2 + 0.25}", ("low", "high")[i % 2], f"s{i // 8}", *cells])
        )
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")


def store(folder: Path, known: str = "") -> None:
    """A store of those sizes: two classes, or the sentiment of a known set."""
    rng = np.random.default_rng(1)
    features = {name: rng.normal(size=(COUNT, *shape)).astype(np.float32) for name, shape in SIZES.items()}
    features["vision"][::4] = np.nan
    labels = rng.uniform(-3, 3, COUNT) if known else ["low", "high"] * (COUNT // 2)
    splits = ["train", "train", "valid", "test"] * (COUNT // 4)
    groups = {name: [f"{name}{i // 4}" for i in range(COUNT)] for name in ("subject", "speaker")}
    write_store(folder, from_arrays(features, labels, splits=splits, groups=groups, known=known))


def npz(path: Path) -> None:
    """``data.npz`` with two modalities and three label columns."""
    rng = np.random.default_rng(2)
    features = {f"x_{name}": rng.normal(size=(COUNT, *SIZES[name])).astype(np.float32) for name in ("text", "vision")}
    y = np.arange(COUNT) % 3 - 1
    split = np.arange(COUNT) % 3
    np.savez(path, **features, y=y, y_mood=(y + 1) % 2, y_age=np.arange(COUNT) + 20, split=split)


def xor(path: Path) -> None:
    """``xor.npz``: two vectors, of which the second is there mostly where the first says so."""
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 2, (2, 10 * COUNT))
    x_a, x_b = (np.stack([c, 1 - c], axis=1) + 0.1 * rng.normal(size=(len(c), 2)) for c in (a, b))
    x_b[rng.random(len(a)) > np.where(a == 1, 0.9, 0.1)] = np.nan
    np.savez(path, x_a=x_a, x_b=x_b, y=a ^ b, split=np.arange(len(a)) % 3)


def tables(folder: Path) -> None:
    """``labels.csv`` and a table for each of two modalities."""
    folder.mkdir()
    rows = range(COUNT)
    (folder / "labels.csv").write_text(
        "id,split,y,centre\n"
        + "".join(f"p{i},{('train', 'valid', 'test')[i % 3]},{'ab'[i % 2]},c{i % 3}\n" for i in rows)
    )
    (folder / "rna.csv").write_text("id,g1,g2,g3\n" + "".join(f"p{i},{i},{i * 0.5},1.5\n" for i in rows if i % 5))
    (folder / "protein.csv").write_text("id,p1,p2\n" + "".join(f"p{i},{-i},0.25\n" for i in rows if i % 7 or not i))


def clips(folder: Path) -> None:
    """Features of other programs, with words in time."""
    mixture(folder)
    (folder / "words").mkdir()
    for name in ("a", "b", "c ü"):
        (folder / "words" / f"{name}.csv").write_text("word,start_s,end_s\nso,0.0,0.02\ngood,0.02,0.04\n")


def pickled(path: Path) -> None:
    """An unaligned MMSA pickle."""
    path.write_bytes(pickle.dumps(content()))


def wide(path: Path) -> None:
    """A Parquet file with the columns of two modalities."""
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(3)
    columns = {name: rng.normal(size=COUNT) for name in ("acc_x", "acc_y", "hr_mean", "hr_std")}
    columns["acc_x"][::5] = columns["acc_y"][::5] = np.nan
    facts = {"y": ["low", "high"] * (COUNT // 2), "subject": [f"s{i // 4}" for i in range(COUNT)]}
    arrow.parquet.write_table(arrow.table({**columns, **facts}), path)


def csd(folder: Path) -> None:
    """CMU SDK files."""
    folder.mkdir()
    made_csd(folder)


BROUGHT: dict[str, Callable[[Path], None]] = {
    "my-folder": my_folder,
    "my-store": store,
    "new-store": store,
    "my-sentiment": lambda path: store(path, known="mosi"),
    "data.npz": npz,
    "table.parquet": wide,
    "xor.npz": xor,
    "mine": tables,
    "my-clips": clips,
    "unaligned_50.pkl": pickled,
    "csd-folder": csd,
    "data": lambda path: path.mkdir(),
}
