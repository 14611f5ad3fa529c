"""Pages that open without a network, filled from the templates beside this file."""

from importlib import resources
from typing import Any

from md2n.escape import visible


def filled(template: str, **facts: Any) -> str:
    """A page of one look with the others (``base.html``).

    Args:
        template: name of the file; what it asks for and is not given is an error.
        facts: what it is filled with; text is escaped, control characters are written out.

    Returns:
        HTML.
    """
    import jinja2

    beside = resources.files("md2n.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: beside.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda fact: visible(fact, lines=True) if type(fact) is str else fact,  # not of pictures
    )
    return environment.get_template(template).render(**facts)
