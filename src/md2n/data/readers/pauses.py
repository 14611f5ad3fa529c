"""Labels that are no words in files of words; one list for every reader of words."""

import re

PAUSES = frozenset({"", "sil", "sp", "spn", "<eps>", "<p:>"})
"""How the field's files write that nothing is said, in small letters."""
SIGNS = frozenset("&%@+=")
"""Signs that are said by name."""
_MARKED = re.compile(r"[<\[({](/?s|sil|silence|sp|sl|p|pause|eps|ns|nsn|noise|br|breath|lg|laughter)[>\])}]|!sil")


def is_pause(text: str) -> bool:
    """True for a label that is no word: a pause or a noise as aligners write it, or signs without a letter or figure.

    >>> [is_pause(text) for text in ("sil", "<eps>", " SP ", "[noise]", "...", "spa", "5", "&", "<unk>")]
    [True, True, True, True, True, False, False, False, False]
    """
    plain = text.strip().lower()
    if plain in PAUSES or _MARKED.fullmatch(plain):
        return True
    return plain not in SIGNS and not any(c.isalnum() for c in plain)
