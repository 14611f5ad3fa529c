"""``md2n evaluate`` draws what it measured: figures are read back, and their points are the numbers of the results."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from md2n.cli.main import run as command
from md2n.missing import incomplete_patterns
from md2n.modality import set_name

image = pytest.importorskip("matplotlib.image", reason="extra 'plot'")

NAMES = ("rows", "edges", "fourier", "moments")
SVG = "{http://www.w3.org/2000/svg}"
Points = npt.NDArray[np.float64]


class Drawing:
    """An SVG: what it says, and its lines."""

    def __init__(self, file: Path) -> None:
        self.root = ET.fromstring(
            file.read_text(encoding="utf-8"), ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
        )
        # Letters are drawn as outlines; matplotlib writes the words beside them.
        self.texts = [str(e.text).strip() for e in self.root.iter(ET.Comment)]
        self.panels = [e for e in self.root.iter(f"{SVG}g") if re.fullmatch(r"axes_\d+", e.get("id", ""))]

    def lines(self, panel: int = 0) -> list[Points]:
        """``[points, 2]`` of every line of a method in a panel."""
        paths = [
            p for p in self.panels[panel].iter(f"{SVG}path") if re.search("stroke-width: (1.4|2.4)", p.get("style", ""))
        ]
        numbers = [re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", p.get("d", "")) for p in paths]
        return [np.asarray(n, float) for n in numbers if len(n) > 3]


def measure(run: Path, folder: Path, *arguments: str) -> Path:
    """A copy of a run, measured anew."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("report", "results.jsonl"))
    with pytest.raises(SystemExit) as ended:
        command(["evaluate", str(folder), "--quiet", *arguments])
    assert not ended.value.code
    return folder


def value_of(run: Path, metric: str, condition: str) -> tuple[float, float]:
    """A measured number in percent, and the share in percent that was hidden."""
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    (row,) = [r for r in rows if (r["metric"], r["condition"], r["target"]) == (metric, condition, "")]
    return 100 * row["value"], 100 * row["rate_realised"]


def is_linear(places: Points, values: Points) -> bool:
    """Whether places are a + b values, up to what an SVG rounds."""
    design = np.stack([np.ones_like(values), values], axis=1)
    fit = np.linalg.lstsq(design, places, rcond=None)[0]
    return bool(np.abs(design @ fit - places).max() < 0.01 and abs(fit[1]) > 0)


@pytest.fixture(scope="module")
def measured(dropout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measure(dropout, tmp_path_factory.mktemp("figures") / "copy", "--protocol", "fixed", "--protocol", "random")


@pytest.fixture(scope="module")
def recovering(md2n_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measure(md2n_run, tmp_path_factory.mktemp("recovered") / "copy", "--draws", "2")


def figures(run: Path) -> set[str]:
    return {p.name for p in (run / "report" / "figures").iterdir()}


def test_every_figure_is_there_in_both_formats_and_on_the_page(measured: Path, recovering: Path) -> None:
    recovered = [f"digits-recovered-{k}-{'-'.join(n for n in NAMES if n != k)}-md2n" for k in NAMES]
    for run, names in ((measured, ["digits-radar", "digits-rates"]), (recovering, ["digits-radar", *recovered])):
        assert figures(run) == {f"{name}.{end}" for name in names for end in ("svg", "png")}
        page = (run / "report" / "index.html").read_text(encoding="utf-8")
        assert page.count("<svg") == page.count('<figure class="picture"') == len(names)


def test_the_radar_is_of_every_set_and_of_the_measured_numbers(measured: Path) -> None:
    drawing = Drawing(measured / "report" / "figures" / "digits-radar.svg")
    patterns = [set_name(p) for p in incomplete_patterns(NAMES)]
    assert "".join(drawing.texts).replace(" ", "").startswith("".join(patterns))
    assert {"digits: accuracy (%)", "modality dropout"} <= set(drawing.texts)
    (outline,) = drawing.lines()
    assert len(outline) == len(patterns) + 1 and np.array_equal(outline[0], outline[-1])
    # Each corner stands at centre + (a + b value) * the direction of its spoke, the first upwards, then clockwise.
    values = np.array([value_of(measured, "accuracy", p)[0] for p in patterns])
    assert len(set(values)) > 2
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(patterns)) / len(patterns)
    one, none = np.ones_like(values), np.zeros_like(values)
    across = np.stack([one, none, np.cos(angles), values * np.cos(angles)], axis=1)
    down = np.stack([none, one, -np.sin(angles), -values * np.sin(angles)], axis=1)
    design, places = np.concatenate([across, down]), np.concatenate([outline[:-1, 0], outline[:-1, 1]])
    fit = np.linalg.lstsq(design, places, rcond=None)[0]
    assert np.abs(design @ fit - places).max() < 0.01
    assert fit[3] > 0  # further out is better


def test_the_rate_curves_are_of_every_rate_and_of_the_measured_numbers(measured: Path) -> None:
    drawing = Drawing(measured / "report" / "figures" / "digits-rates.svg")
    panels = {"accuracy": "accuracy (%)", "macro_f1": "macro F1 (%)", "weighted_f1": "weighted F1 (%)"}
    assert [t for t in drawing.texts if t in panels.values()] == list(panels.values())
    assert drawing.texts.count("realised missing rate (%)") == len(panels) == len(drawing.panels)
    assert {"digits", "modality dropout"} <= set(drawing.texts)
    for i, metric in enumerate(panels):
        (curve,) = drawing.lines(i)
        numbers = np.array([value_of(measured, metric, f"rate={r / 10:g}") for r in range(8)])
        numbers = numbers[np.argsort(numbers[:, 1])]
        assert len(curve) == 8 and len(set(numbers[:, 0])) > 1
        assert is_linear(curve[:, 0], numbers[:, 1]) and is_linear(curve[:, 1], numbers[:, 0])
        assert (np.diff(curve[:, 0]) > 0).all()
        assert curve[np.argmax(numbers[:, 0]), 1] < curve[np.argmin(numbers[:, 0]), 1]  # an SVG counts downwards


def test_recovered_modalities_are_drawn_beside_their_truth(recovering: Path) -> None:
    for target in NAMES:
        others = [n for n in NAMES if n != target]
        name = f"digits-recovered-{target}-{'-'.join(others)}-md2n.svg"
        drawing = Drawing(recovering / "report" / "figures" / name)
        assert f"digits: {target} recovered from {' + '.join(others)} by MD2N" in drawing.texts
        assert {"true", "one draw", "mean of draws", "true value (normalised)", "density"} <= set(drawing.texts)
        assert len(drawing.panels) == 2
        hexagons = drawing.panels[0].find(f".//{SVG}g[@id='PolyCollection_1']")
        assert hexagons is not None and len(hexagons.findall(f".//{SVG}use") or hexagons.findall(f".//{SVG}path")) > 20


def test_pngs_are_the_same_pictures(measured: Path, recovering: Path) -> None:
    first = np.array([0x00, 0x72, 0xB2]) / 255  # the colour of the first method
    for file in (*measured.rglob("*.png"), next(recovering.rglob("*-recovered-*.png"))):
        picture = image.imread(file)[..., :3]
        width, height = (float(v) for v in Drawing(file.with_suffix(".svg")).root.get("viewBox", "").split()[2:])
        assert picture.shape[:2] == (round(height * 160 / 72), round(width * 160 / 72))
        assert (np.abs(picture - first).max(axis=2) < 0.02).sum() > 200
        assert 0.5 < (picture.min(axis=2) > 0.99).mean() < 0.99  # neither blank nor filled
