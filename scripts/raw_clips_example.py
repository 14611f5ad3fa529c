"""Raw clips to a recovered voice: extract, check, train, take the sound of one clip away, recover it, draw it.

    python -m scripts.raw_clips_example [CLIPS] [--out FOLDER] [--picture FILE.png] [--clip ID] [--epochs N]

CLIPS holds clips of the GRID corpus beside a manifest.csv.  The label is the command word of a GRID sentence (bin, lay,
place, set), which is the first letter of its file name.  The clip is one that was not trained on.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from md2n.cli.main import dispatch
from md2n.data.store import open_intervals, open_store
from md2n.durable import make_directory, write_bytes
from md2n.errors import DataError

PROJECT = Path(__file__).resolve().parents[1]
CLIPS = PROJECT.parent / "shared" / "data" / "raw_clips"
PICTURE = PROJECT / "docs" / "pictures" / "raw-clips-recovered.png"
COMMAND = "command=grid_(?:id2_vcd_)?(.)"
WINDOW_S = "0.2"
SHOWN = {
    "F0": "pitch, Hz",
    "MCEP_0": "level (MCEP 0), neper",
    "MCEP_1": "tilt (MCEP 1), neper",
    "Rd": "glottal shape Rd",
}


def md2n(*arguments: object) -> None:
    words = [str(a) for a in arguments]
    sys.stderr.write(f"$ md2n {' '.join(words)}\n")
    code = dispatch(words)
    if code:
        raise SystemExit(code)


def without_sound(clip: Path, out: Path) -> Path:
    """The pictures of a clip as they are, in a file of their own."""
    import av

    with av.open(str(clip)) as source, av.open(str(out), "w") as written:
        pictures = source.streams.video[0]
        stream = written.add_stream_from_template(pictures)
        for packet in source.demux(pictures):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return out


def example(clips: Path, out: Path, clip: str, epochs: int, *front_ends: str) -> dict[str, np.ndarray]:
    """Does it all; gives the true and the recovered frames, their standard deviation, and where they begin in time."""
    store, run, silent = out / "store", out / "run", out / "silent"
    options = ["--align", WINDOW_S, "--column", COMMAND, "--label", "command", *front_ends]
    md2n("extract", clips, "--out", store, *options)
    md2n("data", "check", store)
    # Nine clips: two of validation cannot say which epoch recovers best, so the last is taken.
    sets = [f"trainer.epochs={epochs}", f"trainer.validate_every={epochs}"]
    md2n("train", "--data", store, "--out", run, "--quiet", *(part for s in sets for part in ("--set", s)))
    make_directory(silent)
    whole = open_store(store)
    row = whole.ids.tolist().index(clip)
    if whole.split[row] == 0:
        raise DataError(f"'{clip}' was trained on", f"choose one of {whole.ids[whole.split > 0].tolist()}")
    media = next(p for p in clips.iterdir() if p.stem == clip)
    fields = next(
        (c for c in (clips / "manifest.csv").read_text(encoding="utf-8").splitlines() if clip in c), ""
    ).split(",")
    file = without_sound(media, silent / f"{clip}.mkv")
    (silent / "labels.csv").write_text(f"file,transcript\n{file.name},{fields[2]}\n", encoding="utf-8")
    md2n("extract", silent, "--out", out / "silent-store", "--align", WINDOW_S, *front_ends)
    md2n("recover", run, "--data", out / "silent-store", "--out", out / "filled")
    truth = whole.modalities["audio"].sample(row)
    spans = slice(int(whole.modalities["audio"].offsets[row]), int(whole.modalities["audio"].offsets[row + 1]))
    filled = open_store(out / "filled")
    frames = min(len(truth), len(filled.modalities["audio"].sample(0)))
    train = [whole.modalities["audio"].sample(i)[:frames] for i in np.flatnonzero(whole.split == 0).tolist()]
    typical = np.mean([t for t in train if len(t) == frames], axis=0)
    return {
        "begin_s": np.asarray(open_intervals(store)["audio"])[spans][:frames].mean(axis=1),
        "true": truth[:frames],
        "recovered": filled.modalities["audio"].sample(0)[:frames],
        "std": filled.modalities["audio_std"].sample(0)[:frames],
        "typical": typical,
    }


def drawn(frames: dict[str, np.ndarray], clip: str) -> bytes:
    """True and recovered frames of some columns in time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from md2n.extraction.audio import NAMES
    from md2n.report.style import COLOURS, FAINT, INK, STYLE, png

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 5.6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        for panel, (name, title) in zip(panels.flat, SHOWN.items()):
            k, at = NAMES.index(name), frames["begin_s"]
            mean, std = frames["recovered"][:, k], frames["std"][:, k]
            panel.fill_between(at, mean - std, mean + std, color=COLOURS[1], alpha=0.18, linewidth=0)
            panel.plot(
                at, frames["typical"][:, k], color=FAINT, linewidth=1, linestyle=":", label="mean of training clips"
            )
            panel.plot(at, mean, color=COLOURS[1], linewidth=1.8, marker="s", markersize=4, label="recovered")
            panel.plot(at, frames["true"][:, k], color=INK, linewidth=1.8, marker="o", markersize=4, label="true")
            panel.set_title(title)
        for panel in panels[-1]:
            panel.set_xlabel("seconds")
        panels[0, 0].legend(loc="best", fontsize=8.5)
        figure.suptitle(f"{clip}: the voice of a clip whose sound was taken away", x=0.01, ha="left", fontweight="bold")
    return png(figure, dpi=110)


def errors(frames: dict[str, np.ndarray]) -> tuple[float, float]:
    """Median over columns of the mean absolute error, in the true column's own: recovered, mean of training clips."""
    truth = frames["true"]
    scale = np.abs(truth - np.median(truth, axis=0)).mean(axis=0)
    varies = scale > 0
    miss = [np.abs(frames[k] - truth).mean(axis=0)[varies] / scale[varies] for k in ("recovered", "typical")]
    return float(np.median(miss[0])), float(np.median(miss[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="?", type=Path, default=CLIPS)
    parser.add_argument("--out", type=Path, default=PROJECT / "runs" / "raw-clips")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--clip", default="grid_lrwp9a")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--vision", default="geoAU")
    options = parser.parse_args()
    frames = example(options.clips, options.out, options.clip, options.epochs, "--vision", options.vision)
    write_bytes(options.picture, drawn(frames, options.clip))
    ours, typical = errors(frames)
    text = f"recovered {ours:.2f}, mean of the training clips {typical:.2f}"
    sys.stdout.write(f"error, where a flat line at the clip's own median has 1: {text}\n")
    sys.stdout.write(f"{options.picture}\n")


if __name__ == "__main__":
    main()
