"""``md2n doctor``: what is installed here, what it can do, and how to get the rest."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n doctor
  md2n doctor --json > here.json
"""

# What each extra is for; the packages of an extra are read from md2n's own metadata.
GIVES = {
    "plot": "figures in reports",
    "track": "training in TensorBoard",
    "wandb": "training in Weights & Biases",
    "mlflow": "training in MLflow",
    "tune": "md2n benchmark --tune",
    "ray": "predictions and recoveries on a Ray cluster",
    "search": "fast approximate search, in md2n retrieve",
    "tables": "Parquet and Arrow tables",
    "serve": "md2n serve",
    "hub": "models from and to the Hugging Face hub",
    "onnx": "md2n export to ONNX",
    "video": "reading of video and sound files",
    "text": "words to vectors, in md2n extract",
    "audio": "eGeMAPS voices, in md2n extract",
    "align": "alignment of words with sound, in md2n extract",
    "face": "faces, in md2n extract",
    "extract": "everything that md2n extract can do",
}
FOR_DEVELOPERS = ("dev", "docs")


class Extra(NamedTuple):
    """An extra of md2n: its name, what it is for, and which of its packages are not installed."""

    name: str
    gives: str
    lacks: tuple[str, ...]


def doctor(json: AsJson = False) -> None:
    """Show versions, devices, threads, data and extras of this machine."""
    from md2n.cli.description import plain_table
    from md2n.cli.output import print_json, print_table, say
    from md2n.errors import install_hint

    facts, extras = dict(machine()), list(extras_here())
    if json:
        print_json({"machine": facts, "extras": [extra._asdict() for extra in extras]})
        return
    print_table(plain_table("machine", "This machine", ("what", "is"), list(facts.items())))
    rows = [(e.name, e.gives, "yes" if not e.lacks else f"no: {', '.join(e.lacks)}") for e in extras]
    print_table(plain_table("extras", "Extras", ("extra", "what it gives", "installed"), rows))
    for extra in [e.name for e in extras if e.lacks][:1]:
        say(f"to install an extra, {extra} for example: {install_hint(extra)}")


add_examples(doctor, EXAMPLES)


def machine() -> Iterator[tuple[str, str]]:
    """Names and values of what md2n runs on."""
    import torch

    import md2n
    from md2n.data.ready import ENVIRONMENT, describe

    yield "md2n", f"{md2n.__version__} in {Path(md2n.__file__).parent}"
    yield "Python", f"{platform.python_version()} in {sys.prefix}"
    yield "system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield "libraries", ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    yield "threads", f"{torch.get_num_threads()} (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')})"
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    yield "devices", ", ".join(["cpu", *([f"cuda ({cuda})"] if cuda else []), *apple()])
    sets = describe()
    here = [name for name, _, present in sets if present]
    root = os.environ.get(ENVIRONMENT, "not set")
    yield "ready sets", f"{len(here)} of {len(sets)} are here: {', '.join(here)} ({ENVIRONMENT}={root})"


def apple() -> list[str]:
    """The device of Apple's processors, where there is one."""
    import torch

    return ["mps"] if torch.backends.mps.is_available() else []


def version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def extras_here() -> Iterator[Extra]:
    """Every extra for users, in the order of the package's metadata."""
    needs = requirements()
    for name in needs:
        if name not in FOR_DEVELOPERS:
            yield Extra(name, GIVES.get(name, ""), tuple(p for p in packages(name, needs) if version(p) is None))


def requirements() -> dict[str, list[str]]:
    """Extra -> its requirements, as the installed package names them; empty where md2n is run without installation."""
    needs: dict[str, list[str]] = {}
    try:
        names = metadata.metadata("md2n").get_all("Provides-Extra") or []
        listed = metadata.requires("md2n") or []
    except metadata.PackageNotFoundError:
        return needs
    for extra in names:
        mark = re.compile(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]")
        needs[extra] = [text.partition(";")[0].strip() for text in listed if mark.search(text)]
    return needs


def packages(extra: str, needs: dict[str, list[str]]) -> list[str]:
    """Packages of an extra, with those of the extras of md2n that it names.

    >>> packages("one", {"one": ["a", "b[x]>=1"]})
    ['a', 'b']
    """
    names: dict[str, None] = {}
    for text in needs.get(extra, ()):
        name = re.match(r"[\w.-]+", text)
        inner = re.search(r"\[(.*?)\]", text)
        if name is None:
            continue
        if name[0] == "md2n" and inner:
            for part in inner[1].split(","):
                names |= dict.fromkeys(packages(part.strip(), needs))
        else:
            names[name[0]] = None
    return list(names)
