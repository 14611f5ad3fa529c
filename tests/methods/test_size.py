"""A method that is too large is refused before memory is allocated."""

import subprocess
import sys

import pytest
import torch

from md2n.errors import ConfigError
from md2n.experiment.config import resolve
from md2n.methods import size
from md2n.methods.catalogue import CONFIGS, build, config_class
from md2n.modality import Modality, Schema, Task

SCHEMA = Schema((Modality("a", 4, 6), Modality("b", 3)), Task("regression"))


@pytest.mark.parametrize(
    "setting",
    [
        "model.fusion.transformer.layers=1000000000",
        "model.fusion.latent.width=1000000000",
        "model.diffusion.steps=1000000000",
        "model.predict_draws=1000000000000",
    ],
)
def test_settings_that_count_too_much_are_named(setting):
    path = setting.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"{path} = 10+ is larger than any method needs"):
        resolve(sets=[setting])


def test_sizes_in_tuples_are_looked_at():
    with pytest.raises(ConfigError, match=r"model.sizes = 1073741824 is larger"):
        resolve(model="mmin", sets=["model.sizes=[4, 1073741824]"])


LARGE = {
    "md2n": ["model.fusion.transformer.layers=16384"],
    "modality_dropout": ["model.transformer.width=16384"],
    "zero_fill": ["model.latent.length=16384", "model.latent.width=16384"],
    "mctn": ["model.hidden=16384"],
    "dcca": ["model.layers=16384", "model.hidden=4"],
    "dicmor": ["model.flow_steps=16384"],
    "imder": ["model.refiner_blocks=16384"],
    "gcnet": ["model.hidden=16384"],
}
BUILDING = """
import resource, sys, time
from md2n.errors import ConfigError
from md2n.experiment.config import resolve
from md2n.methods.catalogue import build
from tests.methods.test_size import LARGE, SCHEMA
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, sets in LARGE.items():
    choice, begun = resolve(model=name, sets=sets).model, time.process_time()
    try:
        build(name, SCHEMA, choice.settings)
    except ConfigError as error:
        assert time.process_time() - begun < 10, name
    else:
        sys.exit(f"{name} was built")
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
"""


def test_what_would_be_too_large_ends_soon_and_small():
    done = subprocess.run([sys.executable, "-c", BUILDING], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_schema_of_a_billion_features_is_refused():
    schema = Schema((Modality("a", 10**9), Modality("b", 3)), Task("regression"))
    with pytest.raises(ConfigError, match="modality 'a' has 1000000000 features"):
        build("zero_fill", schema, config_class("zero_fill")())
    wide = Schema((Modality("a", 1 << 22), Modality("b", 3)), Task("regression"))
    with pytest.raises(ConfigError, match="would have more than"):
        build("zero_fill", wide, config_class("zero_fill")())


@pytest.mark.parametrize("name", CONFIGS.names())
def test_counting_leaves_no_trace(name):
    build(name, SCHEMA, config_class(name)())
    assert not torch.nn.modules.module._global_parameter_registration_hooks
    assert not torch.nn.modules.module._global_buffer_registration_hooks


def test_other_failures_of_a_method_are_its_own():
    with pytest.raises(RuntimeError, match="shapes do not agree"), size.bounded("x", SCHEMA):
        raise RuntimeError("shapes do not agree")
    with pytest.raises(ConfigError, match="'x' would take more memory than there is"), size.bounded("x", SCHEMA):
        torch.empty(1 << 60)
