"""Tables as bodies of requests."""

import numpy as np
import pytest

from md2n.errors import DataError
from md2n.modality import Modality, Schema, Task
from md2n.serve.http.upload import CSV, read_upload

TRAINED = {"acc": ("acc_y", "acc_x"), "heart": ("hr",)}


@pytest.fixture
def schema() -> Schema:
    task = Task("regression", "y")
    return Schema((Modality("acc", 2), Modality("heart", 1), Modality("sound", 1, length=3)), task)


def test_columns_may_have_the_names_of_the_training_table(schema: Schema) -> None:
    body = b"id,acc_x,hr,acc_y,sound_1_0,sound_0_0\na,1,60,2,4,3\nb,,,5,7,6\n"
    query = read_upload(body, CSV, schema, "", TRAINED)
    np.testing.assert_array_equal(query.features["acc"], [[2, 1], [5, np.nan]])
    np.testing.assert_array_equal(query.features["heart"], [[60], [np.nan]])
    np.testing.assert_array_equal(query.features["sound"][:, :, 0], [[3, 4], [6, 7]])


def test_a_column_of_two_modalities_is_refused() -> None:
    schema = Schema((Modality("a", 2, length=4), Modality("a_1", 2)), Task("regression", "y"))
    with pytest.raises(DataError, match="'a_1_0' may be of 'a' or 'a_1'"):
        read_upload(b"a_0_0,a_0_1,a_1_0,a_1_1\n1,2,7,8\n", CSV, schema, "", {})


@pytest.mark.parametrize("cell", ["1_0", "\u0661", "0x1"])
def test_what_python_alone_takes_for_a_number_is_none(schema: Schema, cell: str) -> None:
    with pytest.raises(DataError, match=f"'{cell}' is no number"):
        read_upload(f"acc_0,acc_1\n1,{cell}\n".encode(), CSV, schema, "", {})


@pytest.mark.parametrize("cell", ["", "N/A", "#N/A", "<NA>", "NaT", "none", "NaN"])
def test_every_word_for_nothing_is_unknown(schema: Schema, cell: str) -> None:
    query = read_upload(f"acc_0,acc_1\n1,{cell}\n".encode(), CSV, schema, "", {})
    np.testing.assert_array_equal(query.features["acc"], [[1, np.nan]])


def test_a_number_under_two_names_and_a_strange_column_are_refused(schema: Schema) -> None:
    with pytest.raises(DataError, match="'acc_0' comes twice"):
        read_upload(b"acc_y,acc_0\n1,2\n", CSV, schema, "", TRAINED)
    with pytest.raises(DataError, match="'acc_z' is of no modality") as refusal:
        read_upload(b"acc_y,acc_z\n1,2\n", CSV, schema, "", TRAINED)
    assert "acc_x" in refusal.value.hint
    with pytest.raises(DataError, match="'acc_x' is of no modality"):
        read_upload(b"acc_x\n1\n", CSV, schema, "", {})
