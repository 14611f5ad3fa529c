"""What ``check`` says of the ready sets, where they are here."""

import pytest

from md2n.data.check import check
from md2n.data.ready import READY, data_root, load
from md2n.errors import DataError
from tests.data.test_check import by_code

ROOT = data_root()
here = pytest.mark.skipif(ROOT is None, reason="the shared data are not here (MD2N_DATA_ROOT)")


@here
@pytest.mark.parametrize("name", list(READY))
def test_ready_sets_have_no_errors_and_their_gaps_are_told(name):
    try:
        samples = load(name)
    except DataError as error:
        pytest.skip(error.message)
    found = by_code(samples)
    assert [f for fs in found.values() for f in fs if f.severity == "error"] == []
    gaps = {
        "stressid": "85 of 455 samples (19%) miss a modality; they have: ecg+eda+resp 63",
        "news3sources": "194 of 359 samples (54%) miss a modality",
        "beijing_air": "727 of 17164 samples (4%) miss a modality",
        "extrasensory": "15228 of 25829 samples (59%) miss a modality",
        "ict_mmmo": "220 of 340 samples (65%) miss a modality; they have: audio+vision 220 (train 220)",
    }
    if name in gaps:
        assert gaps[name] in found["natural-gaps"][0].message
    else:
        assert "natural-gaps" not in found
    warnings = {
        # Ten people who agree give the same few vectors, most of them for happy faces.
        "cremad_ratings": ["identical-rows face", "identical-rows av"],
        "beijing_air": ["class-imbalance label 'level'"],
        # A watch is worn at some times, and so in some postures, more than in others.
        "extrasensory": [
            "class-imbalance label 'posture'",
            "gaps-give-label-away which modalities are present predicts 'posture' (V = 0.15, p = 0.002; watch most)",
        ],
    }
    if name in warnings:
        warned = [f for fs in found.values() for f in fs if f.severity == "warning"]
        assert [f"{f.code} {f.message.partition(':')[0]}" for f in warned] == warnings[name]


@here
def test_the_leak_of_mosi_vision_is_reported_when_vision_is_asked_for():
    from md2n.data.config import DataConfig

    asked = load("mosi", DataConfig(name="mosi", modalities=("text", "vision")))
    assert any(f.code == "known-leak" and f.severity == "error" for f in check(asked))
    assert not any(f.code == "known-leak" for f in check(load("mosi")))
    assert not any(f.code == "known-leak" for f in check(load("mosi_clean")))


@here
def test_voice_gives_the_task_away_where_rows_without_speech_are_kept():
    from md2n.data.readers.detect import read

    found = by_code(read(ROOT / "stressid"), label="y_task12")
    assert found["gaps-give-label-away"][0].severity == "error"
    assert "voice most" in found["gaps-give-label-away"][0].message
    assert "gaps-give-label-away" not in by_code(load("stressid"))
