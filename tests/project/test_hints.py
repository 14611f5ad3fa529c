"""What errors advise: it can be done as it is written, and it is printed, not referred to."""

import ast
import re
import tomllib

from md2n.errors import install_hint
from tests.project.sources import ROOT, python_files, told, tree

ELSEWHERE = re.compile(r"\bsee (the|your|its|python|docs|--help|`md2n)|\bas (listed|described)\b", re.IGNORECASE)


def advice() -> list[tuple[str, str]]:
    """(file and line, text) of every hint of an error in the source."""
    found = []
    for path in python_files("src"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
                found += [(f"{told(path)}:{node.lineno}", ast.unparse(hint)) for hint in node.args[1:2]]
    return found


def test_no_hint_sends_a_person_elsewhere() -> None:
    assert len(advice()) > 200
    assert [place for place, text in advice() if ELSEWHERE.search(text)] == []


def test_extras_are_advised_by_one_function_which_works_from_a_clone() -> None:
    written = [told(p) for p in python_files("src") if "md2n[" in p.read_text(encoding="utf-8")]
    assert written == ["src/md2n/errors.py"]
    templates = [p.name for p in (ROOT / "src").rglob("*.html") if "md2n[" in p.read_text(encoding="utf-8")]
    assert templates == []
    assert install_hint("text") == "pip install 'md2n[text]', or from a clone of md2n: pip install -e '.[text]'"


def test_every_extra_that_is_advised_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    source = "".join(p.read_text(encoding="utf-8") for p in python_files("src"))
    advised = set(re.findall(r"install_hint\([\"'](\w+)[\"']\)", source))
    assert {"plot", "text", "face"} <= advised <= extras.keys()
