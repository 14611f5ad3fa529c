"""On a card: every method agrees with the CPU.  Without one: the script that measures on a card can be trusted.

``MD2N_TEST_GPU=1 pytest -m gpu`` shows the card to the tests; all other tests run without one.
"""

import copy
import json
from pathlib import Path

import pytest
import torch
from benchmarks import gpu

from md2n.methods.catalogue import MODELS, build, config_class
from md2n.seeding import generator
from tests.worlds import WORLDS, make_batch

CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.gpu
@CARD
@pytest.mark.parametrize("name", MODELS.names())
def test_a_step_and_a_prediction_on_cuda_are_those_of_the_cpu(name: str) -> None:
    with gpu.exact_products():
        record = gpu.agreement(name, torch.device("cuda"))
    assert record["agrees"], record


@pytest.mark.gpu
@CARD
def test_a_step_in_bfloat16_has_about_the_loss_of_float32() -> None:
    record = gpu.bfloat16(torch.device("cuda"))
    assert record["agrees"], record


@pytest.mark.gpu
@CARD
def test_noise_by_sample_is_the_same_on_cuda() -> None:
    batch = make_batch(WORLDS["vectors"])
    x = torch.zeros(batch.size, 5)
    here = batch.noise(generator(0, "noise")).like(x)
    there = batch.to("cuda").noise(generator(0, "noise")).like(x.to("cuda"))
    torch.testing.assert_close(there.cpu(), here)


def test_the_script_runs_without_a_card_and_says_what_it_left_out(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cpu", "--methods", "md2n,mean_fill", "--out", str(out)]) == 0
    checks = json.loads(out.read_text())["checks"]
    assert checks["agreement of md2n"]["gaps"]["gradient of train"] == 0
    assert "CUDA" in checks["bfloat16 step"]["skipped"]


def test_a_method_that_differs_does_not_agree() -> None:
    model = build("md2n", gpu.SCHEMA, config_class("md2n")())
    batch, device = gpu.random_batch(gpu.SCHEMA), torch.device("cpu")
    one = gpu.stepped(copy.deepcopy(model), batch, device)
    with torch.no_grad():
        model.backbone.head.layers[-1].weight.mul_(1.1)  # type: ignore[attr-defined]
    other = gpu.stepped(model, batch, device)
    assert gpu.gap(one["loss of train"], other["loss of train"]) > gpu.LOSS
    assert gpu.gap(one["gradient of train"], other["gradient of train"]) > gpu.GRADIENT


def test_without_a_card_the_script_names_the_next_step(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert gpu.main(["--out", str(tmp_path / "gpu.json")]) == 2
    assert "--device cpu" in capsys.readouterr().out
    assert not (tmp_path / "gpu.json").exists()
