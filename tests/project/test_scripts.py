"""A name that a script does not know is refused, with those that it knows, before anything is done."""

import importlib

import pytest

WRONG = {
    "benchmarks.__main__": (["nothing"], "performance"),
    "scripts.notebooks": (["nothing"], "own_sensors"),
    "scripts.recovery": (["--data", "digits,nothing", "--plan"], "beijing_air"),
    "scripts.results": (["missing", "nothing"], "extrasensory"),
}
# These ask md2n, which has its own hint and exit code.
REFUSED = {
    "scripts.adaptive_stages": ["nothing"],
    "scripts.folds": ["--data", "digits,nothing"],
    "scripts.probes": ["nothing"],
    "scripts.recovery": ["nothing"],
    "scripts.results": ["add", "nothing"],
    "scripts.studies": ["add", "nothing"],
}


def said(module: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a script says on stderr, of a run that it refuses."""
    monkeypatch.setattr("sys.argv", [module, *words])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code not in (None, 0, 1)  # 1 is a bug's
    return capsys.readouterr().err


@pytest.mark.parametrize("module", WRONG)
def test_a_wrong_name_is_refused(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, known = WRONG[module]
    text = said(module, words, monkeypatch, capsys)
    assert "nothing" in text and known in text


@pytest.mark.parametrize("module", REFUSED)
def test_what_md2n_refuses_is_said_in_two_lines(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = said(module, REFUSED[module], monkeypatch, capsys).splitlines()
    assert first.startswith("error: ") and "nothing" in first and second.startswith("next: ")
