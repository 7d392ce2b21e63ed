"""The parameter `languages` of routes that tell shares: which languages they count."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import Field

from barometer.languages import ALL, MOST_NAMED, Languages, languages_asked
from serving.parts import Parts

PATTERN: Final = rf"^({ALL}|[a-z]{{2,3}}(,[a-z]{{2,3}}){{0,{MOST_NAMED - 1}}})$"
ABOUT: Final = (
    "languages whose posts are counted: ISO 639 codes separated by commas, or `all`; if left out, "
    "those that the model reads. A text that is too short or mixed to tell its language counts "
    "with these"
)
Asked = Annotated[str, Field(pattern=PATTERN, max_length=4 * MOST_NAMED, examples=["all"])]
LanguagesAsked = Annotated[Asked | None, Query(description=ABOUT)]


def counted_languages(parts: Parts, asked: str | None) -> Languages:
    """What a caller of this service asks for.

    Raises:
        InputError: a code names no language.
    """
    return languages_asked(asked, parts.settings.languages)


def told_languages(counted: Languages, others: Iterable[Mapping[str, int]]) -> dict[str, Any]:
    """How an answer tells what it counts, and by language how many posts it does not."""
    total: Counter[str] = Counter()
    for each in others:
        total.update(each)
    return {"languages": str(counted), "other_languages": dict(total.most_common())}
