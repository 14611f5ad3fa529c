"""A trained model on new data: arrays in, predictions and recovered modalities out, in the data's own units.

``md2n.load(run)`` gives a ``Predictor``.  What is missing is told by leaving a modality out, by ``None`` in place of a
sample's array, or by NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.data.cell_model import CellModel
from md2n.data.conversation import COLUMNS as CONVERSATIONS
from md2n.data.normalise import Normaliser
from md2n.data.readers.wide import Columns
from md2n.data.samples import Array, Ragged, Samples
from md2n.errors import UsageError
from md2n.evaluation.certainty import LEVELS, Certainty
from md2n.evaluation.inference import to_numpy
from md2n.methods.base import MultimodalModel, Recovers
from md2n.missing import pattern_name
from md2n.modality import Schema
from md2n.seeding import generator
from md2n.serve.answers import Answer, Floats, Recovered
from md2n.serve.incoming import Given, check_units, content_keys, group_notes, incoming
from md2n.serve.pretrained import Pretrained, RunFiles
from md2n.serve.required import require_finite, require_positive, require_recovery
from md2n.serve.tables import columns_in, columns_in_training
from md2n.serve.taken import Taken, recovered_frames

if TYPE_CHECKING:
    from md2n.serve.explaining import Explanation
    from md2n.serve.fitting import Evaluation
    from md2n.serve.inspecting import Inspection, Reference
    from md2n.serve.retrieving import Retrieved

DRAWS = 8  # behind a prediction's standard deviation, unless more are asked for: as many as behind a recovery's


class Predictor(Pretrained):
    """A trained model with the schema and normalisation it was trained with.

    Args:
        model: in evaluation mode.
        schema: modalities and task it was built for.
        normaliser: fitted on its training split.
        cells: what single unknown numbers are filled with; mean and deviation of the training split if not given.
        seed: of the draws; with the same seed a sample is drawn the same, whatever other samples it comes with.  A
            sample is known by its id, or in arrays, which bring none, by what it holds.
        batch_size: samples at a time.
        zeros: modality -> ``padding`` or ``measurement``: what zeros at the ends of its sequences were in training.
        notes: what a person should know of every answer.
        certainty: how sure predictions may be; not calibrated if not given.
        columns: modality -> columns of the table it was trained on, if that was one.
        measure: gives the ``Reference`` that ``inspect`` compares with, when it is first needed.
    """

    def __init__(
        self,
        model: MultimodalModel,
        schema: Schema,
        normaliser: Normaliser,
        cells: CellModel | None = None,
        seed: int = 0,
        batch_size: int = 64,
        zeros: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        certainty: Certainty | None = None,
        columns: Columns | None = None,
        measure: "Callable[[Predictor], Reference] | None" = None,
    ) -> None:
        self.model, self.schema, self.normaliser = model, schema, normaliser
        self.cells = cells or CellModel.plain({m.name: m.dim for m in schema.modalities})
        self.seed, self.batch_size, self.zeros, self.notes = seed, batch_size, zeros or {}, tuple(notes)
        self.certainty, self.columns, self.measure = certainty, columns or {}, measure
        self._reference: Reference | None = None

    def __repr__(self) -> str:
        inputs = ", ".join(f"{m.name} [{m.length}, {m.dim}]" for m in self.schema.modalities)
        task = self.schema.task
        answers = f"one of {len(task.classes)} classes" if task.classes else "a value"
        return f"Predictor({self.model.card.title}: {inputs} -> '{task.label}', {answers}; seed {self.seed})"

    def predict(
        self,
        data: Mapping[str, Given] | Samples | Any,
        *,
        groups: Sequence[str] | None = None,
        draws: int | None = None,
        distrust: float | None = None,
        check_units: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Answer:
        """Predictions for new samples, whatever each of them misses.

        Args:
            data: modality name -> ``[N, d]`` or ``[N, T, d]`` array, a table of pandas, polars or Arrow, or one array
                (or ``None``) per sample; a modality may be left out or ``None``.  Or one table with the columns of all
                modalities, a list with an array of each modality, or a data set of ``md2n.data.store.open_store``.
            groups: the group (actor, subject) of each sample, for models normalised by group.
            draws: behind ``std``, and behind the prediction where that is a mean over draws (IMDer's; MD2N's with
                ``predict_steps > 1``).  If not given, 8 or the model's own setting, whichever is more.  Ignored by a
                method that draws none.
            distrust: take a modality as missing whose p (``inspect``) is at most this, e.g. 0.01; none if not given.
            check_units: refuse data whose values lie far outside what the model was trained on.
            progress: told, after every batch, how many samples are answered for, of how many.

        Raises:
            DataError: unknown modality, wrong feature size, nothing available in a sample, or foreign units.
            DivergenceError: a prediction that is not a finite number.
            UsageError: another number of groups than of samples; draws below 1; or as for ``inspect``, where something
                may be distrusted.
        """
        if distrust is not None and not 0 < distrust < 1:
            raise UsageError(f"a level of {distrust:g} is no probability", "give one between 0 and 1, like 0.01")
        require_positive("draws", draws)
        taken = self.take(data, groups, check_units)
        own = self.model.predict_draws
        count = draws or (max(own, DRAWS) if own else None)
        outputs, stds, available, numbers, distrusted = [], [], [], [], []
        with torch.inference_mode():
            for batch in taken.batches(self.batch_size, self.device, progress):
                if distrust is not None:
                    batch, left_out = self._trusted(batch, taken.samples.ids, distrust)
                    distrusted += left_out
                prediction = self.model.predict(batch, generator(self.seed, "predict"), draws=count)
                ids = taken.samples.ids[batch.rows.cpu().numpy()]
                outputs.append(require_finite("the prediction", to_numpy(prediction.output), ids))
                if prediction.std is not None:
                    stds.append(require_finite("the deviation of the prediction", to_numpy(prediction.std), ids))
                numbers.append(to_numpy(batch.available.sum(dim=1)))
                available += [pattern_name(tuple(row), batch.names) for row in batch.available.tolist()]
        classes = self.schema.task.classes
        std = np.concatenate(stds) if stds else None
        output, number, certainty = np.concatenate(outputs), np.concatenate(numbers), self.certainty
        intervals = {}
        if certainty is not None and classes:
            output = certainty.probabilities(output, number)
        elif certainty is not None:
            intervals = {level: certainty.interval(level, output, number) for level in LEVELS}
        of = taken.samples.ids, output, std, classes, tuple(available), taken.notes, intervals
        answer = Answer(*of, distrusted=tuple(distrusted))
        return answer if distrust is None else self.reference().noted(answer, distrust)

    def recover(
        self,
        data: Mapping[str, Given] | Samples | Any,
        *,
        groups: Sequence[str] | None = None,
        draws: int | None = None,
        steps: int | None = None,
        check_units: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Recovered:
        """What is missing of new samples, whole modalities and single numbers, with ``std`` for each value.

        A number that was given comes back as it was.  Single numbers inside a modality that is there are recovered from
        the known ones of the same frame (``md2n.data.cell_model``), whole modalities by the method.  A recovered
        sequence has as many frames as the sample's longest available sequence, where the model's sequences share one
        length, but no more than the training data's longest; which it has otherwise.

        Args:
            data: as for ``predict``.
            groups: as for ``predict``.
            draws: how many draws the mean and standard deviation are taken over.
            steps: network calls per draw.
            check_units: as for ``predict``.
            progress: as for ``predict``.

        Raises:
            UsageError: the method recovers nothing; or a number of draws or steps below 1.
            DataError: as for ``predict``.
            DivergenceError: a recovered value that is not a finite number.
        """
        require_recovery(self.model)
        assert isinstance(self.model, Recovers)
        for flag, number in (("draws", draws), ("steps", steps)):
            require_positive(flag, number)
        taken = self.take(data, groups, check_units)
        features: dict[str, list[Floats]] = {k: [] for k in self.schema.names}
        std: dict[str, list[Floats]] = {k: [] for k in self.schema.names}
        known: dict[str, list[npt.NDArray[np.bool_]]] = {k: [] for k in self.schema.names}
        least = {m.name: m.length for m in self.schema.modalities}
        with torch.inference_mode():
            for batch in taken.batches(self.batch_size, self.device, progress, least):
                recovery = self.model.recover(batch, generator(self.seed, "recover"), draws=draws, steps=steps)
                frames = recovered_frames(batch, self.schema)
                for k, name in enumerate(self.schema.names):
                    values = to_numpy(recovery.features[name].float())
                    widths = to_numpy(recovery.std[name].float()) if recovery.std else np.zeros_like(values)
                    for i, row in enumerate(batch.rows.tolist()):
                        if bool(batch.available[i, k]):
                            value, width, flags = taken.filled(name, row, self.cells)
                            features[name].append(value)
                            std[name].append(width)
                            known[name].append(flags)
                            continue
                        own = taken.samples.ids[row : row + 1]
                        raw = values[i, : frames[i, k]], widths[i, : frames[i, k]]
                        for part in raw:  # before the way back, on which an infinity may become the limit
                            require_finite(f"the recovered '{name}'", part[None], own)
                        value, width = taken.in_own_units(name, row, *raw)
                        for part in (value, width):
                            require_finite(f"the recovered '{name}'", part[None], own)
                        features[name].append(value)
                        std[name].append(width)
                        known[name].append(np.zeros(value.shape, np.bool_))
        was_given = {k: r.present for k, r in taken.samples.modalities.items()}
        notes = tuple(
            f"{int((~f).sum())} of {len(f)} '{k}' recovered by {self.model.card.title}" for k, f in was_given.items()
        )
        inside = {k: sum(int((~c).sum()) for c, f in zip(known[k], was_given[k]) if f) for k in was_given}
        notes += tuple(f"{n} single numbers of '{k}' recovered from the others" for k, n in inside.items() if n)
        source = {"recovered_from": taken.samples.name, "method": self.model.card.title}
        filled = replace(
            taken.samples,
            name=f"{taken.samples.name}-recovered",
            modalities={k: Ragged.from_arrays(rows) for k, rows in features.items()},
            notes=(*taken.samples.notes, *notes),
            source=source,
        )
        columns = columns_in(data, self.schema, self.columns)
        return Recovered(features, std if recovery.std else {}, was_given, known, filled, taken.notes, columns)

    def evaluate(
        self, data: Any, label: Any = "", *, protocol: str = "fixed", split: str = "test", **options: Any
    ) -> "Evaluation":
        """How well it does on labelled data under a protocol.

        >>> model.evaluate(arrays, labels)                              # doctest: +SKIP

        Args:
            data: as for ``md2n.fit``; without splits they are made as there, so that what ``fit`` trained on comes out
                again.
            label: as for ``md2n.fit``.
            protocol: ``fixed``, ``random`` or ``inside``.
            split: train, valid or test.
            **options: ``splits``, ``groups``, ``ids`` and ``seed`` of ``md2n.fit``.

        Returns:
            ``md2n.serve.fitting.Evaluation``: measures of each condition, and their mean.

        Raises:
            DataError: the data do not fit the model.
            UsageError: no such protocol, or the split is empty.
        """
        from md2n.serve.fitting import evaluate

        return evaluate(self, data, label, protocol=protocol, split=split, **options)

    def explain(self, data: Mapping[str, Given] | Samples, **options: Any) -> "Explanation":
        """What each modality adds to each prediction: Shapley values over the sets of modalities a sample has.

        >>> model.explain(arrays).own                                   # doctest: +SKIP

        Args:
            data: as for ``predict``.
            **options: ``groups``, ``draws``, ``check_units`` and ``progress`` as for ``predict``, but draws of the
                model's own number if not given; ``orders``, how many are drawn for samples with more than six
                modalities (32).

        Returns:
            ``md2n.serve.explaining.Explanation``: the prediction from nothing and contributions, which together are
            the prediction.

        Raises:
            Md2nError: as for ``predict``; a ``UsageError`` for fewer than two orders.
        """
        from md2n.serve.explaining import explain

        return explain(self, data, **options)

    def inspect(self, data: Mapping[str, Given] | Samples, **options: Any) -> "Inspection":
        """How well each modality of each sample fits the sample's other modalities; a wrong one fits badly.

        >>> model.inspect(arrays).p                                     # doctest: +SKIP

        Args:
            data: as for ``predict``.
            **options: ``groups`` and ``progress`` as for ``predict``; ``check_units``, which is False if not given.

        Returns:
            ``md2n.serve.inspecting.Inspection``: a score for each sample and modality, and its rank among validation
            samples as a p-value.

        Raises:
            DataError: as for ``predict``; or the validation samples are needed and cannot be read.
            UsageError: the method recovers nothing, or there are no validation samples to compare with.
        """
        from md2n.serve.inspecting import inspect

        return inspect(self, data, **options)

    def retrieve(
        self, query: Mapping[str, Given] | Samples, index: Mapping[str, Given] | Samples, **options: Any
    ) -> "Retrieved":
        """The items nearest to each query, whatever modalities either side misses.

        >>> model.retrieve({"audio": audio}, {"text": text}).ids        # doctest: +SKIP

        Args:
            query: samples, as for ``predict``.
            index: items, as for ``predict``.
            **options: ``count`` of items per query (10); ``approximate`` (needs the extra ``search``); ``check_units``
                and ``progress`` as for ``predict``.

        Returns:
            ``md2n.serve.retrieving.Retrieved``: ids and distances, and recall where queries and items share ids.

        Raises:
            DataError: as for ``predict``; or the two sides have no modality in common and the method recovers none.
            UsageError: no item wanted, or an approximate search without the extra.
        """
        from md2n.serve.retrieving import retrieve

        return retrieve(self, query, index, **options)

    def __getstate__(self) -> dict[str, Any]:
        """A copy does without the validation samples: it inspects only if its original has done so before."""
        return {**self.__dict__, "measure": None}

    def reference(self) -> "Reference":
        """What ``inspect`` compares with; measured on validation samples when it is first needed.

        Raises:
            UsageError: as for ``inspect``.
        """
        require_recovery(self.model)
        if self._reference is None:
            if self.measure is None:
                raise UsageError("there are no validation samples to compare with", "use md2n.load or md2n.fit")
            self._reference = self.measure(self)
        return self._reference

    def _trusted(self, batch: SequenceBatch, ids: Array, level: float) -> tuple[SequenceBatch, list[str]]:
        """The batch without what is distrusted, and names of that."""
        from md2n.serve.inspecting import trusted

        left = torch.from_numpy(trusted(self, batch, ids, level)).to(batch.device)
        names = [pattern_name(tuple(row), batch.names) for row in (batch.available & ~left).tolist()]
        return batch.hide(left), names

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def take(self, data: Mapping[str, Given] | Samples | Any, groups: Sequence[str] | None, units: bool) -> Taken:
        """New data as the model takes them, of which what does not fit is refused.

        Raises:
            DataError: as for ``predict``.
            UsageError: another number of groups than of samples.
        """
        together = CONVERSATIONS if self.model.conversational else ()
        own = self.schema, self.normaliser.group, self.zeros, self.columns
        samples, notes = incoming(data, groups, *own, together)
        if units:
            check_units(samples, self.normaliser)
        adapted = self.normaliser.adapt(samples)
        notes = (*self.notes, *notes, *group_notes(samples, adapted, groups is not None))
        keys = None if isinstance(data, Samples) else content_keys(samples)
        return Taken(samples, adapted, self.schema, notes, keys, self.model.conversational)


def load(run: str | Path, *, device: str = "cpu", seed: int = 0) -> Predictor:
    """The trained model of a run folder, ready for new data.

    >>> md2n.load("runs/first").predict({"audio": audio, "text": None}).labels  # doctest: +SKIP

    Args:
        run: a folder written by ``md2n train``.
        device: where to compute.
        seed: of the draws.

    Raises:
        RunError: no finished run there.
    """
    from md2n.experiment.loading import load_run, zeros_in_training
    from md2n.serve.inspecting import run_reference

    loaded = load_run(Path(run), device=device)
    zeros = zeros_in_training(loaded.facts, loaded.path)
    parts = loaded.model, loaded.schema, loaded.normaliser, loaded.cells
    predictor = Predictor(
        *parts,
        seed=seed,
        zeros=zeros,
        notes=loaded.notes,
        certainty=loaded.certainty,
        columns=columns_in_training(loaded.facts),
        measure=lambda predictor: run_reference(predictor, loaded),
    )
    predictor.files = RunFiles.of(loaded.path)
    return predictor
