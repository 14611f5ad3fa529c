"""What the repository's files are, for tests of the repository about itself."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "md2n"
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".yaml", ".cff", ".html", ".json", ".cfg", ".sh", ""}
ELSEWHERE = {".venv", ".git", "site", "build", "dist", "demo", "runs", "__pycache__"}


@cache
def project_files() -> tuple[Path, ...]:
    """Files that git keeps or would keep; where there is no git, all but what is made."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [p for p in ROOT.rglob("*") if not ELSEWHERE & set(p.relative_to(ROOT).parts)]
    return tuple(sorted(p for p in found if p.is_file()))


def text_files() -> tuple[Path, ...]:
    return tuple(p for p in project_files() if p.suffix in TEXT)


def python_files(*folders: str) -> tuple[Path, ...]:
    """The Python files below the named folders, e.g. ``src``, ``tests``."""
    return tuple(p for p in project_files() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in folders)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """``md2n.data.store`` of ``src/md2n/data/store.py``."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def bound_names(node: ast.AST, scope: str = "") -> Iterator[tuple[int, str]]:
    """Line and dotted place of every name that the code binds: variables, arguments, attributes, functions, imports.

    >>> [place for _, place in bound_names(ast.parse("def f(x): y.z = x"))]
    ['f', 'f.x', 'f.z']
    """
    for child in ast.iter_child_nodes(node):
        name = _bound_name(child)
        place = f"{scope}.{name}".lstrip(".")
        if name is not None:
            yield getattr(child, "lineno", 0), place
        opens = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from bound_names(child, place if opens else scope)


def _bound_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name | ast.Attribute):
        return (node.id if isinstance(node, ast.Name) else node.attr) if isinstance(node.ctx, ast.Store) else None
    if isinstance(node, ast.alias):
        return node.asname or node.name.partition(".")[0]
    if isinstance(node, ast.MatchMapping):
        return node.rest
    if isinstance(node, ast.arg):
        return node.arg
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return node.name if isinstance(node, definitions | ast.ExceptHandler | ast.MatchAs | ast.MatchStar) else None


def told(path: Path) -> str:
    return str(path.relative_to(ROOT))
