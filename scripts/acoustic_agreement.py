"""Writes docs/acoustic-agreement.md: how near ``covarep-like@1`` comes to COVAREP's own output, column by column.

    python scripts/acoustic_agreement.py [REFERENCE_FOLDER] [--out FILE]

The folder holds pairs ``<clip>.wav`` (16 kHz, mono) and ``<clip>.npz`` (``features`` [frame, 74], ``names``).
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from md2n.extraction.audio import COLUMNS, NAME, NAMES, covarep_like, envelope
from md2n.extraction.audio import closures as closing
from md2n.extraction.audio.columns import GLOTTAL, INDEX, MCEP_COUNT
from md2n.extraction.audio.frames import HOP, RATE_HZ, to_mono_16k
from md2n.extraction.audio.glottal import periods
from md2n.extraction.audio.linear_prediction import residual
from md2n.extraction.audio.pitch import Pitch, srh_pitch
from md2n.extraction.audio.spectra import centred_spectra

PROJECT = Path(__file__).resolve().parents[1]
REFERENCE = PROJECT.parent / "shared" / "data" / "covarep_reference"
MCEP = [f"MCEP_{i}" for i in range(13)]


@dataclass(frozen=True)
class Comparison:
    """One clip: ours, theirs, and which frames to compare."""

    clip: str
    seconds: float
    ours: np.ndarray
    theirs: np.ndarray
    on_their_axis: np.ndarray
    voiced: np.ndarray
    voiced_on_their_axis: np.ndarray
    after_pause: np.ndarray

    def rows(self, name: str, inside: bool = False, their_axis: bool = False) -> np.ndarray:
        """Frames voiced in both where the column is finite; ``inside`` leaves out those after a pause."""
        theirs = self.theirs[:, INDEX[name]]
        rows = (self.voiced_on_their_axis if their_axis else self.voiced) & np.isfinite(theirs)
        return np.asarray(rows & ~self.after_pause if inside else rows)

    def correlation(self, name: str, inside: bool = False, their_axis: bool = False, within: float = np.inf) -> float:
        column = INDEX[name]
        rows = self.rows(name, inside, their_axis) & (np.abs(self.theirs[:, column]) <= within)
        ours = (self.on_their_axis if their_axis else self.ours)[rows, column]
        theirs = self.theirs[rows, column]
        if ours.std() == 0 or theirs.std() == 0:
            return float("nan")
        if COLUMNS[column].unit == "rad":
            return float(np.mean(np.cos(ours - theirs)))
        return float(np.corrcoef(ours, theirs)[0, 1])

    def relative_error(self, name: str, inside: bool = False, their_axis: bool = False) -> float:
        rows, column = self.rows(name, inside, their_axis), INDEX[name]
        ours = (self.on_their_axis if their_axis else self.ours)[rows, column]
        theirs = self.theirs[rows, column]
        known = theirs != 0
        return float(np.median(np.abs(ours[known] / theirs[known] - 1))) if known.any() else float("nan")

    @property
    def vuv(self) -> float:
        return float(np.mean(self.ours[:, INDEX["VUV"]] == self.theirs[:, INDEX["VUV"]]))


def compare(wav: Path) -> Comparison:
    """Measure one clip and lay both outputs side by side."""
    rate, sound = wavfile.read(wav)
    with np.load(wav.with_suffix(".npz")) as file:
        theirs, names = file["features"].astype(np.float64), tuple(str(n) for n in file["names"])
    if names != NAMES:
        sys.exit(f"{wav.with_suffix('.npz')}: its columns are not the 74 of {NAME}")
    features = covarep_like(sound, rate)
    x = to_mono_16k(sound, rate)[0].astype(np.float64)
    pitch = srh_pitch(x, len(theirs) + 1)
    ours = features.values.astype(np.float64)
    voiced = (ours[:, INDEX["VUV"]] > 0) & (theirs[:, INDEX["VUV"]] > 0)
    stretched = ours.copy()
    first = INDEX["MCEP_0"]
    stretched[:, first : first + MCEP_COUNT], stretched_voiced = stretched_axis(x, pitch, features.times_s)
    after_pause = frames_after_pauses(x, pitch, features.times_s)
    return Comparison(wav.stem, len(x) / RATE_HZ, ours, theirs, stretched, voiced, stretched_voiced, after_pause)


def stretched_axis(x: np.ndarray, pitch: Pitch, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our MCEP, and where it is voiced, on COVAREP's axis: measured instants spread from the first sample to the last.

    COVAREP measures an envelope at every instant that has a pitch, forgets where those are, and reads the list as if it
    were spread evenly over the sound.  Here ours, measured at the same instants, is read in the same way.
    """
    upright = closing.polarity(x, residual(x, closing.ORDER)) * x
    instants = np.flatnonzero(pitch.measured)
    f0 = pitch.f0_hz[instants]
    spectra = envelope.log_amplitude(centred_spectra(upright, instants * HOP, f0)[:, ::2])
    curves = envelope.from_cepstrum(envelope.true_envelope(spectra, f0))
    place = times_s * RATE_HZ / len(x) * (len(instants) - 1)
    rank = np.arange(len(instants))
    columns = envelope.mel_cepstrum(curves, MCEP_COUNT).T
    voiced = np.interp(place, rank, pitch.voiced[instants].astype(np.float64)) >= 0.5
    return np.stack([np.interp(place, rank, column) for column in columns], axis=1), voiced


