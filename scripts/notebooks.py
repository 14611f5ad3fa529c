"""Runs the notebooks of docs/notebooks/ and writes into them what their cells print and draw.

python -m scripts.notebooks                 run all of them
python -m scripts.notebooks own_sensors     run one
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.pages import PROJECT

FOLDER = PROJECT / "docs" / "notebooks"
LONGEST_S = 600  # of one cell


def executed(path: Path) -> Any:
    """The notebook (``nbformat``) with the outputs of a run, in a folder of its own that is removed afterwards.

    Cells with ``%%bash`` find the commands of this environment.

    Raises:
        CellExecutionError: a cell failed; of ``nbclient``.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="md2n-") as folder:
        places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = os.environ | {"PATH": places, "IPYTHONDIR": folder, "OMP_NUM_THREADS": "1"}
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook,
            timeout=LONGEST_S,
            kernel_name="python3",
            resources=resources,
            coalesce_streams=True,  # pieces of a text are where the kernel's clock cut it
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute(env=environment)
    return plain(notebook)


def plain(notebook: Any) -> Any:
    """The same notebook without what depends on the machine and the minute."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def main() -> None:
    known = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all if none is given")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no notebook is called '{unknown[0]}'; known: {', '.join(known)}")
    import nbformat

    for path in [known[name] for name in names] or known.values():
        nbformat.write(executed(path), path)
        sys.stderr.write(f"{path.relative_to(PROJECT)} written\n")


if __name__ == "__main__":
    main()
