"""Import rules that contracts between modules cannot say: which imports stand inside functions, and doors in torch."""

import ast
import configparser
import re
from collections.abc import Iterator

import pytest

from tests.project.sources import ROOT, SOURCE, module_name, python_files, told, tree

# Slow to import, or an extra: opened inside the function that needs it.
HEAVY = {
    *("rich", "matplotlib", "sklearn", "h5py", "pydantic", "tensorboard", "transformers", "jinja2", "optuna"),
    *("fastapi", "starlette", "uvicorn", "h11", "prometheus_client", "wandb", "mlflow", "faiss", "pyarrow", "pandas"),
    *("onnxruntime", "onnxscript", "huggingface_hub"),
    "ray",
}
# Draws progress bars and nothing else, so it is itself imported inside functions only.
RICH = "md2n.cli.progress"
# Whoever imports it asks for scikit-learn's classes; nothing else in md2n does.
OURS_OF_SKLEARN = "md2n.sklearn"


def imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[int, str, bool]]:
    """(line, module, whether it stands inside a function) of every import that runs; not those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from ((child.lineno, f"{child.module}.{alias.name}", inside) for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        else:
            yield from imports(child, inside or isinstance(child, ast.FunctionDef | ast.Lambda))


def top(module: str) -> str:
    return module.partition(".")[0]


def test_heavy_libraries_are_imported_inside_functions() -> None:
    wrong = [
        f"{told(path)}:{line} imports {module}"
        for path in python_files("src")
        for line, module, inside in imports(tree(path))
        if (top(module) in HEAVY or module.startswith((RICH, OURS_OF_SKLEARN))) and not inside
        if module_name(path) != RICH and not behind(OURS_OF_SKLEARN, module_name(path))
    ]
    assert wrong == []


# Library -> the packages or modules of md2n that may import it.
DOORS: dict[str, str | tuple[str, ...]] = {
    "typer": "md2n.cli",
    "click": "md2n.cli",
    "rich": "md2n.cli",
    "matplotlib": "md2n.report",
    "jinja2": "md2n.report",
    "optuna": "md2n.experiment.tuning",
    "h5py": "md2n.data.readers",
    "pyarrow": "md2n.data.readers.table_file",
    "pandas": (),  # tables are known by what they can do
    "pickle": "md2n.data.readers.unpickle",
    "joblib": "md2n.data.readers.unpickle",
    "av": "md2n.extraction.media",
    "pydantic": "md2n.config",
    "sklearn": ("md2n.data", "md2n.methods.boosted_trees.fitting", "md2n.sklearn"),
    "faiss": "md2n.serve.nearest_items",
    "ray": "md2n.serve.ray_engine",
    "transformers": "md2n.extraction",
    "pocketsphinx": "md2n.extraction",
    "afx_audio": "md2n.extraction",
    "ai_edge_litert": "md2n.extraction",
    "tensorboard": "md2n.training.tracking",
    "torch.utils.tensorboard": "md2n.training.tracking",
    "wandb": "md2n.training.tracking",
    "mlflow": "md2n.training.tracking",
    "huggingface_hub": "md2n.serve.pretrained",
    **dict.fromkeys(("onnxruntime", "onnxscript"), "md2n.export.files"),
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "h11", "prometheus_client"), "md2n.serve.http"),
}


def behind(door: str | tuple[str, ...], name: str) -> bool:
    """True where a module is the door, or one of the doors, or inside it."""
    doors = (door,) if isinstance(door, str) else door
    return any(f"{name}.".startswith(f"{d}.") for d in doors)


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library: str) -> None:
    wrong = [
        f"{told(path)}:{line} imports {module}"
        for path in python_files("src")
        for line, module, _ in imports(tree(path))
        if behind(library, module) and not behind(DOORS[library], module_name(path))
    ]
    assert wrong == []


def test_every_heavy_library_has_a_door() -> None:
    assert DOORS.keys() >= HEAVY


def test_methods_are_looked_up_by_name_and_not_imported() -> None:
    # Beside the catalogue nobody knows which methods there are, so a new one touches one file of ours.
    wrong = [
        f"{told(path)}:{line} imports {module}"
        for path in python_files("src")
        if not module_name(path).startswith("md2n.methods")
        for line, module, _ in imports(tree(path))
        if re.match(r"md2n\.methods\.\w+\.model", module)
    ]
    assert wrong == []


def test_nothing_is_imported_by_relative_path_or_star() -> None:
    wrong = [
        f"{told(path)}:{node.lineno}"
        for path in python_files("src")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.level or any(a.name == "*" for a in node.names))
    ]
    assert wrong == []


def test_every_package_stands_in_the_order_of_imports() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    order = contracts["importlinter:contract:order"]["layers"]
    ordered = {word.strip("()") for word in order.replace("|", " ").replace(":", " ").split()}
    packages = {p.name for p in SOURCE.iterdir() if (p / "__init__.py").is_file()}
    modules = {p.stem for p in SOURCE.glob("*.py")} - {"__init__"}
    assert packages | modules <= ordered
    assert ordered <= packages | modules


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import rich", [("rich", False)]),
        ("def f():\n    import rich", [("rich", True)]),
        ("class A:\n    from h5py import File", [("h5py.File", False)]),
        ("if TYPE_CHECKING:\n    import rich", []),
    ],
)
def test_the_search_for_imports(source: str, found: list[tuple[str, bool]]) -> None:
    assert [(module, inside) for _, module, inside in imports(ast.parse(source))] == found
