import pytest

from barometer.errors import InputError
from barometer.posts import MAX_TEXT
from ingestion.cleaning import clean, clean_posted

GOOD = {
    "source": "form",
    "id": "1",
    "text": "a good day",
    "created_at": "2026-03-14T12:00:00+02:00",
}

NESTED: dict = {}
for _ in range(300):
    NESTED = {"k": NESTED}


def test_programs_cannot_set_what_barometer_derives() -> None:
    post = clean_posted(GOOD | {"events": ["vote"], "showing": 9, "url": "javascript:x"})
    assert (post.events, post.showing, post.url) == ((), 0, None)


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
        ({"metadata": NESTED}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"author": "\x1b[2Jsam"}, "author"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(change: dict, field: str) -> None:
    with pytest.raises(InputError) as caught:
        clean(GOOD | change)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
