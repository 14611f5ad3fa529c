"""Reading the package's source without importing it: modules, documented names, first sentences."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.pages import SOURCE

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Docstring:
    """A docstring and whose it is.

    Args:
        path: of the file.
        module: dotted name.
        name: dotted name inside the module; empty for the module's own.
        text: cleaned of indentation.
    """

    path: Path
    module: str
    name: str
    text: str

    @property
    def owner(self) -> str:
        """``md2n.diffusion.process.DuplexProcess.step``."""
        return f"{self.module}.{self.name}" if self.name else self.module


def module_name(path: Path, root: Path = SOURCE) -> str:
    """``md2n.data.store`` of ``src/md2n/data/store.py``."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def modules(root: Path = SOURCE) -> Iterator[tuple[Path, str, ast.Module]]:
    """(file, dotted name, tree) of every module, by name."""
    for path in sorted(root.rglob("*.py"), key=lambda p: module_name(p, root)):
        yield path, module_name(path, root), ast.parse(path.read_text(encoding="utf-8"))


def docstrings(root: Path = SOURCE) -> Iterator[Docstring]:
    """Every docstring of the package, in the order of the source."""
    for path, module, tree in modules(root):
        for name, node in _named(tree, ""):
            text = ast.get_docstring(node)
            if text:
                yield Docstring(path, module, name, text)


def _named(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    yield name, node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _named(child, f"{name}.{child.name}" if name else child.name)


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, on one line, links of Sphinx's kind turned to Markdown's code."""
    paragraph = " ".join((text or "").strip().partition("\n\n")[0].split())
    # A full stop ends a sentence where a capital follows, but not after one of these.
    for end in re.finditer(r"[.!?](?= [A-Z`])", paragraph):
        if not re.search(r"\b(?:Eq|Sec|Fig|e\.g|i\.e|cf|ref)\.$", paragraph[: end.end()]):
            paragraph = paragraph[: end.end()]
            break
    return paragraph.replace("``", "`")
