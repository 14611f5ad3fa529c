"""What a server shows: a model, and beside it samples whose truth is known, numbers of its run, a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.samples import Samples
from md2n.errors import DataError
from md2n.evaluation.metrics import MEASURES, primary
from md2n.evaluation.results import PROTOCOLS, read_results
from md2n.modality import Modality
from md2n.serve.http.abilities import Ability, abilities_of
from md2n.serve.http.batching import Batcher, listed
from md2n.serve.http.limits import Limits
from md2n.serve.http.metrics import Meters
from md2n.serve.http.refusals import Refusal
from md2n.serve.http.report import Report
from md2n.serve.predictor import Predictor

# Data set and modality -> rows and columns of the picture that its numbers are.
PICTURES = {("digits", "rows"): (8, 8), ("mfeat", "pix"): (16, 15)}
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Served:
    """A model and what is shown beside it.

    Args:
        predictor: answers.
        name: of the run.
        data: the data set that the run was trained on: a ready name, or a path.
        limits: on requests.
        samples: with labels, to look at; None for none.
        accuracy: what ``pattern_scores`` gives.
        report: None for none.
        token: that requests must bear; "" for none.
        hosts: names under which the server answers; empty for any.
    """

    predictor: Predictor
    name: str = ""
    data: str = ""
    limits: Limits = field(default_factory=Limits)
    samples: Samples | None = None
    accuracy: Mapping[str, Any] | None = None
    report: Report | None = None
    token: str = ""
    hosts: frozenset[str] = frozenset()
    meters: Meters = field(default_factory=Meters)

    __repr__ = brief

    def batcher(self) -> Batcher:
        """Who calls the model; begun and ended by the server."""
        return Batcher(self.predictor, self.limits, self.meters)

    @property
    def abilities(self) -> dict[str, Ability]:
        """Of the model, by name."""
        return abilities_of(self.predictor)

    def facts(self) -> dict[str, Any]:
        """Of ``GET /api/model``."""
        schema, card = self.predictor.schema, self.predictor.model.card
        return {
            "run": self.name,
            "data": Path(self.data).name,
            "method": card.title,
            "abilities": list(self.abilities),
            "task": {"label": schema.task.label, "kind": schema.task.kind, "classes": list(schema.task.classes)},
            "modalities": [self._modality(m) for m in schema.modalities],
            "group": self.predictor.normaliser.group,
            "calibrated": self.predictor.certainty is not None,
            "samples": 0 if self.samples is None else len(self.samples),
            "accuracy": self.accuracy,
            "report": self.report is not None,
            "limits": {"rows": self.limits.rows, "body_bytes": self.limits.body_bytes, "seconds": self.limits.seconds},
        }

    def _modality(self, modality: Modality) -> dict[str, Any]:
        picture = PICTURES.get((self.data, modality.name))
        return {
            "name": modality.name,
            "features": modality.dim,
            "frames": modality.length,
            "vector": modality.is_vector,
            "picture": picture if picture and picture[0] * picture[1] == modality.dim * modality.length else None,
        }

    def sample(self, row: int) -> dict[str, Any]:
        """One of the samples with all that is known of it; numbers that are not are NaN.

        Raises:
            Refusal: there is no such row.
        """
        count = 0 if self.samples is None else len(self.samples)
        if self.samples is None or not 0 <= row < count:
            hint = (
                f"there are {count}, from 0 on" if count else "start the server with data: md2n serve RUN --data DATA"
            )
            raise Refusal("not-found", f"there is no sample {row}", hint)
        one = self.samples.select(np.asarray([row], np.int64))
        group = self.predictor.normaliser.group
        return {
            "row": row,
            "id": str(one.ids[0]),
            "label": self.labels(row, row + 1)[0],
            "group": str(one.groups[group][0]) if group in one.groups else None,
            "features": {name: arrays[0] for name, arrays in listed(one).items()},
        }

    def labels(self, start: int, end: int) -> list[Any]:
        """The true labels of the samples from ``start`` to ``end``: class names or values; None where unknown."""
        name = self.predictor.schema.task.label
        if self.samples is None or name not in self.samples.labels:
            return [None] * (end - start)
        column = self.samples.labels[name]
        values = column.values[start:end].tolist()
        if column.task.classes:
            return [column.task.classes[v] if v >= 0 else None for v in values]
        return [v if v == v else None for v in values]


def pattern_scores(run: Path, predictor: Predictor) -> dict[str, Any] | None:
    """How well the run does with each set of modalities, from its evaluation; None where it was not evaluated.

    Args:
        run: the folder.
        predictor: of this run.
    """
    file, measure = run / RESULTS, primary(predictor.schema.task)
    if not file.is_file():
        return None
    try:
        rows = read_results(file, notice=lambda text: None)
    except DataError:  # of another version: the model can be served all the same
        return None
    scores = {
        r.condition: {"value": r.value, "n": r.n}
        for r in rows
        if (r.protocol, r.split, r.metric, r.target) == (PROTOCOLS["fixed"], "test", measure, "")
    }
    facts = MEASURES[measure]
    return {"measure": facts.title, "percent": facts.percent, "patterns": scores} if scores else None
