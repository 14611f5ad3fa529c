"""The table of what modalities are worth."""

from collections.abc import Sequence

from md2n.evaluation.value import Gain, ModalityValue
from md2n.modality import Task
from md2n.report.table import Cell, Table

MARGIN = 1.96  # standard errors: 95 %
NOTES = (
    "Alone: better than the best constant answer. Added: better than from whatever else a sample has. ± is a 95 % "
    "margin over people, videos or samples; it does not contain the error of the weights.",
    "As observed: on the samples that have the modality. Weighted: each counts by the inverse of the probability that "
    "it has the modality, given what every sample has; so it is the worth over all samples, if nothing else decides "
    "about gaps. Effective: how many equally weighted samples tell as much.",
)


def value_table(values: Sequence[ModalityValue], task: Task, dataset: str, split: str) -> Table:
    """Modalities by what they are worth, with margins.

    Args:
        values: of the modalities.
        task: what is predicted.
        dataset: its name.
        split: that was measured.
    """
    classes = task.kind == "classification"

    def cell(gain: Gain | None) -> Cell:
        if gain is None:
            return Cell()
        unit = 100.0 if classes else 1.0
        return Cell(value=unit * gain.value, deviation=unit * MARGIN * gain.error, digits=1 if classes else 3)

    rows = tuple(
        (
            Cell(v.modality),
            *map(cell, (v.alone, v.alone_weighted, v.added, v.added_weighted)),
            Cell(value=float(v.n), digits=0),
            Cell(value=v.effective, digits=0),
        )
        for v in values
    )
    kinds = [f"{part}, {how}" for part in ("alone", "added") for how in ("as observed", "weighted")]
    what = "accuracy (points)" if classes else "less absolute error"
    title = f"{dataset}, {split}: what each modality is worth, {what}"
    return Table("value", title, ("modality", *kinds, "samples", "effective"), rows, NOTES)
