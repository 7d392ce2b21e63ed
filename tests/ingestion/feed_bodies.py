"""Bodies of feeds in the shapes that publishers send them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape

WHEN = datetime(2025, 11, 20, 8, 0, tzinfo=UTC)


def item(
    title: str | None = None,
    summary: str | None = None,
    *,
    guid: str | None = None,
    link: str | None = None,
    when: datetime | str | None = WHEN,
    extra: str = "",
) -> str:
    """An RSS 2.0 item; what is None is left out."""
    date = format_datetime(when) if isinstance(when, datetime) else when
    fields = {"title": title, "description": summary, "link": link, "pubDate": date}
    inner = "".join(
        f"<{name}>{escape(value)}</{name}>" for name, value in fields.items() if value is not None
    )
    guid = "" if guid is None else f'<guid isPermaLink="false">{escape(guid)}</guid>'
    return f"<item>{inner}{guid}{extra}</item>"


def rss(*items: str, title: str = "Harbour Daily", encoding: str = "utf-8") -> bytes:
    """An RSS 2.0 feed."""
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        f"<title>{escape(title)}</title><link>https://daily.example/</link>"
        f"<description>News</description>{''.join(items)}</channel></rss>"
    ).encode(encoding)


def atom(*entries: str) -> bytes:
    """An Atom 1.0 feed."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        '<title type="html">Harbour &amp;amp; Sea</title><id>tag:sea.example,2025:feed</id>'
        f"<updated>2025-11-20T08:00:00Z</updated>{''.join(entries)}</feed>"
    ).encode()


ATOM_ENTRY = (
    '<entry><title type="html">Harbour &lt;em&gt;reopens&lt;/em&gt;</title>'
    '<id>tag:sea.example,2025:1</id><link href="/stories/1"/>'
    "<updated>2025-11-20T10:30:00+02:00</updated><author><name>Ann Keel</name></author>"
    '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Ships are <b>back</b>'
    "</p><p>Crews cheer</p></div></content></entry>"
)


def news_search(keyword: str, stories: Sequence[tuple[str, str]]) -> bytes:
    """What a news search answers: (headline, publisher) in Google News' shape."""
    items = []
    for number, (headline, publisher) in enumerate(stories):
        link = f"https://news.example/rss/articles/CBMi{number}?oc=5"
        shown = f'<a href="{link}" target="_blank">{escape(headline)}</a>&nbsp;&nbsp;'
        shown += f'<font color="#6f6f6f">{escape(publisher)}</font>'
        items.append(
            item(
                f"{headline} - {publisher}",
                shown,
                guid=f"CBMi{number}",
                link=link,
                extra=f'<source url="https://p.example">{escape(publisher)}</source>',
            )
        )
    return rss(*items, title=f'"{keyword}" - Google News')
