"""A trained model on new data: arrays in, predictions and recovered modalities out, in the data's own units.

``md2n.load(run)`` gives a ``Predictor``.  What is missing is told by leaving a modality out, by ``None`` in place of a
sample's array, or by NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from md2n.data.dataset import MultimodalDataset, iterate
from md2n.data.normalise import Normaliser
from md2n.data.samples import UNASSIGNED, Array, Ragged, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.missing import pattern_name
from md2n.modality import Schema
from md2n.models.base import MultimodalModel, Recovers
from md2n.seeding import generator

Given = Array | Sequence[Array | None] | None
STRANGE = 0.2  # part of normalised values beyond the clipping limit from which the units cannot be the model's


@dataclass(frozen=True)
class Answer:
    """Predictions for N samples.

    Args:
        ids: ``[N]``.
        output: ``[N]`` values in the label's units, or ``[N, C]`` class probabilities.
        spread: standard deviation over draws, same shape; zero where nothing was missing or nothing is random.
        classes: class names, empty for real-valued labels.
        available: ``[N]`` what each prediction was made from, as ``audio+text``.
    """

    ids: npt.NDArray[np.str_]
    output: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    available: tuple[str, ...]

    @property
    def labels(self) -> npt.NDArray[Any]:
        """``[N]`` the most probable class name, or the value."""
        return np.asarray(self.classes)[self.output.argmax(axis=1)] if self.classes else self.output


@dataclass(frozen=True)
class Recovered:
    """Every modality of N samples in its own units: as given where given, recovered where not.

    Args:
        features: name -> one ``[T_i, d_k]`` array per sample.
        spread: name -> the same shapes, standard deviation over draws; zero where given.
        was_given: name -> ``[N]`` bool.
        samples: the same as a data set, ready for a store.
    """

    features: Mapping[str, list[npt.NDArray[np.float32]]]
    spread: Mapping[str, list[npt.NDArray[np.float32]]]
    was_given: Mapping[str, npt.NDArray[np.bool_]]
    samples: Samples


class Predictor:
    """A trained model with the schema and normalisation it was trained with.

    Args:
        model: in evaluation mode.
        schema: modalities and task it was built for.
        normaliser: fitted on its training split.
        seed: of the draws; the same seed and data give the same answers.
        batch_size: samples at a time.
    """

    def __init__(
        self, model: MultimodalModel, schema: Schema, normaliser: Normaliser, seed: int = 0, batch_size: int = 64
    ) -> None:
        self.model, self.schema, self.normaliser = model, schema, normaliser
        self.seed, self.batch_size = seed, batch_size

    def predict(
        self,
        data: Mapping[str, Given] | Samples,
        *,
        groups: Sequence[str] | None = None,
        draws: int | None = None,
        check_units: bool = True,
    ) -> Answer:
        """Predictions for new samples, whatever each of them misses.

        Args:
            data: modality name -> ``[N, d]`` or ``[N, T, d]`` array, or one array (or ``None``) per sample; a modality
                may be left out or ``None``.  Or a data set as ``md2n.data.store.open_store`` gives it.
            groups: the group (actor, subject) of each sample, for models normalised by group.
            draws: over how many draws to average; the model's own setting if not given.
            check_units: refuse data whose values lie far outside what the model was trained on.

        Raises:
            DataError: unknown modality, wrong feature size, nothing available in a sample, or foreign units.
        """
        samples = self._samples(data, groups)
        dataset = self._dataset(samples, check_units)
        outputs, spreads, available = [], [], []
        with torch.inference_mode():
            for n, batch in enumerate(iterate(dataset, self.batch_size)):
                said = self.model.predict(batch, generator(self.seed, "predict", n), draws=draws)
                outputs.append(said.output.float().numpy())
                spreads.append(said.spread.float().numpy())
                available += [pattern_name(tuple(row), batch.names) for row in batch.available.tolist()]
        classes = self.schema.task.classes
        return Answer(samples.ids, np.concatenate(outputs), np.concatenate(spreads), classes, tuple(available))

    def recover(
        self,
        data: Mapping[str, Given] | Samples,
        *,
        groups: Sequence[str] | None = None,
        draws: int | None = None,
        steps: int | None = None,
        check_units: bool = True,
    ) -> Recovered:
        """The missing modalities of new samples, with a spread for each value.

        A recovered sequence has as many frames as the sample's longest available sequence, where the model's
        sequences share one length, and the training data's longest otherwise.

        Args:
            data: as for ``predict``.
            groups: as for ``predict``.
            draws: how many draws the mean and spread are taken over.
            steps: network calls per draw.
            check_units: as for ``predict``.

        Raises:
            UsageError: the method recovers nothing.
            DataError: as for ``predict``.
        """
        if not isinstance(self.model, Recovers):
            raise UsageError(
                f"'{self.model.card.title}' does not recover modalities", "train 'md2n' or another recovery method"
            )
        samples = self._samples(data, groups)
        dataset = self._dataset(samples, check_units)
        group = self.normaliser.groups_of(samples)
        features: dict[str, list[npt.NDArray[np.float32]]] = {k: [] for k in self.schema.names}
        spread: dict[str, list[npt.NDArray[np.float32]]] = {k: [] for k in self.schema.names}
        with torch.inference_mode():
            for n, batch in enumerate(iterate(dataset, self.batch_size, minimum=self._lengths())):
                said = self.model.recover(batch, generator(self.seed, "recover", n), draws=draws, steps=steps)
                frames = self._frames(batch.valid, batch.available.numpy())
                for k, name in enumerate(self.schema.names):
                    for i, row in enumerate(batch.rows.tolist()):
                        if bool(batch.available[i, k]):
                            given = np.asarray(samples.modalities[name].sample(row), np.float32)
                            features[name].append(given)
                            spread[name].append(np.zeros_like(given))
                            continue
                        key = None if group is None else str(group[row])
                        value = said.features[name][i, : frames[i, k]].float().numpy()
                        width = said.spread[name][i, : frames[i, k]].float().numpy()
                        features[name].append(self.normaliser.invert(name, value, key))
                        # The spread of a (locally) linear map: half the image of one deviation to either side.
                        above = self.normaliser.invert(name, value + width, key)
                        below = self.normaliser.invert(name, value - width, key)
                        spread[name].append(np.asarray((above - below) / 2, np.float32))
        given_flags = {k: samples.modalities[k].present for k in self.schema.names}
        filled = Samples(
            name=f"{samples.name}-recovered",
            modalities={k: Ragged.from_arrays(rows) for k, rows in features.items()},
            labels=samples.labels,
            split=samples.split,
            ids=samples.ids,
            groups=samples.groups,
            default_label=samples.default_label,
            normalise_by=samples.normalise_by,
            notes=(*samples.notes, *(f"{int((~f).sum())} of {len(f)} '{k}' recovered" for k, f in given_flags.items())),
            source={"recovered_from": samples.name, "method": self.model.card.title},
        )
        return Recovered(features, spread, given_flags, filled)

    def _samples(self, data: Mapping[str, Given] | Samples, groups: Sequence[str] | None) -> Samples:
        """The data with every modality of the schema in order, absent ones empty; dims checked by name."""
        given = dict(data.modalities) if isinstance(data, Samples) else dict(data)
        for name in given:
            if name not in self.schema.names:
                raise DataError(
                    f"the model knows no modality '{name}'",
                    f"rename it or leave it out; {did_you_mean(name, self.schema.names)}",
                )
        ragged: dict[str, Ragged | None] = {k: v if isinstance(v, Ragged) else _ragged(k, v) for k, v in given.items()}
        counts = {k: len(r) for k, r in ragged.items() if r is not None}
        if not counts:
            raise DataError("no modality holds any data", f"give at least one of: {', '.join(self.schema.names)}")
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{k}: {n}" for k, n in counts.items())
            raise DataError(f"the modalities hold different numbers of samples ({told})", "use None for a missing one")
        count = next(iter(counts.values()))
        whole = {}
        for modality in self.schema.modalities:
            found = ragged.get(modality.name)
            if found is None or (found.dim != modality.dim and not len(found.values)):
                empty = np.zeros((0, modality.dim), np.float32)
                found = Ragged(empty, np.zeros(count + 1, np.int64), np.zeros(0, np.bool_))
            if found.dim != modality.dim:
                raise DataError(
                    f"modality '{modality.name}' has {found.dim} features, the model was trained on {modality.dim}",
                    "extract the features the model was trained with, or train a model on these",
                )
            whole[modality.name] = found
        if isinstance(data, Samples):
            return Samples(
                data.name, whole, data.labels, data.split, data.ids, data.groups, data.default_label,
                data.normalise_by, data.notes, data.source,
            )  # fmt: skip
        return Samples(
            name="data",
            modalities=whole,
            labels={},
            split=np.full(count, UNASSIGNED, np.uint8),
            ids=np.asarray([str(i) for i in range(count)]),
            groups={} if groups is None else {self.normaliser.group or "group": np.asarray(groups, np.str_)},
        )

    def _dataset(self, samples: Samples, check_units: bool) -> MultimodalDataset:
        nothing = np.flatnonzero(~samples.present.any(axis=1))
        if len(nothing):
            shown = ", ".join(map(str, samples.ids[nothing[:5]]))
            raise DataError(
                f"{len(nothing)} of {len(samples)} samples hold no modality at all (first: {shown})",
                "leave them out; nothing can be said of them",
            )
        if check_units:
            self._check_units(samples)
        return MultimodalDataset(samples, np.arange(len(samples)), self.normaliser, schema=self.schema)

    def _check_units(self, samples: Samples) -> None:
        group = self.normaliser.groups_of(samples)
        rows = np.linspace(0, len(samples) - 1, min(len(samples), 256)).astype(int)
        for name, ragged in samples.modalities.items():
            parts = [
                np.abs(self.normaliser.apply(name, ragged.sample(i), None if group is None else str(group[i])))
                for i in rows
                if len(ragged.sample(i))
            ]
            beyond = float(np.mean(np.concatenate(parts) >= self.normaliser.limit)) if parts else 0.0
            if beyond > STRANGE:
                raise DataError(
                    f"{beyond:.0%} of the values of modality '{name}' lie far outside what the model was trained on",
                    "check the units and the extractor; check_units=False (--any-units) predicts all the same",
                )

    def _lengths(self) -> dict[str, int]:
        return {m.name: m.length for m in self.schema.modalities}

    def _frames(self, valid: Mapping[str, torch.Tensor], available: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """``[B, M]`` how many frames a recovered modality gets."""
        longest = np.asarray([m.length for m in self.schema.modalities])
        sequences = {m.length for m in self.schema.modalities if not m.is_vector}
        frames = np.broadcast_to(longest, available.shape).copy()
        if len(sequences) == 1:
            counts = np.stack([v.sum(dim=1).numpy() for v in valid.values()], axis=1)
            known = np.where(available & (longest > 1), counts, 0).max(axis=1)
            frames = np.where((longest > 1) & (known > 0)[:, None], known[:, None], frames)
        return frames


def _ragged(name: str, given: Given) -> Ragged | None:
    """One modality as people give it; ``None`` where it is left out."""
    if given is None:
        return None
    if isinstance(given, np.ndarray) and given.dtype != object:
        if given.ndim not in (2, 3):
            raise DataError(
                f"modality '{name}' has shape {given.shape}", "give [samples, features] or [samples, frames, features]"
            )
        return Ragged.from_padded(given)
    rows = [None if x is None else np.asarray(x, np.float32) for x in given]
    if all(x is None for x in rows):
        return None
    return Ragged.from_arrays(rows)


def load(run: str | Path, *, device: str = "cpu", seed: int = 0) -> Predictor:
    """The trained model of a run folder, ready for new data.

    >>> model = md2n.load("runs/first")                              # doctest: +SKIP
    >>> model.predict({"audio": audio, "text": None}).labels         # doctest: +SKIP

    Args:
        run: a folder written by ``md2n train``.
        device: where to compute.
        seed: of the draws.

    Raises:
        RunError: no finished run there.
    """
    from md2n.experiment.pipeline import load_run

    loaded = load_run(Path(run), device=device)
    return Predictor(loaded.model, loaded.schema, loaded.normaliser, seed=seed)
