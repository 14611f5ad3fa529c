"""Models to pass on: a folder of what a prediction needs, with a model card, and the same on the Hugging Face hub.

A shared folder is a finished run folder without what training alone needs, so everything that takes a run takes it.

Of ``huggingface_hub`` its functions are used and not its ``ModelHubMixin``: that has to be a base class of
``Predictor``, so it would be imported with it and could be no extra; and it saves the arguments of the constructor.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from md2n.durable import encode_json, write_directory
from md2n.errors import DataError, RunError, UsageError, install_hint
from md2n.evaluation.results import ResultRow, read_results
from md2n.reading import read_bytes
from md2n.serve.card import model_card
from md2n.training.rundir import CELLS, CERTAINTY, CONFIG, FILES, LARGEST_BYTES, MODEL, NORMALISER, RUN, SCHEMA

if TYPE_CHECKING:
    from md2n.serve.predictor import Predictor

CARD, RESULTS = "README.md", "results.jsonl"
NEEDED = (CONFIG, SCHEMA, RUN, MODEL, f"{NORMALISER}.json", f"{NORMALISER}.safetensors")
OPTIONAL = (f"{CELLS}.json", f"{CELLS}.safetensors", CERTAINTY, RESULTS)
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
KEPT_ROWS = re.compile(r"(^|\.)rows$")  # of the weights: training rows that a recovery is matched with


@dataclass(frozen=True)
class RunFiles:
    """The files of a run that a prediction needs, without private paths.

    Args:
        content: name -> bytes.
    """

    content: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"RunFiles({', '.join(self.content)})"

    @staticmethod
    def of(run: Path) -> "RunFiles":
        """Those of a finished run folder.

        Raises:
            RunError: a needed file is absent.
        """
        names = [*NEEDED, *(name for name in OPTIONAL if (run / name).is_file())]
        try:
            content = {name: read_bytes(run / name, LARGEST_BYTES) for name in names}
        except OSError as error:
            raise RunError(f"{run} cannot be read: {error.strerror}", "give a finished run folder") from error
        config, facts = json.loads(content[CONFIG]), json.loads(content[RUN])
        data = config.get("data", {})
        config["data"] = {**data, "name": last_part(data.get("name", ""), always=True), "root": ""}
        content[CONFIG] = encode_json(without_places(config))
        files = {name: digests for name, digests in facts.get(FILES, {}).items() if name in names}
        facts = without_places(facts) | {FILES: {**files, CONFIG: [hashlib.sha256(content[CONFIG]).hexdigest()]}}
        content[RUN] = encode_json(facts)
        return RunFiles(content)

    def results(self) -> list[ResultRow]:
        """Rows of its evaluation; none where it was not evaluated, or by another version of md2n."""
        if RESULTS not in self.content:
            return []
        with TemporaryDirectory(prefix="md2n-") as folder:
            file = Path(folder) / RESULTS
            file.write_bytes(self.content[RESULTS])
            try:
                return read_results(file, notice=lambda text: None)
            except DataError:
                return []


class Pretrained:
    """What a predictor can do with the files of its run."""

    files: RunFiles | None = None

    def save_pretrained(self, folder: str | Path, *, licence: str = "") -> Path:
        """Writes a folder to pass on: weights as safetensors, the rest as JSON, and a model card.

        ``md2n.load``, ``md2n.from_pretrained`` and every command that takes a run take it.

        Args:
            folder: made; one that was written by this before is replaced.
            licence: of the weights, for the card: an identifier such as ``mit``.

        Returns:
            The folder.

        Raises:
            UsageError: the predictor has no run, or the folder holds something else.
            StorageError: it cannot be written.
        """
        files, path = self._run_files(), Path(folder)
        held = {p.name for p in path.iterdir()} if path.is_dir() else set()
        if path.is_file() or held - {*NEEDED, *OPTIONAL, CARD} or (held and CARD not in held):
            raise UsageError(f"'{path}' holds something else", "choose a new folder, for example --out shared")
        write_directory(path, {**files.content, CARD: self._card(files, licence).encode()})
        return path

    def push_to_hub(
        self, repository: str, *, licence: str = "", private: bool = True, message: str = "Share a model of md2n"
    ) -> str:
        """Writes the same folder to a repository on the Hugging Face hub, made if absent, in one commit.

        Log in before, with ``hf auth login`` or ``HF_TOKEN``.

        Args:
            repository: ``user/name``.
            licence: see ``save_pretrained``.
            private: of a repository that is made: the weights of some methods hold training rows.
            message: of the commit.

        Returns:
            Its address.

        Raises:
            UsageError: no such name, or huggingface_hub is not installed.
            RunError: the hub refused.
        """
        if not REPOSITORY.fullmatch(repository):
            raise UsageError(f"'{repository}' names no repository", "give user/name")
        hub = _hub()
        with TemporaryDirectory(prefix="md2n-") as place:
            folder = self.save_pretrained(Path(place) / "shared", licence=licence)
            try:
                api = hub.HfApi()
                api.create_repo(repository, private=private, exist_ok=True)
                commit = api.upload_folder(repo_id=repository, folder_path=str(folder), commit_message=message)
            except Exception as error:  # of many kinds: of the network, of the hub, of a token
                raise _refusal(repository, error) from error
        return str(getattr(commit, "repo_url", "") or f"https://huggingface.co/{repository}")

    def training_data_inside(self) -> tuple[str, ...]:
        """Sentences on what of the training data the files hold."""
        model, normaliser = self.model, self.normaliser  # type: ignore[attr-defined]
        rows = max((len(x) for name, x in model.state_dict().items() if KEPT_ROWS.search(name)), default=0)
        inside = [f"Features of {rows} training samples are part of the weights."] if rows else []
        if names := {member for _, member in normaliser.members}:
            inside.append(f"Names of {len(names)} members of `{normaliser.group}` and their mean features are inside.")
        return tuple(inside)

    def _run_files(self) -> RunFiles:
        if self.files is None:
            raise UsageError("this predictor was made by hand: it has no run to share", "use md2n.fit or md2n.load")
        return self.files

    def _card(self, files: RunFiles, licence: str) -> str:
        model, schema, certainty = self.model, self.schema, self.certainty  # type: ignore[attr-defined]
        facts = json.loads(files.content[RUN])
        return model_card(model.card, schema, facts, certainty, files.results(), self.training_data_inside(), licence)


def from_pretrained(
    name: str | Path, *, revision: str | None = None, device: str = "cpu", seed: int = 0
) -> "Predictor":
    """The model of a shared folder, or of a repository on the Hugging Face hub.

    >>> model = md2n.from_pretrained("user/name")                    # doctest: +SKIP

    Args:
        name: a folder, or ``user/name``; a folder of that name comes first.
        revision: branch, tag or commit of the repository.
        device: where to compute.
        seed: of the draws.

    Raises:
        RunError: no such folder or repository, or one that holds no model of md2n.
        UsageError: huggingface_hub, which repositories need, is not installed.
    """
    from md2n.serve.predictor import load

    if Path(name).is_dir() or not REPOSITORY.fullmatch(str(name)):
        return load(name, device=device, seed=seed)
    wanted = [*NEEDED, *OPTIONAL, CARD]  # nothing else of it, whatever it has
    try:
        folder = _hub().snapshot_download(str(name), revision=revision, allow_patterns=wanted)
    except UsageError:
        raise
    except Exception as error:  # of many kinds, as in a push
        raise _refusal(str(name), error) from error
    return load(folder, device=device, seed=seed)


def without_places(value: Any) -> Any:
    """The same tables with every absolute path cut to its last part.

    >>> without_places({"data": ["/home/me/mosi", "a/b"], "seed": 1})
    {'data': ['mosi', 'a/b'], 'seed': 1}
    """
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_places(item) for item in value]
    return last_part(value) if isinstance(value, str) else value


def last_part(text: str, always: bool = False) -> str:
    """The last part of an absolute path; with ``always`` that of any path."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(text)
        if text and (path.is_absolute() or text.startswith("~") or (always and len(path.parts) > 1)):
            return path.name
    return text


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise UsageError("huggingface_hub, which repositories need, is not installed", install_hint("hub")) from error
    return huggingface_hub


def _refusal(repository: str, error: Exception) -> RunError:
    cause = " ".join(str(error).split())[:200]
    return RunError(
        f"the hub and '{repository}': {type(error).__name__}: {cause}",
        "check the name, the network, and that you are logged in: hf auth login",
    )
