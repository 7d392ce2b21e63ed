import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from barometer.database import database_url, engine_for
from barometer.errors import SettingsError
from barometer.events import new_event, track
from barometer.redis_server import connect
from barometer.settings import Settings
from barometer.store import store
from inference.registry import LoadedModel
from serving import hot_words
from serving.analysis import Analyst
from serving.hot_words import HotWords
from serving.models import Models
from serving.parts import Parts, assemble
from tests.conftest import judgement, post
from tests.machine import eventually
from tests.servers import free_port


def idle() -> float:
    return 10.0


def busy() -> float:
    return 80.0


@pytest.fixture
def parts(redis: Redis, engine: Engine, model: LoadedModel, settings: Settings) -> Parts:
    """Two events; people write about the second one more."""
    now = datetime.now(UTC)
    for title, words, posts in (("Ferry", ["ferry", "harbour"], 1), ("Metro", ["metro"], 3)):
        event = track(engine, new_event(title, words))
        written = [
            (post(f"{title}{n}", f"the {words[0]}", created_at=now, events=(event.slug,)),
             judgement()) for n in range(posts)
        ]  # fmt: skip
        store(engine, written)
    track(engine, new_event("Silent"))
    return assemble(settings, engine, redis, Models(model))


async def test_hottest_keywords_are_analysed_while_the_cpu_is_idle(
    parts: Parts, redis: Redis, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("# always\n\n  Night   Bus\nmetro\n")
    parts.settings = parts.settings.model_copy(update={"hot_words_file": str(seeds)})
    analyst = Analyst(parts, [])
    held_back = HotWords(parts, analyst, busy)
    held_back.asked("budget")
    held_back.asked(" Budget ")
    held_back.asked("budget")
    assert await held_back.warm() == []
    assert redis.keys("barometer:analysis:*") == []

    # Another process: it knows what the first was asked, by way of Redis.
    words = HotWords(parts, analyst, idle)
    words.asked("tram")
    assert await words.warm() == ["Night Bus", "metro", "budget", "tram", "ferry", "harbour"]
    ready = await analyst.analyze("FERRY", 250, return_plot=False)
    assert (ready["source"], ready["keyword"], ready["count"]) == ("cache", "FERRY", 1)
    assert await words.warm() == []  # all of them are there


async def test_answer_that_is_about_to_end_is_made_anew(parts: Parts, redis: Redis) -> None:
    analyst = Analyst(parts, [])
    before = await analyst.analyze("metro", 250, return_plot=False)
    redis.expire(analyst.key("metro", 250), 30)
    assert "metro" in await HotWords(parts, analyst, idle).warm()
    after = await analyst.analyze("metro", 250, return_plot=False)
    assert after["source"] == "cache"
    assert after["time"] > before["time"]
    assert redis.ttl(analyst.key("metro", 250)) > 3_000


async def test_cpu_that_gets_busy_ends_the_look(parts: Parts) -> None:
    shares = iter([5.0, 34.0, 35.0])

    def rising() -> float:
        return next(shares)

    assert await HotWords(parts, Analyst(parts, []), rising).warm() == ["metro", "ferry"]


async def test_questions_count_less_as_they_age_and_are_bounded(parts: Parts, redis: Redis) -> None:
    words = HotWords(parts, Analyst(parts, []), busy)
    redis.zadd(hot_words.ASKED, {"old": 3, "once": 0.5})
    redis.zadd(hot_words.ASKED, {f"many {n}": 100 for n in range(hot_words.MOST_KEPT)})
    redis.set(hot_words.HALVED, 1)
    await words.warm()
    assert redis.zcard(hot_words.ASKED) == hot_words.MOST_KEPT
    redis.delete(hot_words.HALVED, hot_words.ASKED)
    redis.zadd(hot_words.ASKED, {"old": 3, "once": 0.5})
    words.asked("new")
    await words.warm()
    assert redis.zrange(hot_words.ASKED, 0, -1, withscores=True) == [("new", 1.0), ("old", 1.5)]
    assert 0 < redis.ttl(hot_words.HALVED) <= hot_words.HALF_LIFE_S


async def test_without_redis_nothing_is_analysed_and_no_question_is_lost(parts: Parts) -> None:
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    lonely = assemble(parts.settings, parts.engine, away, parts.models)
    words = HotWords(lonely, Analyst(lonely, []), idle)
    words.asked("tram")
    assert await words.warm() == []
    assert words._asked == {"tram": 1}


async def test_background_task_looks_by_itself(parts: Parts, redis: Redis) -> None:
    parts.settings = parts.settings.model_copy(update={"warm_every_s": 0.1})
    words = HotWords(parts, Analyst(parts, []), idle)
    words.start()
    try:
        await asyncio.to_thread(
            eventually, lambda: len(redis.keys("barometer:analysis:*")) == 3, "no look", 20
        )
    finally:
        await words.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"\xff", "UTF-8"), (b"ok\n\x01\n", "line 2"),
     (b"x" * 101, "over 100 characters")],
)  # fmt: skip
def test_unusable_seed_file_stops_the_start(
    tmp_path: Path, redis: Redis, settings: Settings, model: LoadedModel, content: bytes | None,
    message: str,
) -> None:  # fmt: skip
    file = tmp_path / "seeds.txt"
    if content is not None:
        file.write_bytes(content)
    config = settings.model_copy(update={"hot_words_file": str(file)})
    parts = assemble(config, engine_for(database_url(config)), redis, Models(model))
    with pytest.raises(SettingsError, match=message) as refused:
        HotWords(parts, Analyst(parts, []))
    assert "BAROMETER_HOT_WORDS_FILE" in str(refused.value)
