"""Pages that open without a network, filled from the templates beside this file."""

from typing import Any


def filled(template: str, **facts: Any) -> str:
    """A page of one look with the others (``base.html``).

    Args:
        template: name of the file; what it asks for and is not given is an error.
        facts: what it is filled with; text is escaped.

    Returns:
        HTML.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("md2n", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**facts)
