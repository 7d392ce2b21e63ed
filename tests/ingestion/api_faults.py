"""What an HTTP API may do wrong: every source that asks one meets all of it."""

from tests.ingestion.feed_server import Answer, cut, endless, silent, status

HTML = b"<html><body>503 &mdash; try later</body></html>"
JSON = {"Content_Type": "application/json"}

FAULTS: dict[str, Answer] = {
    "401": status(401, b'{"message": "unauthorized"}', **JSON),
    "403": status(403, b'{"message": "forbidden"}', **JSON),
    "404": status(404, b'{"message": "not found"}', **JSON),
    "429 with Retry-After": status(429, b"{}", Retry_After="120", **JSON),
    "429 without": status(429, b"{}", **JSON),
    "500": status(500, b"{}", **JSON),
    "502 as HTML": status(502, HTML, Content_Type="text/html"),
    "503 with Retry-After": status(503, b"", Retry_After="120"),
    "silent": silent,
    "cut": cut(b'{"data": [' + b" " * 2_000 + b"]}"),
    "no JSON": status(200, HTML, Content_Type="text/html"),
    "half a JSON": status(200, b'{"data": [{"id":', **JSON),
    "other JSON": status(200, b'[["unexpected"], 7, null]', **JSON),
    "endless": endless,
}
"""By name. A source answers each with one `SourceError` that names it and no credential, keeps its
position, and reads on when the fault is over."""
