"""What training says of data that ``md2n data check`` would object to."""

import shlex
from collections.abc import Callable

from md2n.data.check import check
from md2n.data.config import DataConfig
from md2n.data.integrity import WHOLE
from md2n.data.leaks import leaks
from md2n.data.samples import Samples

LOUD = ("error", "warning")


def tell_findings(samples: Samples, config: DataConfig, notice: Callable[[str], None]) -> None:
    """Errors and leaks that a check finds, a line each; training goes on.

    Args:
        samples: what is trained on.
        config: its name and label.
        notice: receives each, and that data of more than 1 GiB are not looked through.
    """
    name = shlex.quote(config.name)
    if sum(ragged.values.nbytes for ragged in samples.modalities.values()) > WHOLE:
        notice(f"data: too large to be looked through before every training; `md2n data check {name}` does")
        return
    leaking = {f.code for f in leaks(samples) if f.severity in LOUD}
    findings = [f for f in check(samples, label=config.label) if f.severity == "error" or f.code in leaking]
    for finding in findings:
        hint = f"; {finding.hint}" if finding.hint else ""
        notice(f"data: {finding.severity} ({finding.code}): {finding.message}{hint}")
    if findings:
        notice(f"data: `md2n data check {name}` says more; training goes on")
