import asyncio
from pathlib import Path

from redis import Redis
from sqlalchemy import Engine

from barometer.settings import Settings
from barometer.store import store
from inference.registry import LoadedModel
from ingestion.catalog import searchable
from serving.analysis import Analyst
from serving.models import Models
from serving.parts import assemble
from tests.conftest import judgement, post
from tests.servers import free_port


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
