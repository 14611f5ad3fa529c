"""Requests as they are understood: the features of some samples, and how to answer for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from md2n.brief import brief
from md2n.data.samples import Samples
from md2n.errors import did_you_mean
from md2n.modality import Modality, Schema
from md2n.serve.http.limits import FRAMES, Limits
from md2n.serve.http.refusals import Refusal

SHORTEST = 64  # frames that every sequence may have, however short those of the training data were


@dataclass(frozen=True)
class Query:
    """One request for answers.

    Args:
        features: modality name -> as for ``Predictor.predict``.
        groups: the group of each sample, or None.
        draws: None for the model's own number.
        steps: None for the model's own number; read by recovery alone.
        check_units: refuse data whose values lie far outside what the model was trained on.
    """

    features: Mapping[str, Any]
    groups: tuple[str, ...] | None = None
    draws: int | None = None
    steps: int | None = None
    check_units: bool = True

    __repr__ = brief


def parse_json(body: bytes, what: str = "the body") -> Any:
    """JSON as its standard has it.

    Raises:
        Refusal: it is none, or holds NaN or Infinity.
    """

    def unknown(word: str) -> Any:
        raise Refusal("bad-json", f"{what} holds {word}, which is no JSON", "write null where a number is unknown")

    try:
        return json.loads(body, parse_constant=unknown)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refusal("bad-json", f"{what} is no JSON{place}", 'send {"features": {"NAME": [...]}}') from None


def query_of(content: Any) -> Query:
    """The query of a JSON body.

    Raises:
        Refusal: another form.
    """
    if not isinstance(content, dict) or not isinstance(content.get("features"), dict):
        raise Refusal(
            "bad-request", "the body has no table 'features'", 'send {"features": {"NAME": [sample, sample, ...]}}'
        )
    known = ("features", "groups", "draws", "steps", "check_units")
    for key in content:
        if key not in known:
            raise Refusal("bad-request", f"a request has no entry '{key[:40]}'", did_you_mean(key, known))
    for name, values in content["features"].items():
        if values is not None and not isinstance(values, list):
            raise Refusal(
                "bad-request",
                f"modality '{name[:40]}' is no list",
                "give a list with an entry for each sample, null where it misses the modality",
            )
    return Query(
        content["features"],
        groups_of(content.get("groups")),
        whole_number(content, "draws"),
        whole_number(content, "steps"),
        flag(content, "check_units"),
    )


def whole_number(content: Mapping[str, Any], key: str) -> int | None:
    """An entry of a request that is a whole number of 1 or more, or None where it is not there.

    Raises:
        Refusal: something else.
    """
    value = content.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Refusal("bad-request", f"'{key}' is not a whole number of 1 or more", "leave it out for the model's own")
    return value


def flag(content: Mapping[str, Any], key: str) -> bool:
    """An entry of a request that is true or false; true where it is not there.

    Raises:
        Refusal: something else.
    """
    value = content.get(key, True)
    if not isinstance(value, bool):
        raise Refusal("bad-request", f"'{key}' is neither true nor false", "leave it out for true")
    return value


def groups_of(groups: Any) -> tuple[str, ...] | None:
    """The group of every sample.

    Raises:
        Refusal: they are no list of names or whole numbers.
    """
    if groups is None:
        return None
    if not isinstance(groups, list) or not all(isinstance(g, str | int) and not isinstance(g, bool) for g in groups):
        raise Refusal("bad-request", "'groups' is no list of names", "give the group of every sample, or leave it out")
    return tuple(str(g) for g in groups)


def check_size(query: Query, limits: Limits) -> None:
    """Refuses more rows, draws or steps than one request may have.

    Raises:
        Refusal: naming which.
    """
    rows = max((len(v) for v in query.features.values() if v is not None), default=0)
    if rows > limits.rows:
        raise Refusal(
            "too-many-rows",
            f"{rows} samples in one request, {limits.rows} at most",
            "send them in several requests; `md2n serve --max-rows` changes the limit",
        )
    for key, value, most in (("draws", query.draws, limits.draws), ("steps", query.steps, limits.steps)):
        if value is not None and value > most:
            raise Refusal("bad-request", f"'{key}' is {value}, {most} at most", "ask for fewer")


def check_frames(samples: Samples, schema: Schema) -> None:
    """Refuses sequences far longer than those of the training data: time and memory rise with the square.

    Raises:
        Refusal: naming the modality.
    """
    for modality in schema.modalities:
        require_few(modality, int(samples.modalities[modality.name].lengths.max(initial=0)))


def require_few(modality: Modality, frames: int) -> None:
    """Refuses more frames than a sample may have.

    Raises:
        Refusal: naming the modality.
    """
    most = max(SHORTEST, FRAMES * modality.length)
    if frames > most:
        raise Refusal(
            "too-many-frames",
            f"a sample has {frames} frames of '{modality.name}', {most} at most",
            "cut it into pieces as long as those of the training data",
        )
