"""docs/reference/api.md: public classes and functions with their signatures, grouped by module."""

import ast

from scripts.pages import NOTICE, PROJECT
from scripts.pages.source import first_sentence, modules

SKIPPED = ("md2n.cli",)  # its interface is the command line's page
Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """The whole page."""
    parts = ["# Python API\n", NOTICE, "`md2n.load(run)` is all that use needs; the rest is for building on.\n"]
    for path, name, tree in modules():
        if name.startswith(SKIPPED):
            continue
        lines = [line for node in tree.body for line in _entry(node)]
        if not lines:
            continue
        where = path.relative_to(PROJECT).as_posix()
        parts.append(f"## {name}\n\n{first_sentence(ast.get_docstring(tree))} ([source](../../{where}))\n")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _entry(node: ast.stmt) -> list[str]:
    if isinstance(node, Function) and _public(node.name):
        return [f"- `{_code(node, False)}`<br>{_summary(node)}"]
    if isinstance(node, ast.ClassDef) and _public(node.name):
        kinds = [ast.unparse(base) for base in node.bases if ast.unparse(base) not in ("ABC", "abc.ABC")]
        bases = f" of `{', '.join(kinds)}`" if kinds else ""
        lines = [f"- **class** `{node.name}({_construction(node)})`{bases}<br>{_summary(node)}"]
        for inner in node.body:
            if isinstance(inner, Function) and _public(inner.name) and ast.get_docstring(inner):
                lines.append(f"    - `{_code(inner, True)}`<br>{_summary(inner)}")
        return lines
    return []


def _public(name: str) -> bool:
    return not name.startswith("_")


def _summary(node: Function | ast.ClassDef) -> str:
    return first_sentence(ast.get_docstring(node)) or "As in its base class."


def _code(node: Function, method: bool) -> str:
    """``name(arguments) -> result``; a property without its parentheses, a method without ``self``."""
    marks = {ast.unparse(d) for d in node.decorator_list}
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    if marks & {"property", "cached_property", "functools.cached_property"}:
        return f"{node.name}{result}"
    arguments = ast.unparse(_without_self(node.args) if method and "staticmethod" not in marks else node.args)
    return f"{node.name}({arguments}){result}"


def _without_self(arguments: ast.arguments) -> ast.arguments:
    copy = ast.arguments(**{field: getattr(arguments, field) for field in ast.arguments._fields})
    if copy.posonlyargs:
        copy.posonlyargs = copy.posonlyargs[1:]
    else:
        copy.args = copy.args[1:]
    return copy


def _construction(node: ast.ClassDef) -> str:
    """Arguments of the class: its ``__init__``'s, or the fields of a dataclass or named tuple."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return ast.unparse(_without_self(inner.args))
    record = any("dataclass" in ast.unparse(d) for d in node.decorator_list)
    record = record or any(ast.unparse(base).endswith("NamedTuple") for base in node.bases)
    if not record:
        return ""
    return ", ".join(
        ast.unparse(i) for i in node.body if isinstance(i, ast.AnnAssign) and "ClassVar" not in ast.unparse(i)
    )
