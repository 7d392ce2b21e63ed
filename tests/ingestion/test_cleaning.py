from typing import Any

import pytest

from barometer.carried import packed, unpacked
from barometer.errors import InputError
from barometer.posts import MAX_TEXT
from ingestion.cleaning import clean, clean_found, clean_posted

GOOD = {
    "source": "form",
    "id": "1",
    "text": "a good day",
    "created_at": "2026-03-14T12:00:00+02:00",
}


def nested(levels: int) -> dict[str, Any]:
    """Metadata of so many levels."""
    content: dict[str, Any] = {}
    for _ in range(levels - 1):
        content = {"k": content}
    return content


def test_programs_cannot_set_what_barometer_derives() -> None:
    post = clean_posted(GOOD | {"events": ["vote"], "showing": 9, "url": "javascript:x"})
    assert (post.events, post.showing, post.url) == ((), 0, None)


@pytest.mark.parametrize(
    ("text", "told", "language"),
    [
        ("Der Zug hat schon wieder Verspätung, ich bin sauer", None, "de"),
        ("Der Zug hat schon wieder Verspätung, ich bin sauer", "nl-BE", "nl"),
        ("Der Zug hat schon wieder Verspätung, ich bin sauer", "und", "de"),
        ("Der Zug hat schon wieder Verspätung, ich bin sauer", "x" * 99, "de"),
        ("Der Zug hat schon wieder Verspätung, ich bin sauer", 5, "de"),
        ("the train is late again and i am so angry", None, "en"),
        ("hm", None, None),
        ("hm", "de", "de"),
    ],
)
def test_language_is_the_one_told_or_detected(text: str, told: Any, language: str | None) -> None:
    found = clean_posted(GOOD | {"text": text, "language": told})
    assert found.language == language
    assert clean_found([found]) == ([found], [])


def test_text_is_kept_as_it_came_and_time_becomes_utc() -> None:
    text = "@sam &amp; co: https://example.org 🎉\nsecond line"
    post = clean(GOOD | {"text": text, "author": None, "metadata": None})
    assert post.text == text
    assert post.created_at.isoformat() == "2026-03-14T10:00:00+00:00"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n\u200b "}, "text"),
        ({"text": "\u200b\u200d"}, "text"),
        ({"text": "x" * (MAX_TEXT + 1)}, "text"),
        ({"text": "nul\x00byte"}, "text"),
        ({"text": "half \ud83d pair"}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"id": ""}, "id"),
        ({"id": "a\x07b"}, "id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": "2026-03-14T12:00:00"}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00+10:00"}, "created_at"),
        ({"created_at": "9999-12-31T23:59:00-10:00"}, "created_at"),
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at"),
        ({"metadata": {"k": "v" * 5000}}, "metadata"),
        ({"metadata": {"k": "\ud83d"}}, "metadata"),
        ({"metadata": {"k": "\x00"}}, "metadata"),
        ({"metadata": nested(300)}, "metadata"),
        ({"metadata": nested(250)}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"author": "\x1b[2Jsam"}, "author"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(change: dict, field: str) -> None:
    with pytest.raises(InputError) as caught:
        clean(GOOD | change)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


def test_deepest_metadata_that_passes_can_be_read_from_the_stream() -> None:
    passed = []
    for levels in range(150, 260):
        try:
            post = clean(GOOD | {"metadata": nested(levels)})
        except InputError:
            break
        passed.append(levels)
        assert unpacked(packed(post).encode(), b"[]") == (post, "")
    assert passed
