import numpy as np
import pytest
from scipy.signal import resample_poly

from md2n.errors import DataError
from md2n.extraction.audio import COLUMNS, NAMES, covarep_like
from md2n.extraction.audio.columns import INDEX
from md2n.extraction.audio.frames import frame_count, to_mono_16k

from .voices import RATE_HZ, lf_voice, noise, sentence

GAIN_FREE = [name for name in NAMES if name != "MCEP_0"]
HMPDM = [INDEX[name] for name in NAMES if name.startswith("HMPDM")]
OTHERS = [i for i in range(74) if i not in HMPDM]


@pytest.fixture(scope="module")
def spoken():
    sound = sentence()
    return sound, covarep_like(sound, RATE_HZ)


def same(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Within a part of each column's own standard deviation; angles within the tolerance in radians."""
    scale = np.maximum(one.std(axis=0), 1e-3)
    turned = np.abs(np.angle(np.exp(1j * (one[:, HMPDM].astype(float) - other[:, HMPDM]))))
    return bool((np.abs(one - other) / scale)[:, OTHERS].max() < tolerance and turned.max() < max(tolerance, 1e-3))


def test_the_columns_are_covarep_s():
    assert len(NAMES) == 74 and len(set(NAMES)) == 74
    assert NAMES[:11] == ("F0", "VUV", "NAQ", "QOQ", "H1H2", "PSP", "MDQ", "peakSlope", "Rd", "Rd_conf", "creak")
    assert (NAMES[11], NAMES[35], NAMES[36], NAMES[60], NAMES[61], NAMES[73]) == (
        "MCEP_0", "MCEP_24", "HMPDM_0", "HMPDM_24", "HMPDD_0", "HMPDD_12",
    )  # fmt: skip
    assert [column.name for column in COLUMNS if column.dead] == ["creak"]
    assert all(column.unit and column.source for column in COLUMNS)


def test_frames_stand_every_10_ms_from_5_ms_on(spoken):
    _, features = spoken
    assert features.values.shape == (200, 74) and features.values.dtype == np.float32
    assert features.times_s[:2] == pytest.approx([0.005, 0.015]) and features.times_s[-1] == pytest.approx(1.995)
    assert [frame_count(n) for n in (80, 81, 240, 241, 16000)] == [0, 1, 1, 2, 100]


def test_every_column_but_creak_lives_and_is_finite(spoken):
    _, features = spoken
    assert np.isfinite(features.values).all() and features.valid.all()
    living = features.values.std(axis=0) > 0
    # Columns of HMPDM below the pitch are 0 by definition.
    low = [INDEX[f"HMPDM_{i}"] for i, f in enumerate(np.geomspace(20, 8000, 25)) if f < 95]
    assert set(np.flatnonzero(~living)) <= {INDEX["creak"], *low}
    assert not living[INDEX["creak"]]


def test_a_made_voice_measured_from_end_to_end():
    middle = slice(15, 45)
    found = [
        np.median(covarep_like(lf_voice(rd, 110.0), RATE_HZ).values[middle], axis=0) for rd in (0.5, 1.0, 1.6, 2.2)
    ]
    rows = np.array(found)
    assert rows[:, INDEX["F0"]] == pytest.approx(110.0, rel=0.005)
    assert (rows[:, INDEX["VUV"]] == 1).all()
    for name in ("NAQ", "QOQ", "H1H2", "PSP", "Rd"):
        assert (np.diff(rows[:, INDEX[name]]) > 0).all(), name
    assert (np.diff(rows[:, INDEX["peakSlope"]]) < 0).all()
    assert rows[:, INDEX["Rd"]] == pytest.approx([0.5, 1.0, 1.6, 2.2], rel=0.1)
    assert rows[:, INDEX["NAQ"]] == pytest.approx(0.11 * np.array([0.5, 1.0, 1.6, 2.2]), rel=0.2)


def test_glottal_measures_are_zero_outside_the_voice_and_bridge_its_gaps(spoken):
    _, features = spoken
    glottal = features.values[:, [INDEX[n] for n in ("NAQ", "QOQ", "H1H2", "PSP", "MDQ")]]
    assert not glottal[:25].any() and not glottal[180:].any()
    assert glottal[40:80].all() and glottal[120:160].all()
    gap = features.values[96:106, INDEX["NAQ"]]
    assert gap.all() and np.abs(np.diff(gap, 2)).max() < 1e-5  # a straight line


def test_gain_moves_the_first_mel_coefficient_alone(spoken):
    sound, features = spoken
    louder = covarep_like(0.125 * sound, RATE_HZ)
    columns = [INDEX[name] for name in GAIN_FREE]
    assert louder.values[:, columns] == pytest.approx(features.values[:, columns], rel=1e-3, abs=1e-4)
    assert louder.values[:, INDEX["MCEP_0"]] - features.values[:, INDEX["MCEP_0"]] == pytest.approx(
        np.log(0.125), abs=1e-4
    )


def test_polarity_does_not_matter(spoken):
    sound, features = spoken
    assert same(features.values, covarep_like(-sound, RATE_HZ).values, 1e-6)


def test_a_delay_of_one_hop_moves_the_frames_by_one():
    sound = np.concatenate([noise(0.01, 5, 0.004), sentence()])
    early, late = covarep_like(sound[160:], RATE_HZ).values, covarep_like(sound, RATE_HZ).values
    inner = slice(30, 170)
    assert late[1:][inner, INDEX["F0"]] == pytest.approx(early[inner, INDEX["F0"]], abs=1)
    for name in ("VUV", "NAQ", "QOQ", "MDQ", "peakSlope", "Rd", "MCEP_0", "MCEP_1", "MCEP_12"):
        one, other = early[inner, INDEX[name]], late[1:][inner, INDEX[name]]
        assert np.abs(one - other).max() < 0.02 * max(np.ptp(one), 1), name


def test_pieces_give_what_the_whole_gives():
    sound = np.concatenate([sentence(seed) for seed in range(4)])
    whole = covarep_like(sound, RATE_HZ).values
    pieces = covarep_like(sound, RATE_HZ, frames_per_piece=300).values
    # What is learned of the speaker in 3 s is not what 8 s tell, so a closure may move; most values are the same.
    close = np.abs(whole - pieces) <= 0.02 * np.maximum(whole.std(axis=0), 1e-3)
    assert close[:, INDEX["peakSlope"]].all()
    assert close[:, INDEX["F0"] : INDEX["VUV"] + 1].mean() > 0.98
    for name in ("NAQ", "QOQ", "H1H2", "PSP", "MDQ", "MCEP_0", "MCEP_5", "Rd", "HMPDD_3"):
        assert close[:, INDEX[name]].mean() > 0.95, name


def test_a_sound_of_one_piece_is_measured_whole(spoken):
    sound, features = spoken
    assert (covarep_like(sound, RATE_HZ, frames_per_piece=200).values == features.values).all()


def test_integers_are_the_floats_they_stand_for(spoken):
    sound, _ = spoken
    half = np.round(sound * 32768).astype(np.int16)
    expected = covarep_like(half / 32768, RATE_HZ).values
    assert (covarep_like(half, RATE_HZ).values == expected).all()
    assert (covarep_like(half.astype(np.int32) * 65536, RATE_HZ).values == expected).all()
    assert (covarep_like((half / 32768).astype(np.float32), RATE_HZ).values == expected).all()
    x, _ = to_mono_16k(np.full(400, 128, dtype=np.uint8), RATE_HZ)
    assert not x.any()


def test_channels_are_averaged(spoken):
    sound, features = spoken
    both = np.stack([1.5 * sound, 0.5 * sound], axis=1)
    assert same(features.values, covarep_like(both, RATE_HZ).values, 1e-6)
    with pytest.raises(DataError, match=r"channels before samples.*\n.*signal\.T"):
        covarep_like(both.T, RATE_HZ)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_give_the_same_voice(spoken, rate_hz):
    sound, features = spoken
    common = np.gcd(rate_hz, RATE_HZ)
    other = covarep_like(resample_poly(sound, rate_hz // common, RATE_HZ // common), rate_hz)
    assert abs(len(other.values) - len(features.values)) <= 1 and np.isfinite(other.values).all()
    count = min(len(other.values), len(features.values))
    voiced = (other.values[:count, INDEX["VUV"]] > 0) & (features.values[:count, INDEX["VUV"]] > 0)
    assert voiced.sum() > 0.9 * (features.values[:, INDEX["VUV"]] > 0).sum()
    ratio = other.values[:count][voiced, INDEX["F0"]] / features.values[:count][voiced, INDEX["F0"]]
    assert np.median(np.abs(ratio - 1)) < 0.005
    if rate_hz > RATE_HZ:
        for name in ("NAQ", "MCEP_1", "peakSlope"):
            one, two = (v[:count][voiced, INDEX[name]] for v in (other.values, features.values))
            assert np.corrcoef(one, two)[0, 1] > 0.9, name


def test_samples_that_are_not_finite_make_their_frames_invalid(spoken):
    sound, features = spoken
    broken = sound.copy()
    broken[16000] = np.nan
    broken[24000:24160] = np.inf
    found = covarep_like(broken, RATE_HZ)
    assert np.isfinite(found.values).all()
    touched = [i for i in range(200) if _hears(i, 16000, 16001) or _hears(i, 24000, 24160)]
    assert list(np.flatnonzero(~found.valid)) == touched
    assert not found.values[~found.valid].any()
    assert found.values[:80, INDEX["F0"]] == pytest.approx(features.values[:80, INDEX["F0"]], abs=1)


def _hears(frame: int, first: int, last: int) -> bool:
    centre = 80 + 160 * frame
    return centre - 200 < last and first < centre + 200


def test_digital_silence_is_invalid_and_zero():
    sound = sentence()
    sound[:4000] = 0
    found = covarep_like(sound, RATE_HZ)
    assert not found.valid[:23].any() and found.valid[25:].all()
    assert not found.values[:23].any()
    nothing = covarep_like(np.zeros(16000), RATE_HZ)
    assert not nothing.valid.any() and not nothing.values.any()
    assert not covarep_like(np.full(16000, np.nan), RATE_HZ).valid.any()


@pytest.mark.parametrize("samples", [81, 160, 400, 1000, 1700])
def test_short_sounds_have_an_envelope_and_no_pitch(samples):
    found = covarep_like(noise(0.2)[:samples], RATE_HZ)
    assert len(found.values) == frame_count(samples) and found.valid.all()
    assert np.isfinite(found.values).all() and found.values[:, INDEX["MCEP_0"]].all()
    if samples < 1600:
        assert not found.values[:, INDEX["F0"]].any()


def test_steady_tones_and_constants_are_measured_without_trouble():
    for sound in (np.full(8000, 0.5), np.sin(np.arange(8000) * 0.05), np.sign(np.sin(np.arange(8000) * 0.05))):
        assert np.isfinite(covarep_like(sound, RATE_HZ).values).all()


def test_what_is_no_sound_is_refused_by_name():
    with pytest.raises(DataError, match=r"0\.0 ms ends before its first frame"):
        covarep_like(np.zeros(0), RATE_HZ)
    with pytest.raises(DataError, match=r"5\.0 ms ends before its first frame.*\n.*leave the modality out"):
        covarep_like(np.ones(80), RATE_HZ)
    with pytest.raises(DataError, match=r"4000 Hz cannot be used.*\n.*8000 to 96000"):
        covarep_like(np.ones(8000), 4000)
    with pytest.raises(DataError, match="192000 Hz cannot be used"):
        covarep_like(np.ones(8000), 192_000)
    with pytest.raises(DataError, match="is no sound"):
        covarep_like(np.ones((100, 2, 2)), RATE_HZ)
    with pytest.raises(DataError, match="uint16 are no sound"):
        covarep_like(np.ones(8000, dtype=np.uint16), RATE_HZ)