def frames_after_pauses(x: np.ndarray, pitch: Pitch, times_s: np.ndarray) -> np.ndarray:
    """Frames whose value depends on the first closure of a stretch of voice, by interpolation."""
    error = residual(x, closing.ORDER)
    upright = closing.polarity(x, error)
    closures = closing.voiced_closures(closing.sedreams(upright * x, upright * error, pitch.mean_hz), pitch)
    _, usable = periods(closures)
    closures = closures[usable] / RATE_HZ
    out = np.zeros(len(times_s), dtype=bool)
    for i in np.flatnonzero(np.diff(closures, prepend=-1.0) > 1 / 50):
        before, after = closures[i - 1] if i else 0.0, closures[min(i + 1, len(closures) - 1)]
        out |= (times_s > before) & (times_s < after)
    return out


def number(value: float, digits: int = 3) -> str:
    return "-" if not np.isfinite(value) else f"{value:.{digits}f}"


def page(clips: list[Comparison]) -> str:
    """The whole page."""
    head = " | ".join(c.clip for c in clips)
    rule = "|".join("---:" for _ in clips)
    lines = [
        f"# How near `{NAME}` comes to COVAREP",
        "",
        f"`{NAME}` is md2n's own front end, written from the publications; it is not COVAREP. Here it is laid beside",
        "COVAREP's own output (its feature script under GNU Octave, three functions replaced; near, not golden) for",
        ", ".join(f"`{c.clip}` ({c.seconds:.1f} s)" for c in clips) + ".",
        "Every clip stands alone; nothing is pooled. Made by `scripts/acoustic_agreement.py`.",
        "",
        "Correlations are over frames voiced in both. For HMPDM, which are angles, it is the mean cosine of the",
        "difference (1: same angle, 0: no relation). A relative error is the median of |ours / theirs - 1|.",
        "",
        "## What was aimed at",
        "",
        f"| measure | aim | {head} | reached |",
        f"|---|---|{rule}|---|",
    ]

    def aim(label: str, text: str, values: list[float], reached: list[bool], digits: int = 3) -> None:
        verdict = "yes" if all(reached) else "no" if not any(reached) else f"{sum(reached)} of {len(reached)}"
        lines.append(f"| {label} | {text} | {' | '.join(number(v, digits) for v in values)} | {verdict} |")

    values = [100 * c.relative_error("F0") for c in clips]
    aim("F0, median error in %", "< 1", values, [v < 1 for v in values], 2)
    values = [c.vuv for c in clips]
    aim("VUV, frames that agree", "> .93", values, [v > 0.93 for v in values])
    values = [min(c.correlation(n, their_axis=True) for n in MCEP) for c in clips]
    aim("MCEP 0-12, the lowest, on COVAREP's time axis (1)", "> .9", values, [v > 0.9 for v in values])
    values = [min(c.correlation(n) for n in MCEP) for c in clips]
    aim("MCEP 0-12, the lowest, frame against frame (1)", "> .9", values, [v > 0.9 for v in values])
    for name in ("NAQ", "QOQ", "H1H2", "MDQ"):
        values = [c.correlation(name, inside=True) for c in clips]
        aim(f"{name}, away from pauses (2)", "> .8", values, [v > 0.8 for v in values])
        values = [c.correlation(name) for c in clips]
        aim(f"{name}, all voiced frames (2)", "> .8", values, [v > 0.8 for v in values])
        if name == "H1H2":
            values = [c.correlation(name, inside=True, within=15.0) for c in clips]
            aim("H1H2, away from pauses, where COVAREP is within 15 dB", "> .8", values, [v > 0.8 for v in values])
    values = [c.correlation("peakSlope") for c in clips]
    aim("peakSlope", "> .8", values, [v > 0.8 for v in values])
    lines += ["", *WHY, "", "## Every column", ""]
    lines += [
        "Correlation (or mean cosine), then median relative error in %. MCEP on COVAREP's time axis (1); NAQ, QOQ,",
        "H1H2, PSP and MDQ away from pauses (2).",
        "",
        f"| column | unit | {head} |",
        f"|---|---|{rule}|",
    ]
    for column in COLUMNS:
        if column.dead or column.name == "VUV":
            cells = ["dead in both" if column.dead else f"agree {number(c.vuv)}" for c in clips]
        else:
            how = {"inside": column.name in GLOTTAL, "their_axis": column.name.startswith("MCEP")}
            cells = [
                f"{number(c.correlation(column.name, **how))}, {number(100 * c.relative_error(column.name, **how), 1)}"
                for c in clips
            ]
        lines.append(f"| {column.name} | {column.unit} | {' | '.join(cells)} |")
    lines += ["", "## Where each column comes from", "", "| column | source |", "|---|---|"]
    labels: list[str] = []
    for column in COLUMNS:
        label = column.name.split("_")[0] if column.name.split("_")[0] in ("MCEP", "HMPDM", "HMPDD") else column.name
        if label not in labels:
            labels.append(label)
            lines.append(f"| {label} | {column.source} |")
    return "\n".join(lines) + "\n"


