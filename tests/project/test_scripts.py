"""A name that a script does not know is refused, with those that it knows, before anything is done."""

import importlib

import pytest

WRONG = {
    "benchmarks.__main__": (["nothing"], "performance"),
    "scripts.notebooks": (["nothing"], "own_sensors"),
    "scripts.recovery": (["--data", "digits,nothing", "--plan"], "beijing_air"),
    "scripts.results": (["missing", "nothing"], "extrasensory"),
}


@pytest.mark.parametrize("module", WRONG)
def test_a_wrong_name_is_refused(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, known = WRONG[module]
    monkeypatch.setattr("sys.argv", [module, *words])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "nothing" in said and known in said
