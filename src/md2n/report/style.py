"""How figures look, and how they become files: colours, fonts, SVG and PNG whose bytes depend on the content only.

Colours are Okabe and Ito's, told apart under every common colour blindness; methods differ in their markers as well.
"""

import importlib.util
import io
from pathlib import Path
from typing import Any

from md2n.errors import UsageError, install_hint
from md2n.report.files import write_whole

Figure = Any  # matplotlib.figure.Figure; the name would import it

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":")
INK, FAINT, GRID = "#222222", "#6B6B6B", "#DDDDDD"

STYLE: Any = {  # matplotlib types its keys one by one, differently in every version
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "md2n",
}


def undrawable() -> str:
    """Why no figure can be drawn, and what to do about it, in a line; empty where figures can be drawn."""
    if importlib.util.find_spec("matplotlib") is not None:
        return ""
    return f"figures are left out, for matplotlib is not installed: {install_hint('plot')}"


def svg(figure: Figure) -> str:
    """The figure as an SVG document without date or version: the same figure gives the same text."""
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue().decode()


def png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as a PNG, ``dpi`` pixels per inch."""
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes ``name.svg`` and ``name.png``, each whole or not at all.

    Raises:
        StorageError: a file could not be written.
    """
    drawn = write_whole(folder / f"{name}.svg", svg(figure))
    return drawn, write_whole(folder / f"{name}.png", png(figure))


def check_drawable(path: Path) -> None:
    """Refuses a figure that could not be written, before the work.

    Raises:
        UsageError: neither .png nor .svg, or matplotlib is not installed.
    """
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"a figure cannot be written to '{path}'", "give a name that ends in .png or .svg")
    if undrawable():
        raise UsageError("a figure needs matplotlib, which is not installed", install_hint("plot"))


def write_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as its name says, .svg or .png, whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    return write_whole(path, svg(figure) if path.suffix == ".svg" else png(figure))
