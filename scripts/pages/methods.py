"""docs/reference/methods.md: the cards of all registered methods."""

from scripts.pages import NOTICE, cell


def page() -> str:
    """The whole page."""
    from md2n.methods.base import Card
    from md2n.methods.catalogue import CONFIGS, MODELS

    lines = [
        "# Methods",
        NOTICE,
        "Where each method is from, and what ours does differently. `md2n train --model NAME` trains one.",
        "[Settings](settings.md) lists the fields of its configuration class.",
        "",
        "| name | title | family | year | recovers | configuration | where it is from | what ours does differently |",
        "|---|---|---|---:|---|---|---|---|",
    ]
    for name in MODELS.names():
        card: Card = MODELS.get(name).card
        title = f"{card.title} (**retracted**)" if card.retracted else card.title
        cells = (
            f"`{name}`",
            title,
            card.family,
            str(card.year),
            "yes" if card.recovers else "no",
            f"`{CONFIGS.get(name).__name__}`",
            card.paper,
            card.differences,
        )
        lines.append(f"| {' | '.join(cell(c) for c in cells)} |")
    return "\n".join(lines) + "\n"
