"""``md2n data``: data on stdout, talk on stderr, exit codes, and nothing half written."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from md2n.cli.data import app
from md2n.cli.main import run
from md2n.data.ready import ENVIRONMENT, data_root
from md2n.data.store import open_store
from tests.data.readers.test_files import folder, npz
from tests.data.readers.test_mmsa import content, save
from tests.data.readers.test_sdk import made

here = pytest.mark.skipif(data_root() is None, reason="the shared data are not here (MD2N_DATA_ROOT)")


def ask(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def refused(capsys, *arguments: object) -> tuple[int, str]:
    """Exit code and stderr of the whole program."""
    with pytest.raises(SystemExit) as ended:
        run(["data", *map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.out == ""
    return int(ended.value.code), captured.err


def store(tmp_path: Path, **more) -> Path:
    path = tmp_path / "store"
    assert ask("import", npz(tmp_path, **more), "--out", path).exit_code == 0
    return path


def test_import_says_what_labels_were_taken_for_and_takes_what_a_person_says(tmp_path):
    path = tmp_path / "store"
    done = ask("import", npz(tmp_path, y=np.array([0, -1, 1, 0, 1])), "--out", path, "--unknown", "-1")
    assert "label 'y': 2 classes (0, 1); known of 4 of 5" in done.stderr
    assert "2 label columns; 'y' is the default, --label NAME chooses another" in done.stderr
    done = ask("import", path, "--out", path, "--range", "y_score=-3,3", "--label", "y_score", "--sentiment")
    assert "label 'y_score': sentiment, 0 to 1" in done.stderr
    samples = open_store(path)
    assert (samples.default_label, samples.label().task.sentiment) == ("y_score", True)
    done = ask("import", npz(tmp_path), "--out", path, "--label", "y_score", "--name", samples.name)
    assert "as declared when it was imported before" in done.stderr and open_store(path).label().task.sentiment
    assert ask("import", npz(tmp_path), "--out", path, "--known", "none").exit_code == 0
    assert not open_store(path).label("y_score").task.sentiment


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--range", "y"], "--range 'y' is not LOW,HIGH"),
        (["--range", "z=0,1"], "no label column 'z'"),
        (["--sentiment"], "needs a range with zero inside"),
        (["--range", "y_score=0,0.5"], r"labels 'y_score' .* outside the declared range \[0, 0.5\].*s3"),
    ],
)
def test_import_refuses_what_cannot_be_meant_and_leaves_the_store(tmp_path, capsys, options, message):
    path = store(tmp_path)
    before = open_store(path).label("y_score").values.tolist()
    code, said = refused(capsys, "import", npz(tmp_path), "--out", path, *options)
    assert code in (2, 3) and re.search(message, said, re.DOTALL)
    assert open_store(path).label("y_score").values.tolist() == before


def test_every_layout_can_be_imported(tmp_path):
    csd = tmp_path / "csd"
    csd.mkdir()
    made(csd)
    for source, options, names in (
        (npz(tmp_path), [], ("text", "audio")),
        (folder(tmp_path), [], ("audio", "text")),
        (save(tmp_path, content()), ["--known", "none"], ("text", "audio", "vision")),
        (csd, ["--align", "words", "--known", "none", "--modalities", "audio,text"], ("audio", "text")),
        ("digits", ["--name", "mine"], ("rows", "edges", "fourier", "moments")),
    ):
        out = tmp_path / "out"
        done = ask("import", source, "--out", out, *options)
        assert done.exit_code == 0
        assert done.stdout == f"{out}\n"
        assert f"next: md2n data check {out}" in done.stderr
        assert open_store(out).names == names
    assert open_store(out).name == "mine"


def test_options_reach_the_reader(tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--label",
        "y_score",
        "--kind",
        "y=classification",
        "--classes",
        "y=no,yes,maybe",
        "--split",
        "split_other",
    ]
    assert ask("import", npz(tmp_path), "--out", out, "--name", "named", *arguments).exit_code == 0
    samples = open_store(out)
    assert (samples.name, samples.default_label) == ("named", "y_score")
    assert samples.label("y").task.classes == ("no", "yes", "maybe")
    assert samples.split.tolist() == [2, 2, 0, 0, 1]
    mmsa = save(tmp_path, content())
    assert ask("import", mmsa, "--out", out, "--known", "mosi", "--label", "classification_labels").exit_code == 0
    samples = open_store(out)
    assert samples.source["schema"] == "mosi"
    assert samples.default_label == "classification_labels"


def test_notes_of_the_reader_are_told(tmp_path):
    x = np.ones((5, 2)) * np.arange(5)[:, None]
    x[1, 0] = np.nan
    done = ask("import", npz(tmp_path, x_audio=x), "--out", tmp_path / "out")
    assert "note: audio: 1 NaN and 0 infinite values in 1 frames are unknown (not zero)" in done.stderr


def test_a_store_goes_round(tmp_path):
    first = store(tmp_path)
    assert ask("import", first, "--out", tmp_path / "second", "--modalities", "audio,text").exit_code == 0
    a, b = open_store(first), open_store(tmp_path / "second")
    assert b.names == ("audio", "text")
    for name in a.names:
        assert np.array_equal(a.modalities[name].values, b.modalities[name].values)
    assert a.ids.tolist() == b.ids.tolist()


def test_info_tells_what_is_in_a_store(tmp_path):
    path = store(tmp_path)
    shown = ask("info", path).stdout
    for words in (
        "| text | 3 | 2 to 3, median 2 |",
        "| y | classification | 0 2, 1 2, 2 1 | 5 | yes |",
        "| text | 1 | 0 | 0 |",
    ):
        assert words in shown
    facts = json.loads(ask("info", path, "--json").stdout)
    assert facts["samples"] == 5
    assert facts["modalities"]["audio"]["samples"] == 4
    assert facts["labels"]["y_score"]["greatest"] == 1.0
    assert facts["groups"] == {"subject": 3}
    assert facts["patterns"][0] == {"present": "text+audio", "train": 2, "valid": 1, "test": 1, "unassigned": 0}
    assert len(facts["checksum"]) == 16


def test_check_ends_with_zero_without_errors_and_three_with(tmp_path):
    rng = np.random.default_rng(0)
    fine = ask("check", store(tmp_path, x_audio=rng.normal(size=(5, 2))))
    assert fine.exit_code == 0
    assert "errors: 0, warnings: 2, remarks: 1" in fine.stderr
    assert "| warning | group-in-two-splits | 1 of 3 members of 'subject'" in fine.stdout
    assert "| warning | class-unseen | label 'y': no training sample is 2" in fine.stdout
    bad = ask("check", store(tmp_path, ids=np.array(["a", "b", "c", "a", "d"])))
    assert bad.exit_code == 3
    assert "| error | same-id | 1 ids are in more than one split (a) |" in bad.stdout


def test_check_in_json_is_json_alone(tmp_path):
    path = store(tmp_path, ids=np.array(["a", "b", "c", "a", "d"]))
    done = ask("check", path, "--json", "--label", "y_score", "--modalities", "text")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert told["modalities"] == ["text"]
    assert {f["code"] for f in told["findings"]} >= {"same-id", "one-modality"}
    assert told["counts"]["error"] == sum(f["severity"] == "error" for f in told["findings"])
    assert told["patterns"] == [{"present": "text", "train": 3, "valid": 1, "test": 1, "unassigned": 0}]


def test_check_reads_feature_files_as_they_are(tmp_path):
    assert ask("check", npz(tmp_path)).exit_code == 0


def test_list_names_sets_and_whether_they_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    listed = json.loads(ask("list", "--json").stdout)
    assert {s["name"]: s["here"] for s in listed}["digits"] is True
    assert {s["name"]: s["here"] for s in listed}["mosi"] is False
    done = ask("list")
    assert "| digits |" in done.stdout
    assert "--data-root or MD2N_DATA_ROOT" in done.stderr
    (tmp_path / "root" / "mosi").mkdir(parents=True)
    listed = json.loads(ask("list", "--json", "--data-root", tmp_path / "root").stdout)
    assert {s["name"]: s["here"] for s in listed}["mosi"] is True


# --- refusals --------------------------------------------------------------------------------------------------------


def test_refusals_have_a_code_a_next_step_and_leave_nothing_behind(tmp_path, capsys):
    out = tmp_path / "out"
    hostile = tmp_path / "hostile.pkl"
    canary = tmp_path / "canary"
    hostile.write_bytes(f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode())
    empty = tmp_path / "empty.pkl"
    empty.write_bytes(b"")
    truncated = tmp_path / "truncated.pkl"
    truncated.write_bytes(pickle.dumps(content())[:500])
    magic = tmp_path / "magic.pkl"
    magic.write_bytes(b"\x89HDF\r\n\x1a\n")
    uneven = tmp_path / "uneven"
    uneven.mkdir()
    cases = [
        (3, "hostile.pkl' asks for posix.system", hostile),
        (3, "empty.pkl' is empty", empty),
        (3, "truncated.pkl' is truncated", truncated),
        (3, "magic.pkl' is a HDF5 file", magic),
        (3, "nothing.pkl' does not exist", tmp_path / "nothing.pkl"),
        (3, "counts differ", npz(uneven, y=np.arange(4))),
        (2, "no reader is called 'mmsb'", [npz(tmp_path), "--reader", "mmsb"]),
        (2, "no option 'align'", [npz(tmp_path), "--align", "words"]),
        (2, "--kind 'y' is not NAME=VALUE", [npz(tmp_path), "--kind", "y"]),
        (2, "no label column 'z'", [npz(tmp_path), "--label", "z"]),
        (2, "has no modality 'z'", [npz(tmp_path), "--modalities", "text,z"]),
        (2, "no known data set is called 'mozi'", [save(tmp_path, content()), "--known", "mozi"]),
    ]
    for code, message, arguments in cases:
        found = refused(capsys, "import", *(arguments if isinstance(arguments, list) else [arguments]), "--out", out)
        assert found[0] == code, found
        assert message in found[1]
        assert found[1].startswith("error: ")
        assert "\nnext: " in found[1]
        assert not out.exists()
    assert not canary.exists()


def test_a_failed_import_keeps_the_older_store_and_what_is_no_store(tmp_path, capsys):
    path = store(tmp_path)
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"\x80\x04N")
    assert refused(capsys, "import", broken, "--out", path)[0] == 3
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    code, told = refused(capsys, "import", npz(tmp_path), "--out", mine)
    assert code == 3
    assert "exists and is not a store" in told
    assert (mine / "thesis.txt").exists()


def test_check_and_info_refuse_by_name(tmp_path, capsys):
    assert refused(capsys, "check", "mosy")[1].startswith("error: 'mosy' is neither a ready set nor a file or folder")
    assert "did you mean 'mosi'" in refused(capsys, "info", "mosy")[1]
    path = store(tmp_path)
    assert refused(capsys, "check", path, "--modalities", "tex")[0] == 2
    code, told = refused(capsys, "check", path, "--split", "original")
    assert code == 2
    assert "is no ready set, so it has one split" in told
    assert refused(capsys, "list", "--data-root", tmp_path / "no")[0] == 2
    (path / "text.values.npy").write_bytes(b"")
    code, told = refused(capsys, "check", path)
    assert code == 3
    assert "the store is damaged" in told


@pytest.mark.parametrize("command", ["list", "import", "check", "info"])
def test_help_has_examples(command):
    shown = ask(command, "--help").stdout
    assert "Examples:\n" in shown
    assert f"  md2n data {command}" in shown


def test_help_is_light():
    code = (
        "import sys; import md2n.cli.data, md2n.data.readers.detect, md2n.data.check; "
        "heavy = {'torch', 'h5py', 'sklearn', 'matplotlib', 'pydantic', 'rich.table'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


@here
def test_the_leak_of_mosi_vision_ends_with_three():
    done = ask("check", "mosi", "--modalities", "text,vision")
    assert done.exit_code == 3
    assert "known-leak" in done.stdout
    assert ask("check", "mosi").exit_code == 0


@here
def test_the_original_split_of_ict_mmmo_lacks_text_in_training():
    done = ask("check", "ict_mmmo", "--split", "original")
    assert done.exit_code == 3
    assert "text is in no sample of the train split, but in 120 others" in done.stdout
