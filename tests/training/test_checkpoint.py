"""Checkpoints: the newest whole one wins, the damaged one is named, the ones that matter stay."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from md2n.errors import RunError
from md2n.training.checkpoint import Best, Checkpoint, CheckpointStore, Progress

WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3), "empty": torch.zeros(0, 4)}


def at(step: int, best: Best | None = None) -> Checkpoint:
    weights = WEIGHTS | {"w": WEIGHTS["w"] + step}
    return Checkpoint(Progress(step=step, best=best), weights, {"w": weights["w"] / 2}, {"w/exp_avg": weights["w"] * 3})


class Store(CheckpointStore):
    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        super().__init__(path / "checkpoints", self.told.append)


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    progress = Progress(1, 7, 3, 2, 99, 40, True, Best("phase01-step00000090", 6, 1 / 3, 2 / 7), 1, {"task": 0.1}, 5, 8)
    Store(tmp_path).save(replace(at(0), progress=progress))
    found = Store(tmp_path).newest()
    assert found is not None
    assert found.progress == progress
    assert all(torch.equal(found.weights[k], v) and found.weights[k].dtype == v.dtype for k, v in WEIGHTS.items())
    assert torch.equal(found.optimizer["w/exp_avg"], WEIGHTS["w"] * 3)


def test_nothing_is_found_where_nothing_was_saved(tmp_path: Path) -> None:
    assert Store(tmp_path).newest() is None


def test_the_last_two_and_their_best_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(at(1, Best("phase00-step00000001", 1, 0.5, 1.0)))
    store.save(at(2, Best("phase00-step00000001", 1, 0.5, 1.0)))
    store.save(at(3, Best("phase00-step00000003", 3, 0.6, 1.0)))
    store.save(at(4, Best("phase00-step00000003", 3, 0.6, 1.0)))
    assert [int(name[-2:]) for name in store.names()] == [3, 4]
    store.save(at(5, Best("phase00-step00000003", 3, 0.6, 1.0)))
    assert [int(name[-2:]) for name in store.names()] == [3, 4, 5]
    store.save(at(6, Best("phase00-step00000006", 6, 0.7, 1.0)))
    # 3 is still the best that one would need after falling back to 5.
    assert [int(name[-2:]) for name in store.names()] == [3, 5, 6]


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "empty"])
def test_a_damaged_checkpoint_is_passed_over_with_a_word(tmp_path: Path, name: str, harm: str) -> None:
    store = Store(tmp_path)
    store.save(at(1))
    store.save(at(2))
    path = store.folder / "phase00-step00000002" / name
    content = path.read_bytes()
    middle = len(content) // 2
    if harm == "remove":
        path.unlink()
    else:
        changed = {
            "truncate": content[:-3],
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
        }
        path.write_bytes(changed[harm])
    found = store.newest()
    assert found is not None
    assert found.progress.step == 1
    assert len(store.told) == 1
    assert "phase00-step00000002 is damaged" in store.told[0]
    assert name in store.told[0]
    with pytest.raises(RunError, match=r"phase00-step00000002 is damaged"):
        store.load("phase00-step00000002")


def test_when_none_is_whole_the_error_says_what_to_do(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(at(1))
    (store.folder / "phase00-step00000001" / "state.json").write_text("{")
    with pytest.raises(RunError, match=r"none of the 1 checkpoints in .* is whole\n.*remove that folder to train from"):
        store.newest()


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(at(1))
    path = store.folder / "phase00-step00000001" / "state.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(RunError, match=r"has format 9 \(md2n \d\S+\); this md2n reads format 1\n.*go on with the md2n"):
        store.newest()


def test_every_other_version_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from md2n.training import checkpoint

    store = Store(tmp_path)
    others = checkpoint.versions() | {"torch": "1.0", "numpy": "0.9", "python": "2.7"}
    monkeypatch.setattr(checkpoint, "versions", lambda: others)
    store.save(at(1))
    monkeypatch.undo()
    assert store.newest() is not None
    (told,) = store.told
    assert "phase00-step00000001 was written under other versions (python 2.7 then and 3." in told
    assert "torch 1.0 then and" in told
    assert "numpy 0.9 then and" in told
    assert "md2n" not in told.partition("(")[2]
    store.load("phase00-step00000001")  # as the best checkpoint is read at the end of a phase
    assert len(store.told) == 1


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(at(1))
    (store.folder / "phase00-step00000002.tmp").mkdir()
    (store.folder / "phase00-step00000002.tmp" / "tensors.safetensors").write_bytes(b"half")
    found = store.newest()
    assert found is not None
    assert found.progress.step == 1
    assert not list(store.folder.glob("*.tmp"))


def test_tied_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    from md2n.training.weights import load_weights, state_tensors

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(2, 2)
            self.two = torch.nn.Linear(2, 2)
            self.two.weight = self.one.weight

    model, other = Tied(), Tied()
    weights = state_tensors(model)
    Store(tmp_path).save(replace(at(1), weights=weights))
    found = Store(tmp_path).newest()
    assert found is not None
    load_weights(other, found.weights)
    assert torch.equal(other.two.weight, model.one.weight)
    with pytest.raises(RunError, match=r"the checkpoint does not fit the model: .*two"):
        load_weights(torch.nn.Linear(2, 2), found.weights)
