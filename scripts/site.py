"""What mkdocs cannot do by itself when it builds the site; a hook of mkdocs.yml.

- MathJax is a file of the wheel django-static-mathjax (it needs no Django): pip installs it with the extra ``docs``, at
  the version of constraints.txt, and a page fetches nothing from elsewhere when it is read.
- Every package has a page of its docstrings without being listed by hand.
- A notebook of docs/notebooks/ is a page: its text, its code and what that printed.
- Links out of docs/ are for readers of the repository.  In the site, a link to a module leads to its docstrings, and a
  link to any other file is plain text.
"""

import json
import posixpath
import re
from importlib import metadata
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = PROJECT / "src" / "md2n"
MATHJAX = "es5/tex-svg.js"
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
NOTEBOOKS = PROJECT / "docs" / "notebooks"
HIDDEN = "cli"  # the page of the command line has it


def python_pages() -> dict[str, str]:
    """Path of a page -> its Markdown, for every package and, on one page, for the modules that stand alone."""
    alone = sorted(p.stem for p in SOURCE.glob("[!_]*.py"))
    packages = sorted(p.parent.name for p in SOURCE.glob("*/__init__.py") if p.parent.name != HIDDEN)
    pages = {"base": "# md2n: single modules\n\n" + "\n".join(directive(name, "heading_level: 2") for name in alone)}
    pages |= {name: directive(name, "show_submodules: true, heading_level: 1") for name in packages}
    return {f"reference/python/{name}.md": text for name, text in pages.items()}


def directive(name: str, options: str) -> str:
    """What mkdocstrings replaces by the docstrings of a module."""
    return f"::: md2n.{name}\n    options: {{{options}}}\n"


def notebook_page(path: Path) -> str:
    """A notebook as Markdown.  Of an output that comes in several kinds, the picture is taken, or else the text."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        bash = source.startswith("%%bash\n")
        code = f"```bash\n{source[7:]}\n```" if bash else f"```python\n{source}\n```"
        parts.append(source if cell["cell_type"] == "markdown" else code)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = "".join(output.get("text") or data.get("text/plain", "")).rstrip()
            picture = "".join(data.get("image/png", "")).replace("\n", "")
            parts.append(f"![a figure](data:image/png;base64,{picture})" if picture else f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def notebook_pages() -> dict[str, str]:
    """Path of a page -> its Markdown, for every notebook."""
    return {f"notebooks/{path.stem}.md": notebook_page(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}


def on_config(config: Any) -> Any:
    """Adds the notebooks to the navigation's part for use, and the Python pages to its last part, the reference."""
    config["nav"][1]["Use"].append({"Notebooks": list(notebook_pages())})
    reference = next(iter(config["nav"][-1].values()))
    entries = [{f"md2n.{Path(path).stem}": path} for path in python_pages()]
    entries[0] = {"single modules": next(iter(python_pages()))}
    reference.append({"Python, package by package": entries})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds notebooks, Python pages and MathJax to what is built."""
    from mkdocs.structure.files import File

    for path, text in (notebook_pages() | python_pages()).items():
        files.append(File.generated(config, path, content=text))
    wheel = metadata.distribution("django-static-mathjax")
    script = next(Path(str(f.locate())) for f in wheel.files or () if str(f).endswith(MATHJAX))
    files.append(File.generated(config, "javascripts/tex-svg.js", abs_src_path=str(script)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links out of docs/ into links to docstrings, or into their text; a link to a notebook leads to its page."""
    here = posixpath.dirname(f"docs/{page.file.src_uri}")

    def inside(match: re.Match[str]) -> str:
        text, target = match[1], posixpath.normpath(posixpath.join(here, match[2]))
        if target.startswith("docs/notebooks/"):
            return match[0].replace(".ipynb", ".md")
        if target.startswith("docs/") or not (PROJECT / target).exists():
            return match[0]
        module = target.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        documented = target.endswith(".py") and module.startswith("md2n.") and not module.startswith(f"md2n.{HIDDEN}")
        return f"[{text}][{module}]" if documented else text

    return LINK.sub(inside, markdown)
