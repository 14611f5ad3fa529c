"""The report folder: complete, self-contained, escaped, the same bytes for the same rows."""

import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from md2n.errors import DataError, install_hint
from md2n.evaluation.results import PROTOCOLS
from md2n.report.figures import RecoveryExample, recovered_images
from md2n.report.grid import Naming
from md2n.report.render import write_report
from md2n.report.runs import Failure, RunFacts
from md2n.report.sections import Picture, inline_svg
from tests.report.made import fixed_rows, random_rows, recovery_rows, scores

pytest.importorskip("matplotlib", reason="extra 'plot'")

ROWS = (
    fixed_rows("md2n", scores(0.8, 0.6, 0.85))
    + fixed_rows("zero_fill", scores(0.7, 0.5, 0.8))
    + fixed_rows("md2n", scores(0.4, 0.3, 0.45), "acc7")
    + fixed_rows("majority", scores(0.5, 0.5, 0.5))
    + fixed_rows("dedicated", scores(0.9, 0.7, 0.9))
    + random_rows("md2n", [0.8 - 0.02 * i for i in range(8)])
    + recovery_rows("md2n", "text", 0.2)
    + fixed_rows("md2n", {"a": 0.5, "b": 0.4}, dataset="other set")
)


class Balance(HTMLParser):
    """Checks that elements close in order, and collects ids, links and sources."""

    VOID = ("meta", "br", "link", "img", "hr", "wbr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.ids += [v for k, v in attrs if k == "id"]
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class Boxed(HTMLParser):
    """Counts elements of one name, and those outside any box that scrolls."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.name, self.boxes, self.count, self.loose = name, [], 0, 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "div":
            self.boxes.append(("class", "wide") in attrs)
        if tag == self.name:
            self.count += 1
            self.loose += not any(self.boxes)

    def handle_endtag(self, tag):
        if tag == "div":
            self.boxes.pop()


def test_the_folder_holds_tables_figures_and_one_page(tmp_path: Path) -> None:
    page = write_report(tmp_path / "report", ROWS)
    names = {p.relative_to(page.parent).as_posix() for p in page.parent.rglob("*") if p.is_file()}
    tables = {n for n in names if n.startswith("tables/")}
    for table in (
        "patterns-acc2-nonzero",
        "patterns-acc7",
        "rates-acc2-nonzero",
        "recovery",
        "published",
        "published-variants",
    ):
        assert {f"tables/mosi-{table}.{s}" for s in ("md", "csv", "tex")} <= tables
    assert {"tables/mosi-equity-acc2-nonzero.md", "tables/mosi-compare-acc2-nonzero.md", "tables/origins.md"} <= tables
    assert {f"figures/mosi-{f}.{s}" for f in ("radar", "rates") for s in ("svg", "png")} <= names
    assert "tables/other-set-patterns-acc2-nonzero.md" in names
    assert not [n for n in names if Path(n).name.startswith(".")]
    labels = [re.search(r"\\label\{(.*)\}", p.read_text()).group(1) for p in page.parent.rglob("*.tex")]
    assert len(set(labels)) == len(labels)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    text = write_report(tmp_path, ROWS).read_text()
    told = Balance()
    told.feed(text)
    assert told.open == []
    assert len(set(told.ids)) == len(told.ids)
    assert all(link.startswith("#") for link in told.links)
    assert {link[1:] for link in told.links} <= set(told.ids)
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert text.count("<svg") == 2
    assert "<script" not in text
    assert "published: mean of the same sets" in text


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_report(tmp_path / name, ROWS)
    write_report(tmp_path / "second", ROWS)  # over an earlier report
    first, second = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("first", "second")
    )
    assert first == second


def test_what_a_report_no_longer_has_is_removed_and_nothing_else(tmp_path: Path) -> None:
    lost = [Failure("mosi", "imder", 0, "disk full", "x.json")]
    write_report(tmp_path, ROWS, failures=lost)
    tables = tmp_path / "tables"
    assert (tables / "failed.tex").exists()
    (tables / "mine.tex").write_text("kept")
    listed = json.loads((tmp_path / "files.json").read_text())
    outside = tmp_path.parent / f"{tmp_path.name}.txt"
    outside.write_text("kept")
    listed["files"] += [f"../{outside.name}"]
    (tmp_path / "files.json").write_text(json.dumps(listed))
    write_report(tmp_path, [r for r in ROWS if r.protocol == PROTOCOLS["fixed"]])
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert not [name for name in left if "failed" in name or "rates" in name]
    assert left == {*json.loads((tmp_path / "files.json").read_text())["files"], "files.json", "tables/mine.tex"}
    assert outside.exists()


def test_the_way_from_a_number_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, elsewhere = tmp_path / "my work", tmp_path / "elsewhere"
    (work / "bench").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(work)
    facts = RunFacts("bench", "mosi", "md2n", ROWS[0].config_hash, 0, "bench/predictions")
    page = write_report(Path("out/report"), ROWS, runs=[facts])
    script = work / "out" / "report" / "from-a-number-mosi.sh"
    told = script.read_text().splitlines()
    assert "from this page, ../.." in page.read_text()
    assert told[2].startswith("# the run")
    script.write_text("\n".join([*told[:2], "pwd"]))
    done = subprocess.run(["sh", "-eu", script], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert done.stdout == f"{work.resolve()}\n"
    write_report(elsewhere, ROWS, runs=[replace(facts, folder=str(work / "bench"))])
    assert "cd " not in (elsewhere / "from-a-number-mosi.sh").read_text()


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    naming = Naming({"md2n": "<script>alert('x')</script> & co"})
    page = write_report(tmp_path, ROWS, naming=naming, title="a <b> & c")
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<title>a &lt;b&gt; &amp; c</title>" in text


def test_examples_of_recovery_are_drawn_with_their_data_set(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).normal(size=(100, 2))
    shown = RecoveryExample("mosi", "MD²N", "audio", "text+vision", truth, truth / 2, truth)
    page = write_report(tmp_path, ROWS, examples=[shown])
    assert (tmp_path / "figures" / "mosi-recovered-audio-text-vision-md2n.svg").exists()
    assert page.read_text().count("<svg") == 3


def test_without_matplotlib_the_tables_are_there_and_the_page_says_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # importing it fails, as where it is not installed
    truth = np.random.default_rng(0).normal(size=(100, 2))
    page = write_report(tmp_path, ROWS, examples=[RecoveryExample("mosi", "m", "audio", "text", truth, truth, truth)])
    assert install_hint("plot") in html.unescape(page.read_text())
    assert "<svg" not in page.read_text()
    assert (tmp_path / "tables" / "mosi-recovery.csv").exists()


def test_the_verdict_is_the_first_thing_said_of_a_data_set(tmp_path: Path) -> None:
    text = write_report(tmp_path, ROWS).read_text()
    sentence = "md2n: ACC2 70.0 % on average over 6 incomplete patterns, worst 60.0 % (audio); 10.0 points better than "
    assert 0 < text.index(sentence) < text.index("<svg")


def test_pictures_of_the_caller_are_on_the_page_of_their_data_set(tmp_path: Path) -> None:
    drawn = recovered_images(*[[np.eye(8)]] * 3)
    page = write_report(tmp_path, ROWS, pictures={"mosi": [Picture("recovered-digits", "as recovered", drawn)]})
    first, _, second = page.read_text().partition('<section id="other-set">')
    assert "as recovered" in first and "as recovered" not in second
    assert (tmp_path / "figures" / "mosi-recovered-digits.png").exists()


def test_conditions_are_rows_on_the_page_where_that_is_narrower(tmp_path: Path) -> None:
    alone = write_report(tmp_path / "one", fixed_rows("md2n", scores(0.8, 0.6))).read_text()
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', alone.partition("</thead>")[0])
    assert heads == ["available", "md2n"]
    # The files keep methods as rows, however many there are.
    assert (tmp_path / "one" / "tables" / "mosi-patterns-acc2-nonzero.csv").read_text().startswith("method,")
    many = [row for i in range(12) for row in fixed_rows(f"m{i}", scores(0.8, 0.6))]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', write_report(tmp_path / "many", many).read_text())
    assert heads[:3] == ["method", "mean of incomplete", "worst"]


def test_every_table_and_drawing_scrolls_in_a_box_of_its_own(tmp_path: Path) -> None:
    text = write_report(tmp_path, ROWS).read_text()
    boxes = [Boxed(name, text) for name in ("table", "svg")]
    assert all(box.count > 1 and not box.loose for box in boxes)


def test_a_section_names_its_split_data_and_protocols(tmp_path: Path) -> None:
    rows = [
        replace(row, rate_requested=0.5)
        for protocol, condition in (("inside@1", "inside=0.5"), ("hidden@1", "text=0.5"))
        for row in fixed_rows("md2n", {condition: 0.7}, protocol=protocol)
    ]
    text = write_report(tmp_path, [*ROWS[:12], *random_rows("md2n", [0.7] * 8), *rows]).read_text()
    assert "split: test; data dddddddddddd" in text
    assert "protocols: fixed@1, random@1, inside@1, hidden@1" in text
    for name in ("patterns", "rates", "inside", "hidden"):
        assert (tmp_path / "tables" / f"mosi-{name}-acc2-nonzero.csv").exists()


def test_recovered_numbers_have_tables_of_their_r2_and_coverage(tmp_path: Path) -> None:
    rows = [
        replace(row, rate_requested=0.5, target="text")
        for metric in ("recovery_r2", "recovery_energy", "recovery_crps", "recovery_coverage90")
        for row in fixed_rows("md2n", {"inside=0.5": 0.7}, metric, protocol="inside@1")
    ]
    write_report(tmp_path, [*ROWS[:12], *rows])
    tables = {p.stem for p in (tmp_path / "tables").glob("mosi-inside-*.csv")}
    assert tables == {"mosi-inside-recovery-r2-text", "mosi-inside-recovery-coverage90-text"}


def test_tables_of_predictions_say_which_runs_failed_and_how_settings_were_chosen(tmp_path: Path) -> None:
    lost = [Failure("mosi", "imder", 0, "disk full", "x.json"), Failure("other set", "mmin", 1, "no sun", "y.json")]
    write_report(tmp_path, ROWS, failures=lost, notes=["chosen among 20 trials"])
    for name, told in (("patterns-acc2-nonzero", True), ("rates-acc2-nonzero", True), ("recovery", False)):
        text = (tmp_path / "tables" / f"mosi-{name}.md").read_text()
        assert ("Failed: imder, seed 0: disk full" in text) == ("chosen among 20 trials" in text) == told, name
        assert "no sun" not in text
    assert "no sun" in (tmp_path / "tables" / "other-set-patterns-acc2-nonzero.md").read_text()


def test_titles_of_methods_are_in_every_table(tmp_path: Path) -> None:
    write_report(tmp_path, ROWS, naming=Naming({"md2n": "Ours"}))
    for name in ("patterns-acc2-nonzero", "patterns-acc7", "rates-acc2-nonzero", "recovery", "compare-acc2-nonzero"):
        text = (tmp_path / "tables" / f"mosi-{name}.csv").read_text()
        assert "Ours" in text + name.replace("compare", "Ours") and "\nmd2n," not in text, name


def test_origins_tell_where_numbers_come_from(tmp_path: Path) -> None:
    write_report(tmp_path, ROWS)
    told = (tmp_path / "tables" / "origins.md").read_text()
    assert "| mosi | md2n | md2nxxxxxxxx | fixed@1 | dddddddddddd |" in told
    assert "0, 1, 2" in told


def test_validation_results_stand_apart(tmp_path: Path) -> None:
    rows = ROWS + fixed_rows("md2n", scores(0.1, 0.1), split="valid")
    write_report(tmp_path, rows)
    assert "80.0" in (tmp_path / "tables" / "mosi-patterns-acc2-nonzero.csv").read_text()
    assert "10.0" in (tmp_path / "tables" / "mosi-valid-patterns-acc2-nonzero.csv").read_text()


def test_published_numbers_can_be_left_out(tmp_path: Path) -> None:
    assert "Unbiased Missing-modality" not in write_report(tmp_path, ROWS, beside_published=False).read_text()


def test_several_data_sets_begin_with_tables_over_all_of_them(tmp_path: Path) -> None:
    rows = ROWS + fixed_rows("md2n", scores(0.6, 0.6), dataset="other")
    runs = [RunFacts("", r.dataset, r.model, r.config_hash, r.seed, "") for r in rows]  # as an archive has them
    text = write_report(tmp_path, rows, runs=runs, notes=["presets, no search"]).read_text()
    assert text.index('<section id="all-data-sets">') < text.index('<section id="mosi">')
    tables = {p.stem for p in (tmp_path / "tables").glob("all-data-sets-*.md")}
    assert {"all-data-sets-overview-fixed", "all-data-sets-differences"} <= tables
    overview = (tmp_path / "tables" / "all-data-sets-overview-fixed.md").read_text()
    assert "| md2n |" in overview and "| 60.0 ± 1.0 |" in overview and "presets, no search" in overview
    assert 'id="mosi-runs"' not in text  # nobody knows where they were


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no results to report"):
        write_report(tmp_path, [])


def test_ids_of_an_inlined_drawing_are_its_own() -> None:
    document = '<?xml?>\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"><metadata>\nx</metadata>'
    document += '<g id="a"/><use xlink:href="#a" clip-path="url(#b)"/></svg>\n'
    assert inline_svg(document, "p-") == (
        '<svg xmlns="http://www.w3.org/2000/svg"><g id="p-a"/><use xlink:href="#p-a" clip-path="url(#p-b)"/></svg>'
    )
