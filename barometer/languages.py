"""Which languages are counted: those that the model reads, unless others are asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, or_, true

from barometer.errors import InputError
from barometer.language import known_code
from barometer.rollups import NO_ANSWER

ALL: Final = "all"
"""What asks for every language."""
MOST_NAMED: Final = 20
"""Languages of one question."""
UNKNOWN: Final = "unknown"
"""How people are told of posts whose language is not known."""


@dataclass(frozen=True)
class Languages:
    """Some languages, or every one; a post whose language is not known may be among them."""

    codes: frozenset[str] | None
    """None: every one."""
    unknown: bool = True

    def __str__(self) -> str:
        return ALL if self.codes is None else ",".join(sorted(self.codes))

    def have(self, language: str | None) -> bool:
        """Whether a post in this language counts; None and "" are of an unknown one."""
        return self.codes is None or (language in self.codes if language else self.unknown)

    def among(self, language: Any) -> ColumnElement[bool]:
        """The same for a column, of posts or of rollups."""
        if self.codes is None:
            return true()
        named = language.in_(sorted(self.codes))
        return or_(named, language.is_(None), language == NO_ANSWER) if self.unknown else named

    def other(self, language: Any) -> ColumnElement[str | None]:
        """A column's language where it does not count, `UNKNOWN` for none; else null."""
        name = func.coalesce(func.nullif(language, NO_ANSWER), UNKNOWN)
        return case((self.among(language), None), else_=name)


EVERY: Final = Languages(None)


def languages_asked(asked: str | None, read: Iterable[str]) -> Languages:
    """What a caller asks for: `all`, codes separated by commas, or None for those that are read.

    Args:
        asked: the caller's words.
        read: the languages that the model reads. What is too short or mixed to tell its language is
            counted with them.

    Raises:
        InputError: a code names no language.
    """
    read = frozenset(known_code(code) or code for code in read)
    if asked == ALL:
        return EVERY
    if asked is None:
        return Languages(read)
    codes = _codes(asked.split(","))
    return Languages(codes, unknown=bool(codes & read))


def _codes(named: Sequence[str]) -> frozenset[str]:
    found = {name: known_code(name) for name in named}
    for name, code in found.items():
        if code is None:
            raise InputError(
                f"languages: {name!r} is no language that is known here; name ISO 639 codes such "
                f"as en,de, or {ALL}.",
                "languages",
            )
    return frozenset(code for code in found.values() if code)
