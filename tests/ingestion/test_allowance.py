"""What may be asked of a provider holds over threads, processes and restarts, on both databases."""

import asyncio
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from barometer.database import engine_for, migrate
from barometer.errors import SourceError
from barometer.tables import AllowanceRow
from ingestion.calls.allowance import Allowance
from tests.servers import NO_POSTGRES

HOUR = timedelta(hours=1)
PERIOD = timedelta(seconds=0.3)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_url: str | None,
) -> Engine:
    """One database of each kind for all: each test has an allowance of its own name."""
    url: str | None = f"sqlite:///{tmp_path_factory.mktemp('allowances') / 'test.db'}"
    if request.param == "postgresql":
        url = postgres_url
    if url is None:
        pytest.skip(NO_POSTGRES)
    made = engine_for(url)
    if request.param == "postgresql":
        with made.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    migrate(url)
    return made


def taken_of(engine: Engine, name: str) -> list[list[float]]:
    with Session(engine) as session:
        row = session.get(AllowanceRow, name)
        assert row is not None
        return row.taken


def moments(engine: Engine, name: str) -> list[float]:
    return [at for at, _ in taken_of(engine, name)]


def take_all(engine: Engine, tries: int) -> int:
    """How many of so many tries, in four threads, got one of 20."""
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(Allowance(engine, "both", 20, HOUR).take) for _ in range(tries)]
        return sum(future.result() == 0 for future in asked)


def in_a_process(url: str, tries: int, answer: Connection) -> None:
    answer.send(take_all(engine_for(url), tries))


def test_two_processes_and_their_threads_never_take_more_than_the_most(engine: Engine) -> None:
    """The period is longer than the test: of all that try, exactly 20 get one."""
    server = multiprocessing.get_context("forkserver")
    answer, told = server.Pipe(duplex=False)
    url = engine.url.render_as_string(hide_password=False)
    other = server.Process(target=in_a_process, args=(url, 15, told))
    other.start()
    mine = take_all(engine, 15)
    assert answer.poll(60)
    assert mine + answer.recv() == 20
    other.join()
    taken = moments(engine, "both")
    assert taken == sorted(taken)
    assert Allowance(engine, "both", 20, HOUR).left() == 0


def test_waits_for_its_turn_and_no_window_holds_more_than_the_most(engine: Engine) -> None:
    counted: dict[float, float] = {}

    async def twelve() -> None:
        allowance = Allowance(engine, "window", 5, PERIOD)

        async def caller() -> None:
            for _ in range(3):
                await allowance.acquire()
                for at, spent in taken_of(engine, "window"):  # the row forgets what is older
                    counted[at] = max(spent, counted.get(at, 0))

        await asyncio.gather(*(caller() for _ in range(4)))

    began = time.monotonic()
    asyncio.run(twelve())
    assert time.monotonic() - began >= 2 * PERIOD.total_seconds()  # three windows for twelve calls
    moments = [at for at in sorted(counted) for _ in range(int(counted[at]))]
    assert len(moments) >= 7  # of calls whose moments nobody read in time, nothing is known
    gaps = [later - earlier for earlier, later in zip(moments, moments[5:], strict=False)]
    assert min(gaps) > PERIOD.total_seconds() - 0.001


def test_row_that_another_holds_is_waited_for_and_counts_from_then(engine: Engine) -> None:
    """Recorded as of before the wait, a call would stop counting too early."""
    allowance = Allowance(engine, "held", 5, PERIOD)
    allowance.take()
    sqlite = engine.dialect.name == "sqlite"
    hold = "UPDATE allowances SET name = name" if sqlite else "SELECT * FROM allowances FOR UPDATE"
    with ThreadPoolExecutor(1) as threads, engine.connect() as holder:
        holder.exec_driver_sql(hold)
        waiting = threads.submit(allowance.take)
        time.sleep(0.3)
        let_go = time.time()
        holder.rollback()
        waiting.result()
    assert moments(engine, "held")[-1] >= let_go


def test_used_up_for_long_is_said_with_the_time(engine: Engine) -> None:
    late = Allowance(engine, "provider", 2, timedelta(days=1), counted="posts")
    assert late.take(2) == 0
    with pytest.raises(
        SourceError, match=r"^provider: the 2 posts that it allows in 24 hours"
    ) as told:
        asyncio.run(late.acquire(patience_s=0.1))
    until = told.value.until
    assert until is not None
    assert f"until {until:%Y-%m-%d %H:%M:%S} UTC" in str(told.value)
    assert (
        timedelta(hours=23, minutes=59) < until - datetime.now(UTC) < timedelta(hours=24, minutes=2)
    )
    smaller = Allowance(engine, "provider", 1, timedelta(days=1))  # the plan was changed
    assert smaller.left() == 0
    assert smaller.take() > 86_000
    with pytest.raises(ValueError, match="3 is more than the 2 of provider"):
        late.take(3)


def test_what_was_taken_in_advance_is_given_back(engine: Engine) -> None:
    allowance = Allowance(engine, "advance", 5, HOUR)
    assert allowance.take(2) == 0
    assert allowance.take(3) == 0
    allowance.give_back(4)
    assert allowance.left() == 4
    allowance.give_back(9)
    assert (allowance.left(), moments(engine, "advance")) == (5, [])


def test_row_stays_small_however_often_it_is_taken_from(engine: Engine) -> None:
    allowance = Allowance(engine, "small", 100, timedelta(days=30))
    for _ in range(30):
        assert allowance.take() == 0
    assert len(moments(engine, "small")) <= 2, "one for each thousandth of the period"
    assert allowance.left() == 70


def test_what_is_left_outlives_a_restart_and_comes_back_with_time(engine: Engine) -> None:
    before = Allowance(engine, "kept", 5, PERIOD)
    assert before.left() == 5
    assert before.take(3) == 0
    engine.dispose()
    after = Allowance(engine, "kept", 5, PERIOD)
    assert after.left() == 2
    wait = after.take(3)
    assert 0 < wait <= 0.31
    assert after.left() == 2, "what was not got is not counted"
    time.sleep(wait)
    assert after.left() == 5
    assert after.take(5) == 0


def test_clock_that_was_set_back_holds_nothing_back_for_longer_than_the_period(
    engine: Engine,
) -> None:
    with Session(engine) as session, session.begin():
        session.add(AllowanceRow(name="ahead", taken=[[time.time() + 365 * 86_400, 5]]))
    ahead = Allowance(engine, "ahead", 5, PERIOD)
    wait = ahead.take()
    assert 0 < wait <= 0.31
    time.sleep(wait)
    assert ahead.take() == 0
