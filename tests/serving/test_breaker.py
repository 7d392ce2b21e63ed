"""The breaker against a plain description of it, through whatever order of calls comes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving.breaker import Breaker
from tests.serving.broken_models import Clock

FAILURES, WINDOW_S, REST_S = 3, 300.0, 60.0
SECONDS = st.sampled_from([0.0, 1.0, 59.0, 60.0, 61.0, 299.0, 300.0])


class BreakerMachine(RuleBasedStateMachine):
    """Calls enter and end in any order while time passes.

    The description keeps every failure since the breaker last closed, and the calls under way with
    the number of the turn in which they entered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(FAILURES, WINDOW_S, REST_S, self.clock)
        self.state = "closed"
        self.failed_at: list[float] = []
        self.open_until = 0.0
        self.turn = 0
        self.under_way: list[tuple[int, int]] = []

    def become(self, state: str, rest_s: float = REST_S) -> None:
        self.state, self.turn, self.failed_at = state, self.turn + 1, []
        self.open_until = self.clock.now + rest_s

    def counted(self) -> int:
        return sum(self.clock.now - at < WINDOW_S for at in self.failed_at)

    def trial_under_way(self) -> bool:
        return any(turn == self.turn for turn, _ in self.under_way)

    @rule()
    def call_comes(self) -> None:
        if self.state == "open" and self.clock.now >= self.open_until:
            self.become("half-open")
        ticket = self.breaker.enter()
        full = self.state == "half-open" and self.trial_under_way()
        assert (ticket is not None) == (self.state != "open" and not full)
        if ticket is not None:
            self.under_way.append((self.turn, ticket))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), rest_s=st.sampled_from([None, None, None, 7.0, 600.0]))
    def call_fails(self, data: st.DataObject, rest_s: float | None) -> None:
        turn, ticket = self.one_of_them(data)
        self.breaker.failed(ticket, rest_s)
        if turn == self.turn:
            self.failed_at.append(self.clock.now)
            if self.state == "half-open" or self.counted() >= FAILURES or rest_s is not None:
                self.become("open", REST_S if rest_s is None else rest_s)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def call_succeeds(self, data: st.DataObject) -> None:
        turn, ticket = self.one_of_them(data)
        self.breaker.succeeded(ticket)
        if turn == self.turn and self.state == "half-open":
            self.become("closed")

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def caller_leaves(self, data: st.DataObject) -> None:
        _, ticket = self.one_of_them(data)
        self.breaker.left(ticket)

    def one_of_them(self, data: st.DataObject) -> tuple[int, int]:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def somebody_resets(self) -> None:
        self.breaker.reset()
        self.become("closed")

    @invariant()
    def reads_as_described(self) -> None:
        reading = self.breaker.read()
        rested = self.state == "open" and self.clock.now >= self.open_until
        assert reading.state == ("half-open" if rested else self.state)
        assert reading.failures == (self.counted() if self.state == "closed" else 0)
        assert (reading.opened_at is None) == (self.state == "closed")
        left = self.open_until - self.clock.now
        assert reading.half_open_in_s == (left if reading.state == "open" else None)


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)  # type: ignore[misc]
TestBreaker = BreakerMachine.TestCase
