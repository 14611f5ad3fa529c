"""Front ends by the names that people give them; their code is imported when they are chosen."""

from pathlib import Path

from md2n.errors import UsageError, did_you_mean
from md2n.extraction.base import Extractor
from md2n.registry import Registry

NONE = "none"
FRONT_ENDS: dict[str, Registry] = {
    "text": Registry("text front end", {"bert": "md2n.extraction.text:BertText"}),
    "audio": Registry(
        "acoustic front end",
        {
            "covarep-like": "md2n.extraction.audio.extractors:CovarepLike",
            "egemaps": "md2n.extraction.audio.extractors:EGeMAPS",
        },
    ),
    "vision": Registry("visual front end", {"geoAU": "md2n.extraction.vision.geo_au:GeoAU"}),
}
"""By modality."""


def front_end(modality: str, choice: str) -> Extractor | None:
    """The front end of a modality.

    Args:
        modality: ``text``, ``audio`` or ``vision``.
        choice: its name; for one that takes a folder, ``NAME:FOLDER``; ``none`` for none.

    Raises:
        UsageError: no such front end, a folder for one that takes none, or a package that is not there.
        DataError: a folder that is not what it should be.
    """
    if choice == NONE:
        return None
    known = FRONT_ENDS[modality]
    name, colon, folder = choice.partition(":")
    if name not in known.names():
        raise UsageError(f"no {known.kind} is called '{name}'", did_you_mean(name, (*known.names(), NONE)))
    if colon and (modality != "text" or not folder):
        raise UsageError(f"'{choice}' is no {known.kind}", f"give {name}" + (":FOLDER" if modality == "text" else ""))
    factory = known.get(name)
    extractor: Extractor = factory(Path(folder)) if colon else factory()
    return extractor


def front_ends(text: str, audio: str, vision: str) -> tuple[Extractor, ...]:
    """Those that are chosen, in the order of the store.

    Raises:
        UsageError: as ``front_end``, or none of them.
    """
    chosen = [front_end(k, choice) for k, choice in (("text", text), ("audio", audio), ("vision", vision))]
    extractors = tuple(e for e in chosen if e is not None)
    if not extractors:
        raise UsageError("there is nothing to extract", "choose --text, --audio or --vision")
    return extractors
