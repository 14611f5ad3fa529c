"""Bodies of requests by their media type: JSON, a table as CSV, or a ``data.npz``."""

import csv
import io
import math
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.readers.labels import as_number, is_missing
from md2n.data.readers.npz import read_npz
from md2n.data.readers.text_table import NOTHING
from md2n.data.readers.wide import Columns
from md2n.errors import DataError, Md2nError, did_you_mean
from md2n.modality import Modality, Schema
from md2n.serve.http.batching import listed
from md2n.serve.http.query import Query, parse_json, query_of, require_few
from md2n.serve.http.refusals import Refusal

JSON, CSV, NPZ = "application/json", "text/csv", "application/x-npz"
INDEX = r"_(\d{1,6})"


def read_upload(body: bytes, media_type: str, schema: Schema, group: str, trained: Columns) -> Query:
    """The query that a body holds.

    Args:
        body: of the request.
        media_type: its content type.
        schema: of the model.
        group: the column whose members are normalised apart, or "".
        trained: modality -> columns of the table that the model was trained on.

    Raises:
        Refusal: another media type, or a body that cannot be read.
        DataError: an archive that is no ``data.npz``, or a table that does not fit.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return query_of(parse_json(body))
    if kind == CSV:
        return _table(body, schema, group, trained)
    if kind == NPZ:
        return _archive(body, group)
    raise Refusal(
        "media-type",
        f"bodies of the type '{kind[:40]}' are not read" if kind else "the request does not say its content type",
        f"set the header content-type to {JSON}, {CSV} or {NPZ}",
    )


def _archive(body: bytes, group: str) -> Query:
    with tempfile.TemporaryDirectory(prefix="md2n-") as folder:
        file = Path(folder) / "data.npz"
        file.write_bytes(body)
        try:
            samples = read_npz(file)
        except Md2nError as error:
            raise DataError(error.message.replace(str(file), "data.npz"), error.hint) from None
    groups = tuple(map(str, samples.groups[group])) if group in samples.groups else None
    return Query(listed(samples), groups)


def _table(body: bytes, schema: Schema, group: str, trained: Columns) -> Query:
    """A row per sample; columns ``NAME_0``, ``NAME_1`` for a vector, ``NAME_0_0`` (frame, feature) for a sequence.

    Columns of the training table, a number of a vector each, have the names that they had there, too.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("the table is not UTF-8", "save it as CSV, UTF-8") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except csv.Error as error:
        raise DataError(f"the table cannot be read: {error}", "save it as CSV, UTF-8") from None
    if len(lines) < 2:
        raise DataError("the table has no row below its header", "give a row per sample")
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"line {number} has {len(row)} cells, the header {len(header)}", "fill or cut the line")
    places, columns = _places(header, schema, group, trained)
    features: dict[str, Any] = {}
    for modality in schema.modalities:
        own = places.get(modality.name, {})
        if not own:
            continue
        time = 1 + max(frame for frame, _ in own)
        require_few(modality, time)
        cube = np.full((len(rows), time, modality.dim), np.nan)
        for (frame, k), column in own.items():
            cube[:, frame, k] = [_number(row[column], header[column], n) for n, row in enumerate(rows, start=2)]
        features[modality.name] = cube[:, 0] if modality.is_vector else cube
    groups = tuple(row[columns[group]].strip() for row in rows) if group and group in columns else None
    return Query(features, groups)


def _places(
    header: list[str], schema: Schema, group: str, trained: Columns
) -> tuple[Mapping[str, Mapping[tuple[int, int], int]], Mapping[str, int]]:
    """Modality -> (frame, feature) -> column, and name -> column of all the others."""
    places: dict[str, dict[tuple[int, int], int]] = {}
    others: dict[str, int] = {}
    named = {
        str(name): (modality, (0, feature))
        for modality in schema.modalities
        if modality.is_vector and len(trained.get(modality.name, ())) == modality.dim
        for feature, name in enumerate(trained[modality.name])
    }
    for column, name in enumerate(header):
        where = named.get(name) or _place_of(name, schema)
        if where is None:
            others[name] = column
            continue
        modality, place = where
        _check_place(modality, name, place, places)
        places.setdefault(modality.name, {})[place] = column
    ignored = {"id", "split", "y", "label", group}
    strange = [n for n in others if n not in ignored and not n.startswith(("y_", "label_"))]
    if strange or not places:
        forms = [*named, *(f"{m.name}_0" if m.is_vector else f"{m.name}_0_0" for m in schema.modalities)]
        wrong = f"the column '{strange[0][:40]}' is of no modality" if strange else "no column is of a modality"
        known = did_you_mean(strange[0] if strange else "", forms)
        raise DataError(wrong, f"columns are NAME_feature for vectors and NAME_frame_feature for sequences; {known}")
    return places, others


def _place_of(name: str, schema: Schema) -> tuple[Modality, tuple[int, int]] | None:
    """Modality, and (frame, feature), of a column with a numbered name; None of any other."""
    forms = ((m, re.escape(m.name) + (INDEX if m.is_vector else 2 * INDEX)) for m in schema.modalities)
    matches = [(m, match) for m, form in forms if (match := re.fullmatch(form, name))]
    if len(matches) > 1:
        own = " or ".join(f"'{m.name}'" for m, _ in matches)
        raise DataError(f"the column '{name}' may be of {own}", "send these modalities as JSON")
    for modality, match in matches:
        return modality, (0, int(match[1])) if modality.is_vector else (int(match[1]), int(match[2]))
    return None


def _check_place(
    modality: Modality, name: str, place: tuple[int, int], places: Mapping[str, Mapping[tuple[int, int], int]]
) -> None:
    if place[1] >= modality.dim:
        raise DataError(f"'{name}': '{modality.name}' has {modality.dim} features", "features are counted from 0")
    if place in places.get(modality.name, {}):
        raise DataError(f"the column '{name}' comes twice", "keep one of them")


def _number(cell: str, column: str, line: int) -> float:
    text = cell.strip()
    if is_missing(text) or text.lower() in NOTHING:
        return math.nan
    number = as_number(text)
    if number is None:
        raise DataError(
            f"line {line}, column '{column}': '{text[:40]}' is no number", "leave a cell empty where it is unknown"
        )
    return number
