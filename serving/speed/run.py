"""`barometer bench pipeline`: one scorer on one core beside its classifier alone, and how late."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from serving.faults.processes import TETHER, clean_environment
from serving.faults.servers import postgres_server, redis_server
from serving.speed.lane import Lane
from serving.speed.measure import Round, classify, drain, latencies, percentiles, shares, summary
from serving.speed.processes import aside, cores, running, until_socket
from serving.speed.texts import FreshTexts

GOAL: Final = 0.8
"""Part of the bare classifier's speed that a scorer should store."""
SEED: Final = 1

Scorer = tuple[Lane, psutil.Popen]
"""A scorer's process, and the lane that it works on."""
Tell = Callable[[str], None]
"""Told of each step that begins."""


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    texts: FreshTexts
    """New ones in every round, in a round the same for everybody."""
    posts: int
    """Of a round."""
    titles: Sequence[str]
    """Of events that are tracked, which some of the texts may mention."""
    rounds: int
    """Of each contestant, in turn: what else the machine does meets all of them alike."""
    batch: int
    """Posts that a scorer takes at a time, and texts that the bare classifier does."""
    arrivals: int
    """Posts whose latency is measured."""

    @property
    def steps(self) -> int:
        """How often it is told of a step, where both databases are there."""
        return self.rounds + 2 * 2


def measure_speed(plan: Plan, tell: Tell) -> dict[str, Any]:
    """Every figure of one run.

    Raises:
        UnavailableError: a part does not start, or does not work.
    """
    with tempfile.TemporaryDirectory(prefix="barometer-speed-") as scratch, aside():
        folder = Path(scratch)
        folder.chmod(0o711)  # PostgreSQL runs as somebody else where this is root
        with (
            _lanes(folder, plan.titles) as lanes,
            _contestants(folder, lanes, plan) as (bare, scorers),
        ):
            figures = _rounds(plan, bare, scorers, tell)
            for lane, scorer in scorers:
                own = figures["databases"][lane.name]
                tell(f"latency, {lane.name}")
                rate = own["per_second"] / 2
                late = latencies(lane, plan.texts.take(plan.arrivals), rate, SEED)
                own["half_load"] = {"per_second": round(rate, 1), **percentiles(late)}
                tell(f"where the time goes, {lane.name}")
                own["shares"] = shares(
                    scorer, lane, plan.texts.take(plan.posts), _file(folder, lane)
                )
    return figures


def _rounds(
    plan: Plan, bare: psutil.Popen, scorers: Sequence[Scorer], tell: Tell
) -> dict[str, Any]:
    warm = plan.texts.take(plan.batch)  # it finds processes that are still starting
    classify(bare, warm)
    for lane, scorer in scorers:
        drain(scorer, lane, warm)
    alone: list[Round] = []
    stored: dict[str, list[Round]] = {lane.name: [] for lane, _ in scorers}
    for number in range(plan.rounds):
        tell(f"round {number + 1} of {plan.rounds}")
        texts = plan.texts.take(plan.posts)
        alone.append(classify(bare, texts))
        for lane, scorer in scorers:
            stored[lane.name].append(drain(scorer, lane, texts))
    return {
        "texts": plan.posts,
        "batch": plan.batch,
        "rounds": plan.rounds,
        "goal": GOAL,
        "bare": summary(alone, alone),
        "databases": {name: summary(rounds, alone) for name, rounds in stored.items()},
    }


@contextmanager
def _lanes(folder: Path, titles: Sequence[str]) -> Iterator[list[Lane]]:
    """A lane to SQLite and, where it is installed, one to PostgreSQL."""
    redis, postgres = redis_server(folder), postgres_server(folder)
    with ExitStack() as stack:
        for server in filter(None, (redis, postgres)):
            stack.enter_context(
                running(server.command, clean_environment(), folder, stop_signal=server.stop_signal)
            )
            until_socket(server.name, server.socket)
        lanes = [Lane("SQLite", f"{redis.url}?db=1", f"sqlite:///{folder / 'speed.db'}", titles)]
        if postgres:
            lanes.append(Lane("PostgreSQL", f"{redis.url}?db=2", postgres.url, titles))
        yield lanes


@contextmanager
def _contestants(
    folder: Path, lanes: Sequence[Lane], plan: Plan
) -> Iterator[tuple[psutil.Popen, list[Scorer]]]:
    """The bare classifier, and a scorer a lane, each on the measured core."""
    own, _ = cores()
    with ExitStack() as stack:
        command = [*TETHER, sys.executable, "-m", "serving.speed.bare", str(plan.batch)]
        alone = running(command, clean_environment(), folder, on=own, talks=True)
        bare = stack.enter_context(alone)
        scorers = []
        for lane in lanes:
            env = clean_environment(
                state_dir=folder / "state", redis_url=lane.redis_url,
                database_url=lane.database_url, scorer_batch=plan.batch, threads=1,
            )  # fmt: skip
            sampled = [sys.executable, "-m", "serving.speed.sampled", str(_file(folder, lane))]
            command = [*TETHER, *sampled, "work", "--name", f"before-{lane.name}"]
            scorers.append((lane, stack.enter_context(running(command, env, folder, on=own))))
        yield bare, scorers


def _file(folder: Path, lane: Lane) -> Path:
    return folder / f"{lane.name}.json"


COLUMNS: Final = ("what", "posts/s", "of the classifier", "processor ms a post", "of its processor")
LATE: Final = ("database", "posts/s", "p50 ms", "p95 ms", "p99 ms")


def tables(found: dict[str, Any]) -> dict[str, tuple[Sequence[str], list[tuple[Any, ...]]]]:
    """Columns and rows by title."""
    databases: dict[str, dict[str, Any]] = found["databases"]
    contestants = {
        "bare classifier": found["bare"],
        **{f"scorer to {name}": own for name, own in databases.items()},
    }
    parts = sorted({part for own in databases.values() for part in own["shares"]})
    return {
        f"One process on one core: {found['texts']:,} posts, {found['batch']} at a time, median of "
        f"{found['rounds']} rounds in turn; goal {found['goal']:.0%} of the classifier": (
            COLUMNS,
            [
                (name, f"{own['per_second']:,.0f}", f"{own['of_bare']:.1%}",
                 f"{own['processor_ms']:.2f}", f"{own['of_bare_processor']:.1%}")
                for name, own in contestants.items()
            ],
        ),
        "From the stream to the committed row at half load, Poisson arrivals": (
            LATE,
            [
                (name, *(f"{value:,.1f}" for value in own["half_load"].values()))
                for name, own in databases.items()
            ],
        ),
        "What a scorer spends its time with": (
            ("database", *parts),
            [
                (name, *(f"{own['shares'].get(part, 0):.1%}" for part in parts))
                for name, own in databases.items()
            ],
        ),
    }  # fmt: skip
