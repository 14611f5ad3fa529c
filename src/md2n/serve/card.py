"""The model card of a shared model: what a stranger has to know, written from the run's own files.

Front matter as the Hugging Face hub reads it; its values are JSON, which is YAML too.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from md2n.evaluation.certainty import LEVELS, Certainty
from md2n.evaluation.metrics import MEASURES, Measure, primary
from md2n.evaluation.protocols import COMPLETE
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.methods.base import Card
from md2n.modality import Schema

USE = """```python
import md2n

model = md2n.from_pretrained("FOLDER or user/name")
model.predict({...}).labels
```"""
Z = 1.959964  # of a 95 % interval


def model_card(
    card: Card,
    schema: Schema,
    facts: Mapping[str, Any],
    certainty: Certainty | None,
    rows: Sequence[ResultRow],
    inside: Sequence[str],
    licence: str = "",
) -> str:
    """``README.md`` of a shared model.

    Args:
        card: of the method.
        schema: modalities and task.
        facts: ``run.json``.
        certainty: how sure predictions may be; None where that is not calibrated.
        rows: results; those of the fixed protocol on the test split of the run's own data are shown.
        inside: sentences on what of the training data is in the weights.
        licence: an identifier such as ``mit``; "" where nobody has said any.
    """
    measure = primary(schema.task)
    checksum = facts.get("data", {}).get("checksum")
    scores = {r.condition: r for r in rows if _counts(r, measure) and r.data_checksum == checksum}
    parts = [
        _front(card, schema, facts, scores, measure, licence),
        f"# {card.title} on {facts.get('data', {}).get('name', 'unknown data')}",
        _what(card, schema),
        USE,
        "## Data",
        _data(schema, facts),
        "## Results",
        _results(scores, MEASURES[measure], facts),
        "## How sure it is",
        _certainty(schema, certainty),
        "## Limits",
        "\n".join(f"- {line}" for line in (*_limits(schema), *inside)),
        "## Licence",
        f"Of the weights: {licence or 'none was stated, so nobody may use them'}. The data have their own.",
        f"Method: {card.paper}. Made with md2n {facts.get('versions', {}).get('md2n', '')} (MIT).",
    ]
    return "\n\n".join(parts) + "\n"


def _counts(row: ResultRow, measure: str) -> bool:
    return (row.protocol, row.split, row.metric, row.target) == (PROTOCOLS["fixed"], "test", measure, "")


def _front(
    card: Card,
    schema: Schema,
    facts: Mapping[str, Any],
    scores: Mapping[str, ResultRow],
    measure: str,
    licence: str,
) -> str:
    data = str(facts.get("data", {}).get("name", "unknown"))
    front: dict[str, Any] = {"library_name": "md2n", **({"license": licence} if licence else {})}
    front["tags"] = ["md2n", "multimodal", "missing-modalities", card.family.replace(" ", "-"), schema.task.kind]
    incomplete = [r.value for name, r in scores.items() if name != COMPLETE]
    if incomplete:
        value = {"type": measure, "name": "mean over incomplete patterns", "value": sum(incomplete) / len(incomplete)}
        of = {"type": data, "name": data, "split": "test"}
        task = {"type": "other", "name": f"{schema.task.kind} with missing modalities"}
        front["model-index"] = [{"name": card.title, "results": [{"task": task, "dataset": of, "metrics": [value]}]}]
    return "\n".join(["---", *(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in front.items()), "---"])


def licence_of(card: Path) -> str:
    """The licence that the card in a file states; "" where there is no such file, or none stated."""
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines() if card.is_file() else []
    front = takewhile(lambda line: line != "---", lines[1:]) if lines[:1] == ["---"] else ()
    return next((line.partition(":")[2].strip().strip("\"'") for line in front if line.startswith("license:")), "")


def _what(card: Card, schema: Schema) -> str:
    task = schema.task
    answer = f"one of {len(task.classes)} classes ({', '.join(task.classes)})" if task.classes else "a real value"
    rows = [f"| {m.name} | {m.dim} | {'one' if m.is_vector else f'up to {m.length}'} |" for m in schema.modalities]
    more = " and recovers modalities that are missing" if card.recovers else ""
    return "\n".join(
        [
            f"It predicts `{task.label}`, {answer}, from whichever of these modalities a sample has{more}.",
            "",
            "| modality, in this order | features | frames |",
            "|---|---:|---:|",
            *rows,
        ]
    )


def _data(schema: Schema, facts: Mapping[str, Any]) -> str:
    data = facts.get("data", {})
    parts = ", ".join(f"{n} {split}" for split, n in data.get("samples", {}).items())
    sentences = [
        f"`{data.get('name')}`, checksum `{data.get('checksum')}`" + (f"; samples: {parts}." if parts else ".")
    ]
    sentences += [
        f"`{name}` was hidden for good from a part of the training samples." for name in data.get("hidden", {})
    ]
    sentences.append(f"Seed {facts.get('seed')}; the checkpoint was chosen on the validation split.")
    return " ".join(sentences)


def _results(scores: Mapping[str, ResultRow], measure: Measure, facts: Mapping[str, Any]) -> str:
    if not scores:
        return "Not evaluated before it was shared."
    share = measure.percent and "accuracy" in measure.title
    head = "| available | samples | " + measure.title + (" | 95 % interval |" if share else " |")
    lines = [
        f"Protocol `{PROTOCOLS['fixed']}` of md2n, test split: one model, each set of available modalities in turn.",
        "",
        head,
        "|---|---:|---:|" + ("---:|" if share else ""),
    ]
    for name, row in scores.items():
        cells = [name, str(row.n), _shown(row.value, measure)]
        cells += [" to ".join(_shown(x, measure) for x in wilson(row.value, row.n))] if share else []
        lines.append(f"| {' | '.join(cells)} |")
    incomplete = [r.value for name, r in scores.items() if name != COMPLETE]
    if incomplete:
        mean = _shown(sum(incomplete) / len(incomplete), measure)
        lines += ["", f"Mean over the {len(incomplete)} incomplete sets: {mean}."]
    lines += ["", "One run of one seed." + (" Intervals are of its test samples alone (Wilson)." if share else "")]
    return "\n".join(lines)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n independent samples; Wilson, JASA 22 (1927).

    >>> [round(x, 3) for x in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    centre, spread = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (centre - spread) / (1 + Z**2 / n), (centre + spread) / (1 + Z**2 / n)


def _shown(value: float, measure: Measure) -> str:
    return f"{100 * value if measure.percent else value:.{measure.digits}f}"


def _certainty(schema: Schema, certainty: Certainty | None) -> str:
    if certainty is None:
        return "Not calibrated."
    if schema.task.classes:
        return "Probabilities are calibrated on validation samples, by the number of available modalities."
    lines = [
        f"Half-widths of intervals around a prediction, in the unit of `{schema.task.label}`, by validation samples:",
        "",
        "| available modalities | " + " | ".join(f"{level} %" for level in LEVELS) + " |",
        "|---:|" + "---:|" * len(LEVELS),
    ]
    lines += [
        f"| {g + 1} | {' | '.join(f'{w[g]:.3g}' for w in certainty.half_widths)} |" for g in range(len(schema.names))
    ]
    return "\n".join(lines)


def _limits(schema: Schema) -> list[str]:
    return [
        "Features have to be made as those of the training data were: the same extractor, units and order of numbers.",
        "Numbers above hold for samples like the test samples. Other people and other recordings are not like them.",
        f"It was trained to predict `{schema.task.label}` and tested for nothing else.",
    ]