WHY = """
## What differs, and why

What is said here of COVAREP is read from its output, not from its code.

(1) **COVAREP's MCEP do not stand where its other columns stand.** They are measured at the instants that have a pitch,
the first 50 ms into the sound, and the list is then read as if it ran evenly from the first sample to the last. The
first row so shows the sound 50 ms later, the last one 50 ms earlier, and where digital silence has no pitch
(`ravdess_neutral`) the shift reaches 0.15 s. Found by matching every row against ours at all times: the lag falls
linearly over each clip. Ours stand where they were measured. The comparison reads ours, at the same instants, with
COVAREP's axis; frame against frame the shift alone undoes the agreement. The features published for MOSI and MOSEI come
from the same toolkit; nothing here shows whether they are shifted too.

(2) **The first closure after a pause.** COVAREP takes the pause for the period of the first closure of every stretch of
voice, so NAQ, QOQ and PSP fall to 0 there and interpolation spreads this over the onset. Ours takes the period that
follows. "Away from pauses" leaves out the frames whose value is interpolated from such a closure, found from our
closures alone.

- **F0** is read by COVAREP one bin (1 Hz) low in the residual's spectrum, which makes its F0 0.3 to 0.4 Hz higher on
  average; indexed so, ours equals it in half of the frames or more. Ours is not biased, and so differs by that.
- **H1H2** agrees closely in the middle (median difference 0.3 to 0.9 dB) and not in a few frames where a closure is
  placed otherwise, the period is wrong and the first harmonic is looked for where there is none: COVAREP gives there
  -28 to +23 dB. The aim is missed on two clips because of these frames; without them one is reached.
- **NAQ, QOQ, PSP, MDQ** differ by where a closure falls (the references were made with another peak picker). PSP is
  free of gain here, by a scaling the paper does not state.
- **MDQ** looks for maxima beside the positive peak of the residual, where the wavelet (-1 at its centre) has a minimum.
  COVAREP does so; with the sign turned its output is not followed at all (r -.28, .19, -.11), so ours does the same.
  Its octaves (2 kHz to 125 Hz) and reach (a fifth of a period) were found by agreement, as the code says.
- **Rd** is not reproduced. On synthetic LF pulses ours is right within a tenth; COVAREP's values show next to no
  relation to its own NAQ on these clips (|r| < .16), though both are meant to tell tense from breathy voice. Its
  confidence is followed better, without the same scale.
- **HMPDM, HMPDD**: the window of the running means and the frequency axis are choices of ours. The low columns agree,
  the high ones are noise in both. Columns under F0 are exactly 0 in both.
- **MCEP** beyond c0 carry a small constant difference (a few hundredths of a neper: large as a part of coefficients
  that are near 0, and of no effect once features are standardised).
- **Where there is no pitch window of sound** (within 50 ms of the ends, around digital silence) F0 is 0 in ours;
  COVAREP gives 0 at the ends and 1 Hz around digital silence. Both are unvoiced there.
- **creak** is not measured: dead in ours, and dead in the references (it needs a toolbox there).
- Infinite values (peakSlope in digital silence) are 0 in ours, in frames that are marked not valid.
""".strip().split("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare covarep-like@1 with COVAREP's output.")
    parser.add_argument("reference", nargs="?", type=Path, default=REFERENCE)
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "acoustic-agreement.md")
    options = parser.parse_args()
    clips = [compare(wav) for wav in sorted(options.reference.glob("*.wav")) if wav.with_suffix(".npz").exists()]
    if not clips:
        sys.exit(f"no pairs of .wav and .npz in {options.reference}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    beside = options.out.with_name(options.out.name + ".new")
    beside.write_text(page(clips), encoding="utf-8")
    beside.replace(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
