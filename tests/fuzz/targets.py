"""One valid file of every kind that md2n reads, and what reads it."""

import json
import pickle
import wave
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from scipy.io import savemat

from md2n.data.readers.clip_files import FolderPieces
from md2n.data.readers.covarep import read_covarep
from md2n.data.readers.detect import read
from md2n.data.readers.faces import read_face_table
from md2n.data.readers.word_files import read_word_file as read_word_table
from md2n.data.samples import Samples
from md2n.data.store import checksum, open_store, write_store
from md2n.evaluation.protocols import load_masks, random_conditions, save_masks
from md2n.evaluation.results import ResultRow, append_results, provenance, read_results
from md2n.experiment.config import presets, resolve
from md2n.experiment.loading import load_run
from md2n.extraction.listing import read_clips
from md2n.extraction.media import sound
from md2n.extraction.word_files import read_words
from md2n.training.checkpoint import Checkpoint, CheckpointStore, Progress
from tests.data.sets import small
from tests.serve.trained import sixty_digits, trained

RNG = np.random.default_rng(0)
NAMES = np.empty((1, 3), object)
NAMES[0] = ["F0", "VUV", "NAQ"]
CLIPS = "id,split,y,speaker\na,train,1,x\nb,train,0,y\nc,valid,1,z\nd,test,0,x\n"


class Target(NamedTuple):
    """A file, and what reads it; ``named``: whether every refusal must name the file or its folder."""

    file: Path
    read: Callable[[], object]


def targets(folder: Path) -> dict[str, Target]:
    """Every target by its name; their files are made in ``folder``."""
    made: dict[str, Target] = {}
    for make in (tables, archives, sequences, matlab, words, stores, configurations, runs, checkpoints, results):
        place = folder / make.__name__
        place.mkdir()
        made |= make(place)
    return made


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def tables(folder: Path) -> dict[str, Target]:
    openface = "frame, face_id, timestamp, confidence, success, AU01_r, AU28_c\n" + "".join(
        f"{i}, 0, {i / 30:.3f}, 0.98, 1, 0.{i}, 1\n" for i in range(1, 9)
    )
    facet = "Study,mine\nFrameTime,NoOfFaces,AU1 Evidence,AU2 Evidence\n" + "".join(
        f"{40 * i},1,0.{i},-1.5\n" for i in range(8)
    )
    span = "start_s,end_s,a,b\n" + "".join(f"{i},{i + 1},0.5,{i}\n" for i in range(8))
    found = {
        name: Target(path := written(folder / f"{name}.csv", text), lambda path=path: read_face_table(path))
        for name, text in (("openface", openface), ("facet", facet), ("span", span))
    }
    rows = folder / "samples"
    written(rows / "samples.csv", "id,split,y,who,audio\n" + "".join(f"s{i},train,{i},w,s{i}.npy\n" for i in range(6)))
    for i in range(6):
        np.save(rows / f"s{i}.npy", RNG.normal(size=(4, 3)))
    found["samples.csv"] = Target(rows / "samples.csv", lambda: read(rows))
    found["npy"] = Target(rows / "s2.npy", lambda: read(rows))
    clips = folder / "clips"
    written(clips / "labels.csv", CLIPS)
    for one in "abcd":
        written(clips / "vision" / f"{one}.csv", openface)
        (clips / "text").mkdir(exist_ok=True)
        np.savez(clips / "text" / f"{one}.npz", features=RNG.normal(size=(3, 2)), intervals=[[0, 1], [1, 2], [2, 3]])
    found["labels.csv"] = Target(clips / "labels.csv", lambda: read(clips))
    found["clip npz"] = Target(clips / "text" / "b.npz", lambda: read(clips))
    return found


