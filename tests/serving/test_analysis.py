import asyncio
from pathlib import Path

import httpx
from redis import Redis
from sqlalchemy import Engine

from barometer.authors import Authors
from barometer.database import engine_for, migrate
from barometer.settings import Settings
from barometer.store import store
from inference.registry import LoadedModel
from ingestion.catalog import searchable
from serving.analysis import Analyst
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from serving.request_log import RequestLog
from tests.conftest import judgement, post
from tests.ingestion.feed_bodies import item, news_search, rss
from tests.ingestion.feed_server import feed, feed_server
from tests.servers import free_port
from tests.serving.counted import counted


def analyst(redis: Redis, engine: Engine, model: LoadedModel, folder: Path, search: str) -> Analyst:
    settings = Settings(state_dir=folder, news_search_url=search)
    parts = assemble(settings, engine, redis, Models(model))
    return Analyst(parts, searchable(settings))


def test_answer_without_its_sources_is_kept_for_a_minute_only(
    redis: Redis, engine: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    store(engine, [(post(1, "i love the ferry"), judgement())])
    for search, longest in ((f"http://127.0.0.1:{free_port()}/?q={{keyword}}", 60), ("off", 3600)):
        redis.flushall()
        asked = analyst(redis, engine, model, tmp_path, search)
        answer = asyncio.run(asked.analyze("ferry", 10, return_plot=False))
        assert (answer["count"], answer["source"]) == (1, "inference")
        assert any(line["error"] for line in answer["searched"]) is (longest == 60)
        [key] = redis.keys("barometer:analysis:*")
        assert longest - 5 <= redis.ttl(key) <= longest
        again = asyncio.run(asked.analyze(" FERRY ", 10, return_plot=False))
        assert again["source"] == "cache"


def test_found_post_whose_stored_id_hides_a_name_counts_once(
    redis: Redis, engine: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    blog = "https://blog.example/ann-keel/1"
    told = item("I love the ferry", guid=blog, extra="<dc:creator>ann-keel</dc:creator>")
    with feed_server() as news:
        search = news.serve("/search", feed(rss(told))) + "?q={keyword}"
        asked = analyst(redis, engine, model, tmp_path, search)
        hidden = Authors(Settings(state_dir=tmp_path)).hidden(
            post(blog, "I love the ferry", source="rss", author="ann-keel")
        )
        assert hidden.id != blog
        store(engine, [(hidden, judgement())])
        answer = asyncio.run(asked.analyze("ferry", 10, return_plot=False))
    assert [line["posts"] for line in answer["searched"]] == [1, 1]
    assert answer["count"] == 1


async def test_metrics_tell_what_each_analysis_was_answered_by(
    redis: Redis, tmp_path: Path, model: LoadedModel
) -> None:
    url = f"sqlite:///{tmp_path / 'posts.db'}"
    migrate(url)
    engine = engine_for(url)
    store(engine, [(post(1, "i love the bridge"), judgement())])

    async def ask(search: str, keyword: str, origin: str, callers: int = 1) -> None:
        settings = Settings(state_dir=tmp_path, news_search_url=search)
        app = create_app()
        attach(app, assemble(settings, engine, redis, Models(model)))
        before = counted("request_seconds_count", route="/analyze", origin=origin)
        transport = httpx.ASGITransport(RequestLog(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            body = {"keyword": keyword}
            await asyncio.gather(*(http.post("/analyze", json=body) for _ in range(callers)))
        after = counted("request_seconds_count", route="/analyze", origin=origin)
        assert after == before + callers

    with feed_server() as news:
        found = feed(news_search("ferry", [("I love the great new ferry", "Times")]))
        search = news.serve("/search", found) + "?q={keyword}"
        await ask(search, "ferry", "model", callers=2)  # who waits for another's is told as much
        await ask(search, "ferry", "cache")
        await ask(search, "new ferry", "redis")
    await ask("off", "bridge", "stored")
