"""Front ends by name, and what is told where a name or a package is not there."""

import sys
from pathlib import Path

import pytest

from md2n.errors import DataError, UsageError
from md2n.extraction.alignment import SpeechAligner, load_decoder
from md2n.extraction.base import Clip, Extractor, ModalityAbsentError
from md2n.extraction.front_ends import FRONT_ENDS, front_end, front_ends
from md2n.extraction.pipeline import Aligner


def test_names_are_known_by_modality() -> None:
    assert front_end("audio", "none") is None
    found = front_ends("none", "egemaps", "none")
    assert [e.modality for e in found] == ["audio"] and found[0].name == "egemaps@1"
    assert [e.modality for e in front_ends("none", "covarep-like", "geoAU")] == ["audio", "vision"]
    with pytest.raises(UsageError, match="no acoustic front end is called 'egemap'") as caught:
        front_end("audio", "egemap")
    assert "did you mean 'egemaps'" in caught.value.hint
    with pytest.raises(UsageError, match="'geoAU:x' is no visual front end"):
        front_end("vision", "geoAU:x")
    with pytest.raises(UsageError, match="'bert:' is no text front end"):
        front_end("text", "bert:")
    with pytest.raises(DataError, match="holds no model of the BERT family"):
        front_end("text", "bert:nowhere")
    with pytest.raises(UsageError, match="there is nothing to extract"):
        front_ends("none", "none", "none")


@pytest.mark.parametrize("name", [("audio", n) for n in FRONT_ENDS["audio"].names()] + [("vision", "geoAU")])
def test_a_front_end_is_what_the_pipeline_takes(name: tuple[str, str]) -> None:
    found = front_end(*name)
    assert isinstance(found, Extractor) and found.name.partition("@")[0] == name[1]
    assert len(set(found.columns)) == len(found.columns) > 20 and found.fingerprint.startswith(found.name)


def test_a_package_that_is_not_there_is_named_with_what_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(SpeechAligner(), Aligner)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    load_decoder.cache_clear()
    with pytest.raises(UsageError, match="pocketsphinx, which finds words in speech, is not installed") as caught:
        SpeechAligner().prepare()
    assert "pip install 'md2n[align]'" in caught.value.hint
    monkeypatch.setitem(sys.modules, "afx_audio.extractors.egemaps", None)
    egemaps = front_end("audio", "egemaps")
    assert egemaps is not None
    with pytest.raises(UsageError, match="afx-audio, which measures egemaps, is not installed"):
        egemaps.prepare()


def test_words_are_not_looked_for_where_nothing_is_said_or_heard(tmp_path: Path) -> None:
    with pytest.raises(ModalityAbsentError, match="clip 'one' has no transcript"):
        SpeechAligner().words(Clip("one", tmp_path / "a.wav"))
    with pytest.raises(ModalityAbsentError, match="clip 'one' has no sound to look for words in"):
        SpeechAligner().words(Clip("one", None, "set white"))
