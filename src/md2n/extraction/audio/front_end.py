"""``covarep-like@1``: the 74 columns of a sound.

Rules, as COVAREP's own output shows them unless said otherwise:

- There is a frame every 10 ms from 5 ms on; its measures are means of the instants half a hop either side.
- F0, VUV, Rd, Rd_conf, HMPDM and HMPDD are 0 where no pitch window (100 ms) of sound fits: within 50 ms of the ends
  and around digital silence.  Elsewhere they are given in unvoiced frames too; F0 is then a best guess.
- NAQ, QOQ, H1H2, PSP and MDQ are measured at the closures of voiced stretches and interpolated linearly in time, also
  across the gaps between; before the first closure and after the last they are 0.
- creak is 0 throughout.
- What is learned of the speaker (mean F0, polarity, the largest residual) is learned once a minute: a longer sound is
  measured minute by minute, each with a second of sound either side, in memory that does not grow with it.
- Nothing is NaN or infinite.  A frame is *valid* where there is sound to measure: all samples of the 25 ms around it
  (as far as the sound reaches) are finite, and not all are zero.  Frames that are not valid are zeros.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from md2n.brief import brief
from md2n.extraction.audio import closures as closing
from md2n.extraction.audio import envelope, glottal, phase
from md2n.extraction.audio.columns import GLOTTAL, HMPDD_COUNT, HMPDM_COUNT, INDEX, MCEP_COUNT, NAMES
from md2n.extraction.audio.frames import (
    FIRST,
    HOP,
    RATE_HZ,
    between_instants,
    blocks,
    frame_count,
    frame_times_s,
    to_mono_16k,
)
from md2n.extraction.audio.inverse_filter import glottal_flow
from md2n.extraction.audio.linear_prediction import residual
from md2n.extraction.audio.pitch import LOWEST_HZ, Pitch, srh_pitch
from md2n.extraction.audio.rd import rd_shape
from md2n.extraction.audio.spectra import at_frequencies, centred_spectra
from md2n.extraction.audio.wavelets import maxima_dispersion, peak_slope

NAME = "covarep-like@1"
FRAMES_PER_PIECE = 6000
"""One minute."""
CONTEXT = 100
"""Frames of sound on either side of a piece: one second, longer than any window or filter here."""
INSTANTS_PER_BLOCK = 1000
CLOSURES_PER_BLOCK = 500
HARMONICS = np.arange(1, RATE_HZ // 2 // LOWEST_HZ + 1)
"""As many as the lowest voice has below 8 kHz."""
HEARD = RATE_HZ * 25 // 2000
"""Half of the 25 ms that decide whether a frame is valid."""


@dataclass(frozen=True)
class AcousticFeatures:
    """Columns of one sound.

    Attributes:
        values: ``[frame, 74]``, in the order and units of ``columns.COLUMNS``.
        valid: ``[frame]``, true where there was sound to measure.
        times_s: ``[frame]``, centres: 0.005, 0.015, ...
    """

    values: Float[np.ndarray, "frame column"]
    valid: Bool[np.ndarray, " frame"]
    times_s: Float[np.ndarray, " frame"]

    __repr__ = brief

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return NAMES


def covarep_like(
    signal: Num[np.ndarray, "*sample"], rate_hz: float, frames_per_piece: int = FRAMES_PER_PIECE
) -> AcousticFeatures:
    """The 74 columns of a sound.

    Args:
        signal: ``[sample]``, or ``[sample, channel]`` (channels are averaged); floats, or integers of any depth.
        rate_hz: 8,000 to 96,000; resampled to 16,000.  Measures above half the original rate see silence.
        frames_per_piece: longer sounds are measured in pieces of so many frames; a minute unless memory is short.

    Raises:
        DataError: no sound that reaches a first frame, or a rate or shape that cannot be used.
    """
    x, sound = to_mono_16k(signal, rate_hz)
    count = frame_count(len(x))
    values = np.zeros((count, len(NAMES)), dtype=np.float64)
    times = frame_times_s(count)
    valid = _valid(x, sound, count)
    closures, glottal_measures = [np.zeros(0, dtype=np.int64)], [np.zeros((0, len(GLOTTAL)))]
    for start, stop in blocks(count, frames_per_piece):
        # Pieces start at whole hops, so that windows fall on the same samples as in the whole sound.
        first = max(0, start - CONTEXT)
        piece = x[first * HOP : (stop + CONTEXT) * HOP].astype(np.float64)
        if not valid[start:stop].any():
            continue
        columns, at, measures = _measure(piece)
        values[start:stop] = columns[start - first : stop - first]
        at = at + first * HOP
        own = (at >= start * HOP) & (at < stop * HOP)
        closures.append(at[own])
        glottal_measures.append(measures[own])
    _between_closures(np.concatenate(closures), np.concatenate(glottal_measures), times, values)
    values[~valid] = 0.0
    return AcousticFeatures(np.nan_to_num(values, posinf=0.0, neginf=0.0).astype(np.float32), valid, times)


def _measure(
    x: Float[np.ndarray, " sample"],
) -> tuple[Float[np.ndarray, "frame column"], Int[np.ndarray, " closure"], Float[np.ndarray, "closure measure"]]:
    """All columns of one piece but those of closures; the closures, and what was measured at them."""
    count = frame_count(len(x))
    values = np.zeros((count, len(NAMES)))
    error = residual(x, closing.ORDER)
    upright = closing.polarity(x, error)
    x, error = upright * x, upright * error
    pitch = srh_pitch(x, count + 1)
    f0 = between_instants(pitch.f0_hz, pitch.measured)
    voiced = between_instants(pitch.voiced.astype(np.float64), pitch.measured)
    values[:, INDEX["F0"]], values[:, INDEX["VUV"]] = f0, voiced >= 0.5
    values[:, INDEX["peakSlope"]] = between_instants(*peak_slope(x, count + 1))
    _at_instants(x, pitch, values)
    return values, *_at_closures(x, error, pitch)


def _valid(
    x: Float[np.ndarray, " sample"], sound: Bool[np.ndarray, " sample"], count: int
) -> Bool[np.ndarray, " frame"]:
    centre = FIRST + HOP * np.arange(count)
    first, last = np.maximum(centre - HEARD, 0), np.minimum(centre + HEARD, len(x))
    broken, loud = _count_before(~sound), _count_before(x != 0)
    return np.asarray((broken[last] == broken[first]) & (loud[last] > loud[first]))


def _count_before(flags: Bool[np.ndarray, " sample"]) -> Int[np.ndarray, " place"]:
    out = np.zeros(len(flags) + 1, dtype=np.int32)
    np.cumsum(flags, out=out[1:])
    return out


def _at_closures(
    x: Float[np.ndarray, " sample"], error: Float[np.ndarray, " sample"], pitch: Pitch
) -> tuple[Int[np.ndarray, " closure"], Float[np.ndarray, "closure measure"]]:
    """The closures of voiced stretches, and NAQ, QOQ, H1H2, PSP and MDQ at each (NaN where there is none)."""
    closures = closing.voiced_closures(closing.sedreams(x, error, pitch.mean_hz), pitch)
    period, usable = glottal.periods(closures)
    closures, period = closures[usable], period[usable]
    measures = np.empty((len(closures), len(GLOTTAL)))
    if not len(closures):
        return closures, measures
    flow, derivative = glottal_flow(x)
    for start, stop in blocks(len(closures), CLOSURES_PER_BLOCK):
        at, length = closures[start:stop], period[start:stop]
        measures[start:stop, 0], measures[start:stop, 1] = glottal.naq_and_qoq(flow, derivative, at, length)
        measures[start:stop, 2] = glottal.harmonic_difference(derivative, at, length)
        measures[start:stop, 3] = glottal.parabolic_spectral_parameter(flow, at, length)
    measures[:, 4] = maxima_dispersion(error, closures, period)
    return closures, measures


def _between_closures(
    closures: Int[np.ndarray, " closure"],
    measures: Float[np.ndarray, "closure measure"],
    times_s: Float[np.ndarray, " frame"],
    values: Float[np.ndarray, "frame column"],
) -> None:
    """What was measured at closures, interpolated into ``values``."""
    for column, name in enumerate(GLOTTAL):
        known = np.isfinite(measures[:, column])
        if known.any():
            values[:, INDEX[name]] = np.interp(
                times_s, closures[known] / RATE_HZ, measures[known, column], left=0.0, right=0.0
            )


def _at_instants(x: Float[np.ndarray, " sample"], pitch: Pitch, values: Float[np.ndarray, "frame column"]) -> None:
    """MCEP, Rd, Rd_conf, HMPDM and HMPDD, into ``values``.

    Spectra need a pitch everywhere: where none was measured it is the speaker's mean.
    """
    f0 = np.where(pitch.measured, pitch.f0_hz, pitch.mean_hz)
    everywhere = np.ones(len(f0), dtype=np.bool_)
    mcep, mean, deviation = INDEX["MCEP_0"], INDEX["HMPDM_0"], INDEX["HMPDD_0"]
    margin = phase.NEIGHBOURS
    for start, stop in blocks(len(values), INSTANTS_PER_BLOCK):
        # The instants of these frames, and the neighbours that running means need.
        first, last = max(0, start - margin), min(len(f0), stop + 1 + margin)
        own = slice(start - first, stop + 1 - first)
        part = f0[first:last]
        spectra = centred_spectra(x, np.arange(first, last) * HOP, part)
        cepstra = envelope.true_envelope(envelope.log_amplitude(spectra[:, ::2]), part)
        coefficients = envelope.mel_cepstrum(envelope.from_cepstrum(cepstra[own]), MCEP_COUNT)
        values[start:stop, mcep : mcep + MCEP_COUNT] = between_instants(coefficients, everywhere[own])
        harmonics = np.asarray(at_frequencies(spectra, HARMONICS * part[:, None]))
        measured = pitch.measured[start : stop + 1]
        rd, confidence = rd_shape(harmonics[own], part[own])
        values[start:stop, INDEX["Rd"]] = between_instants(rd, measured)
        values[start:stop, INDEX["Rd_conf"]] = between_instants(confidence, measured)
        direction = phase.running_mean(phase.phase_distortion(harmonics))[own]
        turned = phase.mean_columns(direction, part[own], HMPDM_COUNT)
        both = (measured[:-1] & measured[1:])[:, None]
        values[start:stop, mean : mean + HMPDM_COUNT] = np.where(both, np.angle(turned[:-1] + turned[1:]), 0.0)
        deviations = phase.deviation_columns(direction, part[own], HMPDD_COUNT)
        values[start:stop, deviation : deviation + HMPDD_COUNT] = between_instants(deviations, measured)
