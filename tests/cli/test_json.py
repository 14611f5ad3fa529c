"""Every command that can print a table prints one JSON value with ``--json``, and nothing else on stdout."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from md2n.experiment.cost_model import RecoveryCost, Sizes, TrainingCost
from md2n.experiment.pipeline import run_evaluation
from md2n.report.runs import RunFacts
from tests.cli.commands import ask
from tests.project.sources import SOURCE
from tests.report.made import SETS, fixed_rows

PRINTERS = {"print_table", "print_tables"}
PATTERNS = dict.fromkeys((*SETS, "complete"), 0.625)


def printing() -> dict[str, ast.FunctionDef]:
    """``file.function`` of every command that calls a printer of tables."""
    found = {}
    for path in sorted((SOURCE / "cli").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and path.stem != "output":
                names = {n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
                if names & PRINTERS:
                    found[f"{path.stem}.{node.name}"] = node
    return found


def one_table(facts: Any) -> None:
    assert facts.keys() == {"name", "title", "rows", "notes"}
    assert facts["rows"]


def some_tables(facts: Any) -> None:
    assert facts.keys() == {"verdict", "tables"}
    assert facts["verdict"]
    for table in facts["tables"]:
        one_table(table)
    values = [v for table in facts["tables"][:2] for row in table["rows"] for v in row.values()]
    assert any(isinstance(v, float | dict) for v in values), "numbers are numbers, not texts"


def a_list(facts: Any) -> None:
    assert isinstance(facts, list)
    assert facts and all(isinstance(one, dict) for one in facts)


def keys(*names: str) -> Callable[[Any], None]:
    def check(facts: Any) -> None:
        assert facts.keys() >= set(names)

    return check


BENCH = ("benchmark", "--data", "digits", "--models", "md2n,zero_fill", "--seeds", "2", "--out", "bench", "--plan")
STUDY = ("reproduce", "table1", "--data", "digits", "--models", "mctn", "--seeds", "2")
CASES: dict[str, list[tuple[tuple[str, ...], Callable[[Any], None]]]] = {
    "benchmark.benchmark": [(BENCH, one_table)],
    "config.list_presets": [(("config", "list"), a_list)],
    "data.list_sets": [(("data", "list"), a_list)],
    "data.check_set": [(("data", "check", "digits"), keys("counts", "findings", "patterns"))],
    "data.describe_set": [(("data", "info", "digits"), keys("modalities"))],
    "demo.demo": [(("demo", "--quiet"), some_tables)],
    "doctor.doctor": [(("doctor",), keys("machine", "extras"))],
    "evaluate.evaluate": [(("evaluate", "RUN", "--quiet"), some_tables)],
    "methods.list_methods": [(("methods", "list"), a_list)],
    "plan.plan": [(("plan", "--rows", "1000"), keys("training", "recovery", "fitted"))],
    "reproduce.reproduce": [((*STUDY, "--plan"), one_table), (STUDY, some_tables)],
    "value.value": [(("value", "RUN", "--quiet"), one_table)],
}


def test_the_cases_are_all_commands_that_print_tables_and_each_has_the_option() -> None:
    found = printing()
    assert found.keys() == CASES.keys()
    for name, node in found.items():
        options = {a.arg: ast.unparse(a.annotation) for a in node.args.args if a.annotation}
        assert options.get("json") == "AsJson", f"{name} has no --json"


@pytest.mark.parametrize(("name", "case"), [(n, k) for n, cases in CASES.items() for k in range(len(cases))])
def test_stdout_is_one_json_value(
    name: str,
    case: int,
    dropout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, check = CASES[name][case]
    monkeypatch.chdir(tmp_path)
    without_long_work(monkeypatch, dropout)
    said = ask(capsys, *(dropout if word == "RUN" else word for word in arguments), "--json")
    assert said.code == 0, said.err
    check(json.loads(said.out))


def without_long_work(patch: pytest.MonkeyPatch, run: Path) -> None:
    """The trainings of demo, plan and reproduce have been done, so to speak."""
    costs = TrainingCost(4.0, 3e-3, 400, 7, Sizes()), RecoveryCost(2.0, 1e-3, 1e-4, 300, 2048, 10, 20)
    patch.setattr("md2n.experiment.cost_model.measure", lambda *given: costs)
    rows = run_evaluation(run, ["fixed"])
    patch.setattr("md2n.experiment.pipeline.run_training", lambda *given: run)
    patch.setattr("md2n.experiment.pipeline.run_evaluation", lambda given, **options: rows)
    patch.setattr("md2n.cli.demo._recover", lambda *given: [])
    made: tuple[list[Any], list[RunFacts]] = (
        fixed_rows("md2n", PATTERNS, "accuracy") + fixed_rows("mctn", PATTERNS, "accuracy"),
        [],
    )
    patch.setattr("md2n.experiment.benchmark.run_benchmark", lambda *given: [])
    patch.setattr("md2n.experiment.reproduce.results_of", lambda *given: made)


def test_a_number_is_what_was_measured(dropout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(ask(capsys, "evaluate", dropout, "--quiet", "--json").out)
    row = facts["tables"][0]["rows"][0]
    value = next(
        r.value for r in run_evaluation(dropout, ["fixed"]) if (r.condition, r.metric) == ("complete", "accuracy")
    )
    assert row["complete"] == pytest.approx(100 * value, abs=1e-9)
