"""Findings on the training labels: unit, tails and precision of a real label, sizes of classes."""

import math
from collections.abc import Iterator

from md2n.data.finding import Finding
from md2n.data.samples import Array
from md2n.data.target import measure_labels, unit_of
from md2n.modality import BLUR, FLOAT32_ROUNDING, Task, needs_double

FLOAT64_ROUNDING = 2.0**-53  # of a number, at most


def unit_findings(task: Task, values: Array) -> Iterator[Finding]:
    """Range, centre and scale of known real labels ``[n]`` of training, and whether their type holds them."""
    unit = unit_of(values)
    low, high = float(values.min()), float(values.max())
    # As many digits as separate labels that differ by a hundredth of a deviation.
    digits = min(17, max(6, 3 + math.ceil(math.log10(max(abs(unit.centre) / unit.scale, 1)))))
    ends, mean = f"{low:.{digits}g} to {high:.{digits}g}", f"{unit.centre:.{digits}g}"
    message = f"label '{task.label}' is real: {ends}, mean {mean}, deviation {unit.scale:.4g}"
    if unit.heavy:
        message += " (both without its heavy tails)"
    yield Finding("info", "label-scale", message, "training learns it in deviations; its unit does not matter")
    single = values.dtype.itemsize <= 4
    rounding = (FLOAT32_ROUNDING if single else FLOAT64_ROUNDING) * abs(unit.centre)
    if rounding > BLUR * unit.scale or (single and needs_double(unit.centre, unit.scale)):
        message = (
            f"label '{task.label}' lies at {unit.centre:.6g}, its deviation is {unit.scale:.4g}: {values.dtype} rounds "
            f"it by up to {rounding:.2g}"
        )
        hint = "import it again from float64" if single else "subtract the offset before the labels are written"
        yield Finding("warning", "label-precision", message, f"{hint}, or the rounding is what is learned")


def size_findings(task: Task, values: Array) -> Iterator[Finding]:
    """Whether the largest class outweighs the others in the known training labels ``[n]``."""
    task = measure_labels(task, values)
    if not task.lopsided:
        return
    sizes = {count: name for count, name in sorted(zip(task.counts, task.classes)) if count}
    (fewest, rare), (most, common) = min(sizes.items()), max(sizes.items())
    message = (
        f"label '{task.label}': {most} of {sum(task.counts)} training samples are '{common}', only {fewest} '{rare}'; "
        "who always answers the former has a high accuracy"
    )
    hint = (
        "trainer.class_weights and trainer.select_on take care of it where they are 'auto'; read macro F1 or balanced "
        "accuracy, not accuracy"
    )
    yield Finding("warning", "class-imbalance", message, hint)
