"""A post that the stream has taken is in the database exactly once, whatever dies or is away."""

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.orm import Session

from barometer.broker import Broker
from barometer.carried import packed
from barometer.erasure import keep_away
from barometer.events import event_row, new_event, track
from barometer.feed import newest_posts
from barometer.person import Person
from barometer.redis_server import connect
from barometer.tables import PostRow
from inference.registry import LoadedModel
from serving import scorer as scoring
from serving.models import Lineup, Models
from serving.scorer import Scorer
from tests.brokers import Stream, redis_stream
from tests.conftest import post
from tests.machine import eventually
from tests.servers import redis_server


class Killed(BaseException):
    """Ends a scorer where it stands, as SIGKILL would: nothing after it happens."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SHORTEST_WAIT_S", 0.01)
    monkeypatch.setattr(scoring, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(scoring, "BLOCK_MS", 50)


@pytest.fixture
def new_scorer(
    stream: Stream, redis: Redis, engine: Engine, model: LoadedModel
) -> Callable[..., Scorer]:
    """Makes a scorer; one more of a name is that scorer after a restart."""
    living: dict[str, Broker] = {}

    def make(name: str = "w", engine: Engine = engine) -> Scorer:
        if name in living:
            living[name].close()  # as the end of its process does
        living[name] = stream.open(stream_claim_after_s=stream.silence_s)
        return Scorer(living[name], redis, engine, Models(model), batch=50, name=name)

    return make


def run(scorer: Scorer, until: Callable[[], object]) -> None:
    """Let a scorer run in a thread until then."""
    stop = threading.Event()
    thread = threading.Thread(target=scorer.run, args=(stop,))
    thread.start()
    try:
        eventually(until, "the scorer does not get there", 40)
    finally:
        stop.set()
        thread.join(20)


def ids(engine: Engine) -> list[str]:
    """The stored posts, each as often as it is stored; and as often as the rollups count them."""
    with Session(engine) as session:
        stored = sorted(session.scalars(select(PostRow.external_id)), key=int)
        counted = session.scalar(text("SELECT SUM(posts) FROM rollups"))
    assert counted in (len(stored), None)
    return stored


def numbered(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def before_the_row(scorer: Scorer, engine: Engine) -> None:
    def die(*_: object) -> None:
        event.remove(engine, "commit", die)
        raise Killed

    event.listen(engine, "commit", die)


def after_the_row(scorer: Scorer, engine: Engine) -> None:
    def die(*_: object) -> None:
        raise Killed

    scorer._broker.acknowledge = die  # type: ignore[method-assign]


def after_receiving(scorer: Scorer, engine: Engine) -> None:
    def die(*_: object) -> None:
        raise Killed

    scorer.work = die  # type: ignore[method-assign]


@pytest.mark.parametrize("moment", [after_receiving, before_the_row, after_the_row])
def test_scorer_killed_at_any_step_loses_and_doubles_nothing(
    moment: Any, new_scorer: Any, broker: Broker, engine: Engine
) -> None:
    for start, heir in ((0, "itself"), (20, "another")):
        broker.publish([post(n, f"text {n}") for n in range(start, start + 20)])
        mortal = new_scorer("itself")
        moment(mortal, engine)
        with pytest.raises(Killed):
            mortal.run(threading.Event())
        assert broker.backlog() == 20
        run(new_scorer(heir), lambda: broker.backlog() == 0)
        assert ids(engine) == numbered(start + 20)
    assert broker.dead_letters(1) == []


def test_post_that_kills_its_scorer_is_buried_and_its_batch_is_stored(
    stream: Stream, redis: Redis, broker: Broker, engine: Engine, model: LoadedModel
) -> None:
    class Deadly:
        def __getattr__(self, name: str) -> Any:
            return getattr(model.classifier, name)

        def score_inputs(self, texts: list[str]) -> Any:
            if "a deadly text" in texts:
                raise Killed
            return model.classifier.score_inputs(texts)

    deadly = Models(LoadedModel("7", Deadly()))  # type: ignore[arg-type]
    broker.publish([post(n, "a deadly text" if n == 7 else f"text {n}") for n in range(20)])
    for _ in range(5):
        mortal = stream.open(stream_claim_after_s=stream.silence_s)
        with closing(mortal), pytest.raises(Killed):
            Scorer(mortal, redis, engine, deadly, 50, "w").run(threading.Event())
    run(Scorer(stream.open(), redis, engine, deadly, 50, "w"), lambda: broker.backlog() == 0)
    assert ids(engine) == [n for n in numbered(20) if n != "7"]
    [letter] = broker.dead_letters(10)
    assert "delivered 6 times" in letter.reason
    assert "a deadly text" in letter.post


def test_post_whose_scorers_die_after_its_row_is_no_dead_letter(
    new_scorer: Any, broker: Broker, engine: Engine
) -> None:
    broker.publish([post(0, "a vote")])
    for _ in range(5):
        mortal = new_scorer()
        after_the_row(mortal, engine)
        with pytest.raises(Killed):
            mortal.run(threading.Event())
    track(engine, new_event("Vote"))  # it gets the post all the same
    run(new_scorer(), lambda: broker.backlog() == 0)
    assert broker.dead_letters(1) == []
    assert len(newest_posts(engine, 5)) == 1
    assert len(newest_posts(engine, 5, event_id=event_row(engine, "vote").id)) == 1


def test_long_outage_with_restarts_and_claims_buries_nothing(
    new_scorer: Any, stream: Stream, broker: Broker, engine: Engine
) -> None:
    broker.publish([post(n, f"text {n}") for n in range(20)])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE rollups RENAME TO away"))
    tries = [0]
    event.listen(engine, "rollback", lambda _: tries.__setitem__(0, tries[0] + 1))
    for restart in range(4):  # each tries far more often than a poisonous post would be
        run(new_scorer("wx"[restart % 2]), lambda: tries[0] >= 10 * (restart + 1))  # noqa: B023
        time.sleep(stream.silence_s)
    assert broker.dead_letters(1) == []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO rollups"))
    run(new_scorer(), lambda: broker.backlog() == 0)
    assert ids(engine) == numbered(20)
    assert broker.dead_letters(1) == []


def test_model_that_fails_on_every_text_buries_nothing(
    stream: Stream, redis: Redis, broker: Broker, engine: Engine, model: LoadedModel
) -> None:
    class Fails:
        asked = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(model.classifier, name)

        def score(self, texts: list[str]) -> Any:
            return self.score_inputs(texts)

        def score_inputs(self, texts: list[str]) -> Any:
            self.asked += 1
            raise MemoryError

    broken = Fails()
    models = Models(LoadedModel("8", broken))  # type: ignore[arg-type]
    scorer = Scorer(stream.open(), redis, engine, models, 50, "w")
    broker.publish([post(n, f"text {n}") for n in range(4)])

    def another_is_released() -> bool:
        if broken.asked > 30:  # far more often than a poisonous post would be tried
            models.lineup = Lineup(model)
        return broker.backlog() == 0

    run(scorer, another_is_released)
    assert ids(engine) == numbered(4)
    assert broker.dead_letters(1) == []


def test_post_of_a_forgotten_author_becomes_no_dead_letter(
    stream: Stream, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    broker = stream.open()
    broker.publish([post(1, author="anna"), post(2, author="ben")])
    keep_away(engine, Person(broker.authors, "anna", "test"), ())
    often = [replace(each, deliveries=6) for each in broker.receive("w", 9, block_ms=2_000)]
    Scorer(broker, redis, engine, Models(model), 50, "w").work(often)
    assert [json.loads(letter.post)["id"] for letter in broker.dead_letters(9)] == ["2"]
    assert broker.backlog() == 0


def test_post_that_cannot_be_looked_for_is_given_up_all_the_same(
    stream: Stream, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    broker = stream.open()
    stream.put(packed(post("\x00")).encode(), b"[]")
    often = [replace(each, deliveries=6) for each in broker.receive("w", 9, block_ms=2_000)]
    Scorer(broker, redis, engine, Models(model), 50, "w").work(often)
    assert len(broker.dead_letters(9)) == 1


def test_scorer_without_a_database_takes_nothing(
    new_scorer: Any, broker: Broker, engine: Engine, tmp_path: Path
) -> None:
    broker.publish([post(1)])
    away = create_engine(f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}")
    asked = [0]
    event.listen(away, "do_connect", lambda *_: asked.__setitem__(0, asked[0] + 1))
    run(new_scorer("lost", away), lambda: asked[0] > 10)
    [entry] = broker.receive("other", 10, block_ms=50)
    assert entry.deliveries == 1


def test_stream_that_dies_between_row_and_acknowledgement_is_waited_for(
    redis: Redis, engine: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        stream = redis_stream(url, tmp_path)
        broker = stream.open()
        broker.publish([post(n, f"text {n}") for n in range(5)])
        pid = connect(url).info("server")["process_id"]

        def kill(_: object) -> None:
            event.remove(engine, "commit", kill)
            os.kill(pid, 9)

        event.listen(engine, "commit", kill)
        stop = threading.Event()
        scorer = Scorer(broker, redis, engine, Models(model), batch=50, name="w")
        thread = threading.Thread(target=scorer.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: ids(engine), "nothing is stored")
            time.sleep(0.5)
            with redis_server(tmp_path):
                eventually(lambda: stream.open().backlog() == 0, "the backlog is not worked off")
                assert stream.open().dead_letters(1) == []
        finally:
            stop.set()
            thread.join(20)
    assert ids(engine) == numbered(5)


def test_poison_reaches_the_dead_letters_or_the_database_and_stops_no_batch(
    new_scorer: Any, stream: Stream, broker: Broker, engine: Engine
) -> None:
    good = packed(post(900)).encode()
    odd = [
        "\u202e\u2066 odd \ufeff",
        "\U0010ffff\ufffe",
        "e\u0301" * 9_000,
        "𐀀" * 20_000,
        "\t \n x",
    ]
    broker.publish([post(n, f"text {n}") for n in range(5)])
    for content in (
        good.replace(b"so happy", b"so \\ud83d happy"),
        good.replace(b"so happy", b"y" * 3_000_000),
        good[:50],
        b"\xff\xfe\x00\x01",
    ):
        stream.put(content, b"[]")
    stream.put(good, b'["\\u0000"]')
    stream.put(packed(post(901, "NUL \x00")).encode(), b"[]")
    broker.publish([post(5 + n, each) for n, each in enumerate(odd)])
    broker.publish([post(n, f"text {n}") for n in range(10, 15)])
    run(new_scorer(), lambda: len(ids(engine)) + len(broker.dead_letters(10)) == 21)
    # PostgreSQL stores no NUL; SQLite does.
    of_each = (15, 6) if engine.name == "postgresql" else (17, 4)
    assert (len(ids(engine)), len(broker.dead_letters(10))) == of_each
    assert set(numbered(15)) <= set(ids(engine))


def test_post_over_a_limit_of_the_database_is_no_outage(
    new_scorer: Any, broker: Broker, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX texts ON posts (text)"))
    random = Random(1)  # noqa: S311 - any text that does not compress
    long = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(19_000))
    broker.publish([post(0, "before"), post(1, long), post(2, "after")])
    run(new_scorer(), lambda: broker.backlog() == 0)
    # PostgreSQL indexes no text over a third of a page; SQLite indexes any.
    refused = ["1"] if engine.name == "postgresql" else []
    assert ids(engine) == [n for n in numbered(3) if n not in refused]
    assert len(broker.dead_letters(10)) == len(refused)


def test_buried_posts_are_stored_once_what_refused_them_is_gone(
    new_scorer: Any, broker: Broker, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE UNIQUE INDEX one_text ON posts (text)"))
    broker.publish([post(n, "the same words") for n in range(3)])
    run(new_scorer(), lambda: broker.backlog() == 0)
    letters = broker.dead_letters(10)
    assert [letter.reason.partition(":")[0] for letter in letters] == ["IntegrityError"] * 2
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX one_text"))
    assert [broker.revive(letter) for letter in letters] == [True, True]
    run(new_scorer(), lambda: broker.backlog() == 0)
    assert ids(engine) == numbered(3)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(PostRow)) == 3
