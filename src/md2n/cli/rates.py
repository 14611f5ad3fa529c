"""The option ``--hide MODALITY=RATE`` of ``md2n train`` and ``md2n evaluate``."""

from collections.abc import Iterable


def rates(options: Iterable[str]) -> dict[str, float]:
    """Modality -> rate.  One option may hold several pairs, separated by commas.

    Raises:
        UsageError: an option is not MODALITY=RATE, a rate is not a number, or a modality is named twice.

    >>> rates(["image=0.7", "text=0.3,audio=0"])
    {'image': 0.7, 'text': 0.3, 'audio': 0.0}
    """
    from md2n.errors import UsageError

    by_modality: dict[str, float] = {}
    for text in (part.strip() for one in options for part in one.split(",") if part.strip()):
        name, equals, rate = text.rpartition("=")
        try:
            number = float(rate)
        except ValueError:
            equals = ""
        if not (equals and name.strip()):
            raise UsageError(f"--hide '{text}' is not MODALITY=RATE", "for example: --hide image=0.7")
        if name.strip() in by_modality:
            raise UsageError(f"--hide names '{name.strip()}' twice", "give one rate for each modality")
        by_modality[name.strip()] = number
    return by_modality
