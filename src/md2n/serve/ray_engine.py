"""Parts answered by Ray: actors that load the model once, as many as the cluster has places for.

Only numbers of parts and notes go through Ray.  Every actor reads its rows from the data and writes its own file, so
all machines need the run, the data and the output folder under the same paths.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from md2n.errors import Md2nError, UsageError, install_hint
from md2n.serve.bulk import Answerer, Work
from md2n.serve.bulk_source import Part


def require_ray() -> Any:
    """The modules ``ray`` and ``ray.data``.

    Raises:
        UsageError: not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("the engine 'ray' needs Ray", install_hint("ray")) from error
    return ray


class Actor:
    """What a process of Ray holds: the model and the data, opened once.

    Args:
        work: its fields.
    """

    def __init__(self, work: dict[str, Any]) -> None:
        self._work = Work(**{**work, "hide": tuple(work["hide"])})
        self._answerer: Answerer | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Answers parts; what is refused comes back as text, since Ray would hide it in a traceback of its own."""
        answers: dict[str, list[Any]] = {"number": [], "notes": [], "refusal": []}
        for fields in zip(*(batch[name].tolist() for name in Part.__dataclass_fields__)):
            part, notes, refusal = Part(*fields), "", ""
            try:
                self._answerer = self._answerer or Answerer(self._work)
                notes = "\n".join(self._answerer.write(part))
            except Md2nError as error:
                refusal = f"{error.exit_code}\n{error.message}\n{error.hint}"
            for name, value in zip(answers, (part.number, notes, refusal)):
                answers[name].append(value)
        return answers


def through_ray(work: Work, parts: Sequence[Part]) -> Iterator[tuple[Part, tuple[str, ...]]]:
    """Answers parts on the cluster that ``RAY_ADDRESS`` names, or in processes of this machine.

    Args:
        work: to be done.
        parts: that are not there yet.

    Yields:
        Each part that is written, in whatever order, with notes.

    Raises:
        Md2nError: what was refused in an actor, with its exit code.
    """
    if not parts:
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a person's data is anyone else's business
    ray = require_ray()
    # Ray would otherwise print its own progress between ours.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ours = not ray.is_initialized()
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield from _ended(ray, work, parts)
    finally:
        if ours:
            ray.shutdown()


def _ended(ray: Any, work: Work, parts: Sequence[Part]) -> Iterator[tuple[Part, tuple[str, ...]]]:
    resource = "GPU" if work.device.startswith("cuda") else "CPU"
    places = max(1, min(len(parts), int(ray.cluster_resources().get(resource, 1))))
    each = {"num_gpus": 1} if resource == "GPU" else {"num_cpus": 1}
    waiting = {part.number: part for part in parts}
    data = ray.data.from_items(
        [asdict(replace(part, file=str(Path(part.file).resolve()))) for part in parts], override_num_blocks=len(parts)
    )
    ended = data.map_batches(
        Actor,
        fn_constructor_args=(asdict(_anywhere(work)),),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=places),
        **each,
    )
    for row in ended.iter_rows():
        if row["refusal"]:
            code, message, hint = row["refusal"].split("\n", 2)
            error = Md2nError(message, hint)
            error.exit_code = int(code)
            raise error
        notes = row["notes"]
        yield waiting[row["number"]], tuple(notes.split("\n")) if notes else ()


def _anywhere(work: Work) -> Work:
    """The same with whole paths: an actor works in another folder."""
    return replace(work, run=_whole(work.run), data=_whole(work.data), out=_whole(work.out))


def _whole(path: str) -> str:
    return str(Path(path).resolve())
