"""``inside@1``: single numbers hidden inside modalities that are there, and how well they come back.

Everything present is available.  Of every frame of every modality the share 0.1, 0.3 and 0.5 of its known numbers is
hidden, each with that probability, one number of a frame left at least; ``inside=0`` hides none and is ``complete`` of
``fixed@1``.  What a share hides, every larger one hides: a number is hidden where a coin of its own, drawn for the
sample, falls below the share.

Predictions are measured as under every protocol.  Recovered numbers are the factor model's (``md2n.data.cell_model``),
which is the same for every method trained on the data.
"""

from collections.abc import Sequence

import numpy as np

from md2n.batch import SequenceBatch
from md2n.data.cell_model import CellModel, Floats
from md2n.data.dataset import MultimodalDataset
from md2n.evaluation.evaluator import RecoveryResult
from md2n.evaluation.inference import batches, open_cells, to_numpy
from md2n.evaluation.protocols import Condition, Flags
from md2n.evaluation.recovery import RecoveryTally
from md2n.seeding import numpy_generator

SHARES = (0.0, 0.1, 0.3, 0.5)
DRAWS = 20


def inside_conditions(present: Flags) -> tuple[Condition, ...]:
    """One condition for each share.

    Args:
        present: ``[N, M]``; what the data hold.
    """
    return tuple(Condition(f"inside={share:g}", present, share, share, inside=share) for share in SHARES)


def evaluate_cells(
    model: CellModel,
    dataset: MultimodalDataset,
    conditions: Sequence[Condition],
    *,
    batch_size: int = 64,
    seed: int = 0,
) -> list[RecoveryResult]:
    """How well hidden numbers come back, for each share and modality, in normalised units.

    Args:
        model: fitted on the training split.
        dataset: N samples.
        conditions: of ``inside_conditions``; those that hide nothing give no result.
        batch_size: samples at a time.
        seed: of the coins and draws.
    """
    names = dataset.schema.names
    hiding = [c for c in conditions if c.inside]
    tallies = {(c.name, n): RecoveryTally(numpy_generator(seed, "energy", c.name, n)) for c in hiding for n in names}
    counts = dict.fromkeys(tallies, 0)
    for _, batch in batches(dataset, batch_size, "cpu"):
        for condition in hiding:
            left = batch.hide_cells(open_cells(batch, condition.inside, seed))
            for name in names:
                frames, x = to_numpy(batch.frames(name)), to_numpy(batch.features[name])
                if not frames.any():
                    continue
                before, after = (to_numpy(b.known(name).expand_as(batch.features[name]))[frames] for b in (batch, left))
                hidden = before & ~after
                mean, deviation = model.fill(name, x[frames], after)
                noise = _noise(batch, x.shape, seed, condition.name, name)[:, frames]
                draws = mean + deviation * noise
                tallies[condition.name, name].add(
                    x[frames][hidden][:, None], mean[hidden][:, None], draws[:, hidden][:, :, None]
                )
                counts[condition.name, name] += int(frames.any(axis=1).sum())
    by_name = {c.name: c for c in hiding}
    return [
        RecoveryResult(
            condition=by_name[condition],
            target=name,
            n=counts[condition, name],
            frames=tally.frames,
            measures=tally.measures(),
            truth=tally.truth,
            recovered=tally.recovered,
            draw=tally.draw,
        )
        for (condition, name), tally in tallies.items()
        if tally.frames
    ]


def _noise(batch: SequenceBatch, shape: tuple[int, ...], seed: int, *stream: str) -> Floats:
    """``[DRAWS, B, T, d]`` unit noise, a sample's own in whatever batch it is."""
    time, dim = shape[1:]
    own = [
        numpy_generator(seed, "inside draws", *stream, row).standard_normal((time, dim, DRAWS), np.float32)
        for row in batch.sample_keys.tolist()
    ]
    return np.moveaxis(np.stack(own), -1, 0)
