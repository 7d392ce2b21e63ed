"""Each post keeps the terms of the place where it was written, on every way in."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import Engine, select

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.parquet import Chosen, export_posts
from barometer.posts import Post
from barometer.store import store
from barometer.tables import PostRow
from ingestion.catalog import KINDS
from ingestion.intake import Intake, Reading
from ingestion.posted import publish_posted
from serving.post_json import row_json, scored_message
from tests.conftest import judgement, post


def test_reddit_and_x_alone_may_not_teach() -> None:
    assert {kind.name for kind in KINDS if not kind.may_train} == {"reddit", "x"}


def test_repost_elsewhere_keeps_its_own_terms(
    broker: Broker, engine: Engine, tmp_path: Path
) -> None:
    text = "the very same words"

    async def found() -> AsyncGenerator[Post, None]:
        yield post("t3_1", text, source="reddit")
        yield post("9", text, source="form", may_train=False)
        yield post("a", text, source="rss")

    intake = Intake(broker, Pressure(broker, 1_000), engine)
    asyncio.run(intake.take(Reading("rss", "vote"), found(), {}))
    raw = {"text": text, "created_at": "2026-03-14T12:00:40Z", "may_train": True}
    for source in ("X", "Reddit", "form"):
        publish_posted([raw | {"source": source, "id": "7"}], broker, engine)
    posts = [e.post for e in broker.receive("w", 50, block_ms=10) if e.post]
    store(engine, [(each, judgement()) for each in posts])
    with engine.connect() as connection:
        rows = connection.execute(
            select(PostRow.source, PostRow.external_id, PostRow.may_train, PostRow.repost_of)
        ).all()
    assert {(row.source, row.external_id): row.may_train for row in rows} == {
        ("reddit", "t3_1"): False, ("form", "9"): False, ("rss", "a"): True,
        ("X", "7"): False, ("Reddit", "7"): False, ("form", "7"): True,
    }  # fmt: skip
    assert sum(row.repost_of is None for row in rows) == 1
    export_posts(engine, tmp_path / "p.parquet", Chosen(), lambda _: None)
    exported = pq.read_table(tmp_path / "p.parquet", columns=["may_train"])
    assert sorted(exported.column(0).to_pylist()) == [False] * 4 + [True] * 2


def test_terms_are_told_with_each_post() -> None:
    barred = post(1, source="reddit", may_train=False)
    assert scored_message(barred, judgement())["post"]["may_train"] is False
    assert row_json(PostRow(created_at=barred.created_at, may_train=False), [], 0)["may_train"] is (
        False
    )
