"""The page in a browser: load, switch, choose, upload, tabs, a token; on a telephone, in the dark."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.serve.http.asking  # noqa: F401 - skips without the extra
from md2n.data.samples import Samples
from md2n.serve.http.report import Report
from md2n.serve.predictor import Predictor
from tests.serve.http.live import LOCAL, live

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
NARROW = {"width": 400, "height": 800}
TABLE = {"name": "digits-compare", "title": "digits: accuracy (%)", "columns": ["method", *"abcdefghijklmnopqrs"]}
REPORT = Report(
    [TABLE | {"numeric": [False] + [True] * 19, "rows": [["MD2N"] + ["**12.5**"] * 19], "notes": ["a note"]}],
    {"digits-radar.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="400"></svg>'},
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        window = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield window
        window.close()


@pytest.fixture(scope="module")
def port(recovering: Predictor, test_digits: Samples) -> Iterator[int]:
    scores = {
        "measure": "accuracy (%)",
        "percent": True,
        "patterns": {"edges+fourier+moments": {"value": 0.625, "n": 15}},
    }
    with live(recovering, name="first", data="digits", samples=test_digits, accuracy=scores, report=REPORT) as number:
        yield number


@pytest.fixture
def page(browser: Any, port: int) -> Iterator[Any]:
    context = browser.new_context()
    one = context.new_page()
    faults: list[str] = []
    one.on("pageerror", lambda error: faults.append(str(error)))
    here = re.compile(rf"(blob:)?http://{LOCAL}:|data:")
    one.on("request", lambda request: None if here.match(request.url) else faults.append(request.url))
    one.goto(f"http://{LOCAL}:{port}/")
    one.wait_for_selector("#result .card")
    yield one
    context.close()
    assert faults == []


def switch(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_a_switch_hides_a_modality_and_shows_it_recovered(
    page: Any, recovering: Predictor, test_digits: Samples
) -> None:
    assert page.locator("#recovered .card").count() == 0
    switch(page, "rows").click()
    page.wait_for_selector("#recovered .card")
    assert switch(page, "rows").get_attribute("aria-pressed") == "false"
    captions = page.locator("#recovered figcaption").all_inner_texts()
    assert [c.partition(",")[0] for c in captions] == ["truth", "recovered", "deviation"]
    assert "accuracy (%) with edges+fourier+moments: 62.5 on 15 test samples" in page.inner_text("#result")
    shown = {k: [r.sample(0)] for k, r in test_digits.modalities.items() if k != "rows"}
    answer = recovering.predict(shown)
    assert page.inner_text("#result strong") == answer.labels[0]
    assert f"{100 * answer.output[0].max():.1f}" in page.inner_html("#result svg")
    adds = page.locator("#explained svg text").all_text_contents()
    assert adds[::2] == ["edges", "fourier", "moments"]
    own = recovering.explain(shown).own[0, 1:]
    assert [float(t.replace("−", "-")) for t in adds[1::2]] == pytest.approx(own.tolist(), rel=0.006, abs=0.0006)
    switch(page, "edges").click()
    page.wait_for_selector("#recovered .card:nth-child(2)")
    assert page.locator("#recovered svg g rect.model").count() == 48
    for name in ("fourier", "moments"):
        switch(page, name).click()
    assert "one modality at least" in page.inner_text("#alert")


def test_samples_are_chosen_and_tabs_opened_by_the_keyboard(page: Any, test_digits: Samples) -> None:
    page.focus("#next")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#sample-line:has-text('{test_digits.ids[1]}')")
    page.focus("#tab-try")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#report table")
    assert page.locator("#report td.best").count() == 19
    assert page.evaluate("document.querySelector('#report img').naturalWidth") > 0
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#api li")
    assert "POST /api/predict" in page.inner_text("#api")
    assert not page.is_visible("#try")


def test_files_good_and_bad(page: Any, tmp_path: Path, test_digits: Samples) -> None:
    def upload(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#file", tmp_path / name)

    edges = test_digits.modalities["edges"].sample(0)[0]
    bad = {
        "a.csv": (b"a,b\n1,2\n", "the column 'a' is of no modality"),
        "b.json": (b'{"features": {"edges": [[1, 2]]}}', "has 2 features, the model was trained on 48"),
        "c.npz": (b"PK\x03\x04", "data.npz"),
        "d.exe": (b"MZ", "is no .csv, .json or .npz"),
    }
    for name, (content, words) in bad.items():
        upload(name, content)
        page.wait_for_selector(f'#alert:has-text("{words}")')
        assert "Traceback" not in page.inner_text("body")
    moments = test_digits.modalities["moments"].sample(1)[0]
    good = {"features": {"edges": [edges.tolist(), None], "moments": [None, moments.tolist()]}}
    upload("good.json", json.dumps(good).encode())
    page.wait_for_selector("#sample-line:has-text('good.json, sample 1')")
    assert page.inner_text("#count") == "of 2"
    assert not page.is_visible("#alert")
    assert switch(page, "rows").is_disabled()
    page.wait_for_selector("#recovered .card:nth-child(3)")
    with page.expect_download() as download:
        page.click("#save")
    saved = json.loads(Path(download.value.path()).read_text())
    np.testing.assert_allclose(saved["features"]["edges"][0][0], edges)
    page.click("#back")
    page.wait_for_selector("#count:has-text('of 15')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_can_be_read(browser: Any, port: int, scheme: str) -> None:
    context = browser.new_context(viewport=NARROW, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"http://{LOCAL}:{port}/")
    page.wait_for_selector("#result .card")
    switch(page, "edges").click()
    page.wait_for_selector("#recovered .card")
    for tab, content in (("#tab-try", "#result"), ("#tab-report", "#report table"), ("#tab-api", "#api li")):
        page.click(tab)
        page.wait_for_selector(content)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        for colours in page.evaluate(COLOURS):
            assert contrast(*colours) >= 4.5
    context.close()


COLOURS = """[...document.querySelectorAll('p, td, th, button, h2, text, li')]
.filter(e => e.checkVisibility()).map(e => {
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return colour.replaceAll(' ', '') === 'rgba(0,0,0,0)' && node.parentElement ? behind(node.parentElement) : colour;
  };
  const style = getComputedStyle(e);
  return [e.tagName === 'text' ? style.fill : style.color, behind(e)];
})"""


def contrast(first: str, second: str) -> float:
    """Of two colours, 1 to 21 (WCAG 2)."""

    def luminance(colour: str) -> float:
        parts = [int(x) / 255 for x in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_a_token_is_asked_for(browser: Any, dropout: Predictor, test_digits: Samples) -> None:
    with live(dropout, samples=test_digits, token="abc") as port:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://{LOCAL}:{port}/")
        for token in ("wrong", "abc"):
            page.wait_for_selector("#login", state="visible")
            page.fill("#token", token)
            page.keyboard.press("Enter")
        page.wait_for_selector("#result .card")
        switch(page, "rows").click()
        page.wait_for_selector("#switches [aria-pressed=false]")
        assert page.locator("#recovered .card").count() == 0  # the method recovers nothing
        context.close()
