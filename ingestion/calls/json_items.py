"""The items of a JSON answer: what has the expected shape, and nothing else of it."""

import json
from typing import Any, Final, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from ingestion.calls.answer import AnswerError

log = structlog.get_logger()
ODD: Final = "answered JSON that is not of its API"

Item = TypeVar("Item", bound=BaseModel)


def json_of(content: bytes) -> Any:
    """The document in `content`.

    Half a surrogate pair in a string is let through, so that it spoils its own item alone.

    Raises:
        AnswerError: it is no JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise AnswerError("did not answer with JSON") from None  # the error quotes the bytes


def document_of(content: bytes, model: type[Item]) -> Item:
    """The document in `content` as a `model`.

    Raises:
        AnswerError: it is no JSON, or has another shape.
    """
    try:
        return model.model_validate(json_of(content))
    except ValidationError:
        raise AnswerError(ODD) from None


def items_of(raw: Any, model: type[Item], *, of: str) -> list[Item]:
    """Those of the list `raw` that are a `model`; how many are not is logged, `of` whom.

    Raises:
        AnswerError: it is no list, or none of it has the shape.
    """
    if not isinstance(raw, list):
        raise AnswerError(ODD)
    good: list[Item] = []
    for item in raw:
        try:
            good.append(model.model_validate(item))
        except ValidationError:
            continue
    if raw and not good:
        raise AnswerError(ODD)
    if len(good) < len(raw):
        log.warning("items of an odd shape are passed over", of=of, items=len(raw) - len(good))
    return good
