import json
import threading

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from barometer.broker import Broker
from barometer.errors import SettingsError
from barometer.events import event_row, new_event, track
from barometer.feed import newest_posts
from barometer.live import CHANNEL
from barometer.tables import PostRow
from inference.registry import LoadedModel
from serving.known_answers import KnownAnswers
from serving.models import Models
from serving.scorer import MOST_DELIVERIES, Scorer
from tests.brokers import Stream
from tests.conftest import post
from tests.machine import eventually
from tests.serving.counting import counting_model


def stored_ids(engine: Engine) -> set[str]:
    with Session(engine) as session:
        return set(session.scalars(select(PostRow.external_id)))


@pytest.fixture
def scorer(redis: Redis, broker: Broker, engine: Engine, model: LoadedModel) -> Scorer:
    return Scorer(broker, redis, engine, Models(model), batch=50, name="w")


def run_until_idle(worker: Scorer, broker: Broker) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: broker.backlog() == 0, "the backlog is not worked off", 30)
    finally:
        stop.set()
        thread.join(10)


def test_posts_are_judged_stored_and_acknowledged(
    scorer: Scorer, broker: Broker, engine: Engine
) -> None:
    broker.publish([post(n, f"i feel so happy number {n}") for n in range(120)])
    run_until_idle(scorer, broker)
    assert scorer.stored == 120
    with Session(engine) as session:
        rows = list(session.scalars(select(PostRow)))
    assert len(rows) == 120
    assert {row.emotion for row in rows} == {"joy"}
    assert {row.model_version for row in rows} == {"7"}
    assert all(-1 <= row.sentiment_score <= 1 for row in rows)


def test_event_tracked_while_posts_are_under_way_gets_them(
    scorer: Scorer, broker: Broker, engine: Engine
) -> None:
    broker.publish([post(n, f"the vote {n}") for n in range(10)])
    track(engine, new_event("Vote"))
    run_until_idle(scorer, broker)
    assert len(newest_posts(engine, 50, event_id=event_row(engine, "vote").id)) == 10


def test_entry_that_cannot_be_read_is_buried_and_the_rest_goes_on(
    scorer: Scorer, stream: Stream, broker: Broker, engine: Engine
) -> None:
    broker.publish([post(1)])
    stream.put(b'{"id": 3', b"[]")
    broker.publish([post(2, "another text")])
    run_until_idle(scorer, broker)
    eventually(lambda: stored_ids(engine) == {"1", "2"}, "the rest is not stored")
    [letter] = eventually(lambda: broker.dead_letters(10), "it is not buried")
    assert "Invalid JSON" in letter.reason


def test_post_that_the_database_refuses_is_buried_alone(
    scorer: Scorer, broker: Broker, engine: Engine
) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    "CREATE TRIGGER poison BEFORE INSERT ON posts WHEN new.external_id = '7' "
                    "BEGIN SELECT RAISE(ABORT, 'poison'); END"
                )
            )
        else:
            connection.execute(text("ALTER TABLE posts ADD CHECK (external_id <> '7')"))
    broker.publish([post(n, f"text {n}") for n in range(20)])
    run_until_idle(scorer, broker)
    assert stored_ids(engine) == {str(n) for n in range(20)} - {"7"}
    [letter] = broker.dead_letters(10)
    assert "IntegrityError" in letter.reason


def test_scorer_without_a_usable_key_for_names_holds_that_against_no_post(
    stream: Stream, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    def opened(key: str) -> tuple[Scorer, Broker]:
        broker = stream.open(author_names="plain", author_key=SecretStr(key))
        return Scorer(broker, redis, engine, Models(model), batch=50, name="w"), broker

    keyless, broker = opened("short")
    broker.publish([post(n, f"text {n}", author="anna") for n in range(2)])
    for _ in range(MOST_DELIVERIES + 1):
        with pytest.raises(SettingsError):
            keyless.run(threading.Event())
    broker.close()
    run_until_idle(*opened("long enough for nobody to guess"))
    assert stored_ids(engine) == {"0", "1"}


def test_repeated_text_is_judged_once_and_told_as_a_repost(
    redis: Redis, engine: Engine, broker: Broker
) -> None:
    model, asked = counting_model()
    worker = Scorer(broker, redis, engine, Models(model), batch=50, name="w")
    with redis.pubsub(ignore_subscribe_messages=True) as live:
        live.subscribe(CHANNEL)
        live.get_message(timeout=5)  # that it has subscribed
        broker.publish([post(n, f"fire at the harbour https://x.example/{n}") for n in range(30)])
        broker.publish([post("other", "good morning")])
        worker.work(broker.receive("w", 50, block_ms=10))
        broker.publish([post("later", "fire at the harbour https://y.example")])
        worker.work(broker.receive("w", 50, block_ms=10))
        told = [json.loads(message["data"])["post"] for message in iter(live.get_message, None)]
    assert asked.calls == [["fire at the harbour http", "good morning"], []]
    assert len(stored_ids(engine)) == 32
    assert [p["id"] for p in told if not p["repost"]] == ["0", "other"]
    assert len(told) == 21
    assert [row.external_id for row in newest_posts(engine, 50)] == ["other", "0"]
    other, _ = counting_model("8")
    assert KnownAnswers().judge(other, ["good morning"])[0].model_version == "8"


def test_two_workers_share_the_stream(
    stream: Stream, broker: Broker, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    broker.publish([post(n, f"text {n}") for n in range(300)])
    workers = [
        Scorer(stream.open(), redis, engine, Models(model), batch=50, name=name) for name in "ab"
    ]
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    eventually(lambda: broker.backlog() == 0, "the backlog is not worked off", 30)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert sum(worker.stored for worker in workers) == 300
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(PostRow)) == 300
