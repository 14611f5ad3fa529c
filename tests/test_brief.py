"""What records show of themselves: a short line, however much they hold."""

import ast
import re
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from md2n.brief import brief
from md2n.data.dataset import MultimodalDataset
from md2n.data.normalise import Normaliser
from md2n.evaluation.evaluator import evaluate, evaluate_recovery
from md2n.evaluation.protocols import fixed_conditions
from md2n.serve.predictor import load
from tests.project.sources import python_files, told, tree
from tests.serve.trained import sixty_digits, trained

LONGEST = 700  # characters; a screen of eighty columns has nine lines of it
HOLDS_ARRAYS = re.compile(r"\b(Array|NDArray|ndarray|Tensor|Flags|Floats|Rows|Ragged|Samples|Normaliser|Affine)\b")


@dataclass
class Record:
    values: np.ndarray
    ids: np.ndarray
    many: list[np.ndarray]
    named: dict[str, np.ndarray]
    score: torch.Tensor
    text: str = "a\nb"
    inner: object = None
    hidden: int = field(default=3, repr=False)

    __repr__ = brief


def test_arrays_are_types_and_shapes_and_collections_are_counted() -> None:
    x = np.zeros((3, 2), np.float32)
    record = Record(x, np.array(["a", "b"]), [x] * 5, {"text": x}, torch.tensor(0.25), inner=Record)
    assert repr(record) == (
        "Record(values=float32[3, 2], ids=text[2], many=[float32[3, 2], ... 5 in all], named={text: float32[3, 2]}, "
        "score=0.25, text='a\\nb', inner=<class 'tests.test_brief.Record'>)"
    )
    assert "values=bool[4]" in repr(Record(torch.ones(4, dtype=torch.bool), x, [], {}, torch.tensor(1)))
    many = repr(Record(x, x, [], {str(i): x for i in range(40)}, torch.tensor(1), text="w" * 1000))
    assert "3: float32[3, 2], ... 40 in all}" in many
    assert len(many) < 350


def test_what_a_person_gets_at_the_prompt_is_short(tmp_path_factory: pytest.TempPathFactory) -> None:
    samples = sixty_digits()
    run = trained(tmp_path_factory.mktemp("brief"), "md2n", samples)
    predictor = load(run)
    rows = np.arange(len(samples))
    dataset = MultimodalDataset(samples, rows, Normaliser.fit(samples, rows))
    conditions = fixed_conditions(dataset.present, samples.names)[:2]
    emptied = [None] * len(samples)
    hidden = {
        k: emptied if k == "rows" else [r.sample(i) for i in range(len(r))] for k, r in samples.modalities.items()
    }
    shown = [
        samples,
        samples.modalities["rows"],
        samples.label(),
        dataset.batch(rows[:5]),
        dataset.normaliser,
        predictor,
        predictor.predict(hidden),
        predictor.recover(hidden, draws=2, steps=2),
        conditions[0],
        *evaluate(predictor.model, dataset, conditions),
        *evaluate_recovery(predictor.model, dataset, conditions, draws=2, steps=2),
    ]
    lengths = {f"{n} {type(thing).__name__}": len(repr(thing)) for n, thing in enumerate(shown)}
    assert {name: n for name, n in lengths.items() if not 20 < n <= LONGEST} == {}
    assert all("\n" not in repr(thing) for thing in shown)
    assert re.match(r"Predictor\(MD2N: rows \[8, 8\], .* one of 10 classes; seed 0\)", repr(predictor))


def records_of_arrays() -> dict[str, ast.ClassDef]:
    """Every dataclass with a field of arrays, by file and name."""
    found = {}
    for path in python_files("src"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
                kinds = [ast.unparse(s.annotation) for s in node.body if isinstance(s, ast.AnnAssign)]
                if any(HOLDS_ARRAYS.search(k) and not k.startswith("Callable") for k in kinds):
                    found[f"{told(path)}:{node.name}"] = node
    return found


def test_every_record_of_arrays_is_brief() -> None:
    found = records_of_arrays()
    assert len(found) > 20
    wordy = [name for name, node in found.items() if not any(ast.unparse(s) == "__repr__ = brief" for s in node.body)]
    assert wordy == []
