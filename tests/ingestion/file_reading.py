"""Read a folder of files the way the intake does."""

from pathlib import Path
from typing import Any

import pytest

from barometer.errors import SourceError
from barometer.events import Event
from barometer.file_columns import parse_columns
from barometer.posts import Post
from ingestion.files.files import FilesSource
from ingestion.files.row_posts import Columns

EVENT = Event(slug="vote", title="Vote", keywords=("vote",), sources=("files",))


def files_source(folder: Path, columns: str = "", *, settled_s: float = 0.0) -> FilesSource:
    return FilesSource(str(folder), Columns(parse_columns(columns)), settled_s=settled_s)


async def read(source: FilesSource, position: dict[str, Any] | None = None) -> list[Post]:
    return [post async for post in source.read(EVENT, {} if position is None else position)]


async def read_until_fault(
    source: FilesSource, position: dict[str, Any] | None = None
) -> tuple[list[Post], str]:
    posts: list[Post] = []
    try:
        async for post in source.read(EVENT, {} if position is None else position):
            posts.append(post)  # noqa: PERF401  what came before the fault counts
    except SourceError as fault:
        return posts, str(fault)
    pytest.fail("no fault is told")


def texts(posts: list[Post]) -> list[str]:
    return [post.text for post in posts]