def archives(folder: Path) -> dict[str, Target]:
    def part(split: str, count: int) -> dict[str, object]:
        return {
            "text": RNG.normal(size=(count, 4, 3)).astype(np.float32),
            "text_bert": np.ones((count, 3, 4), np.float32),
            "audio": RNG.normal(size=(count, 5, 2)),
            "vision": RNG.normal(size=(count, 5, 2)),
            "audio_lengths": [3] * count,
            "id": [f"{split}$_${i}" for i in range(count)],
            "raw_text": ["so it is"] * count,
            "annotations": ["Positive", "Negative"] * (count // 2),
            "regression_labels": np.linspace(-1, 1, count),
            "classification_labels": np.arange(count) % 2,
        }

    found = {}
    for protocol in (2, 3, 4, 5):
        path = folder / f"mmsa{protocol}.pkl"
        path.write_bytes(pickle.dumps({s: part(s, 4) for s in ("train", "valid", "test")}, protocol))
        found[f"mmsa pickle {protocol}"] = Target(path, lambda path=path: read(path))
    for packed in (np.savez, np.savez_compressed):
        path = folder / f"{packed.__name__}.npz"
        held = {"x_text": RNG.normal(size=(6, 4)), "x_audio": RNG.normal(size=(6, 3, 2)), "m_text": np.ones(6, bool)}
        packed(path, y=np.arange(6) % 2, split=np.array([0, 0, 0, 1, 1, 2]), ids=np.array(list("abcdef")), **held)
        found[packed.__name__] = Target(path, lambda path=path: read(path))
    conditions = random_conditions(np.ones((8, 2), bool), ("a", "b"), 0)
    bound = {"names": ("a", "b"), "data_checksum": "0" * 16, "split": "test"}
    save_masks(folder / "masks.npz", conditions, **bound)
    found["masks"] = Target(folder / "masks.npz", lambda: load_masks(folder / "masks.npz", **bound))
    return found


def sequences(folder: Path) -> dict[str, Target]:
    for name, dim, options in (("labels", 1, {}), ("covarep", 3, {"compression": "gzip"}), ("glove", 2, {})):
        with h5py.File(folder / f"{name}.csd", "w") as file:
            for video in "uvw":
                group = file.create_group(f"{name}/data/{video}")
                group.create_dataset("features", data=RNG.normal(size=(4, dim)), **options)
                group["intervals"] = [[0, 1], [1, 2], [2, 3], [3, 4.5]]
            file[f"{name}/metadata/dimension names"] = np.array([f"n{i}" for i in range(dim)], "S4")
    return {f"csd {name}": Target(folder / f"{name}.csd", lambda: read(folder)) for name in ("labels", "covarep")}


def matlab(folder: Path) -> dict[str, Target]:
    found = {}
    held = {"features": RNG.normal(size=(9, 3)), "names": NAMES}
    for name, options in (("mat", {}), ("packed mat", {"do_compression": True}), ("old mat", {"format": "4"})):
        path = folder / f"{name}.mat"
        savemat(path, held if name != "old mat" else {"features": held["features"]}, **options)
        found[name] = Target(path, lambda path=path: read_covarep(path))
    pieces = folder / "pieces"
    pieces.mkdir()
    with h5py.File(pieces / "a.mat", "w", userblock_size=512) as file:
        file["features"] = held["features"].T
        one = file.create_dataset("#refs#/a", data=np.array([[70], [48]], np.uint16))
        file.create_dataset("names", data=np.array([[one.ref]] * 3, h5py.ref_dtype), dtype=h5py.ref_dtype)
    found["mat 7.3"] = Target(pieces / "a.mat", lambda: FolderPieces(pieces)._frames("a"))
    return found


def words(folder: Path) -> dict[str, Target]:
    marks = "".join(f'xmin = {i}\nxmax = {i + 1}\ntext = "w{i}"\n' for i in range(4))
    grid = f'File type = "ooTextFile"\nclass = "IntervalTier"\nname = "words"\nxmin = 0\nxmax = 4\n{marks}'
    spoken = "word,start_s,end_s\n" + "".join(f"w{i},{i},{i + 0.5}\n" for i in range(4))
    found = {
        name: Target(path := written(folder / name, text), lambda path=path: read_words(path))
        for name, text in (("a.TextGrid", grid), ("a.csv", spoken), ("a.align", "0 25000 bin\n25000 50000 blue\n"))
    }
    found["word table"] = Target(table := written(folder / "t.csv", spoken), lambda: read_word_table(table))
    clips = folder / "clips"
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((RNG.normal(size=800) * 1000).astype("<i2").tobytes())
    found["wav"] = Target(folder / "a.wav", lambda: sound(folder / "a.wav"))
    written(clips / "labels.csv", CLIPS.replace("id,", "file,").replace("\na,", "\na.wav,").replace("\nb,", "\nb.wav,"))
    found["clips' table"] = Target(clips / "labels.csv", lambda: read_clips(clips))
    found["transcript"] = Target(written(clips / "a.txt", "so it is \u2014 5 o'clock"), lambda: read_clips(clips))
    return found


def stores(folder: Path) -> dict[str, Target]:
    store = write_store(folder / "store", small())

    def whole() -> Samples:
        samples = open_store(store)
        checksum(samples)
        return samples.select(np.arange(len(samples)))

    files = ("manifest.json", "ids.json", "group.0.json", "text.values.npy", "text.offsets.npy", "label.0.npy")
    return {f"store {name}": Target(store / name, whole) for name in files}


def configurations(folder: Path) -> dict[str, Target]:
    text = 'seed = 3\n[data]\nname = "digits"\n[model]\nname = "md2n"\n[trainer]\nepochs = 4\nlearning_rate = 1e-3\n'
    toml = written(folder / "a.toml", text)
    table = {"extends": presets()[0], "seed": 1, "trainer": {"epochs": 2, "batch_size": 8}}
    plain = written(folder / "a.json", json.dumps(table))
    return {
        "config toml": Target(toml, lambda: resolve(str(toml))),
        "config json": Target(plain, lambda: resolve(str(plain))),
    }


def runs(folder: Path) -> dict[str, Target]:
    run = trained(folder, "modality_dropout", sixty_digits())
    files = (
        "config.json", "schema.json", "run.json", "normaliser.json", "normaliser.safetensors", "certainty.json",
        "model.safetensors",
    )  # fmt: skip
    return {f"run {name}": Target(run / name, lambda: load_run(run)) for name in files}


def checkpoints(folder: Path) -> dict[str, Target]:
    import torch

    store = CheckpointStore(folder / "checkpoints", lambda text: None)
    tensors = {"a": torch.arange(6.0).reshape(2, 3)}
    averages = {"a": tensors["a"] + 1}
    store.save(Checkpoint(Progress(step=3, sums={"task": 0.5}), tensors, averages, {"a/step": torch.tensor(3.0)}))
    place = folder / "checkpoints" / store.names()[0]
    return {f"checkpoint {name}": Target(place / name, store.newest) for name in ("state.json", "tensors.safetensors")}


def results(folder: Path) -> dict[str, Target]:
    source = provenance(
        dataset="digits", split="test", data_checksum="0", model="md2n", config_hash="1", seed=0, protocol="fixed@1",
        run="runs/a", settings={"draws": 1},
    )  # fmt: skip
    measured = {"rate_requested": None, "rate_realised": 0.5, "n": 9, "metric": "accuracy"}
    rows = [ResultRow.of(source, condition=c, value=0.25, **measured) for c in ("a", "b", "complete")]
    append_results(folder / "results.jsonl", rows)
    path = folder / "results.jsonl"
    return {"results": Target(path, lambda: read_results(path, lambda text: None))}
