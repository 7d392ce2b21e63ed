"""The LLM that answers while the local model fails: any OpenAI-compatible chat API.

This module takes seconds and some 40 MB to import, for its client: only who has an LLM does.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import httpx
import openai
import structlog
from redis import Redis

from barometer.errors import SourceError
from barometer.settings import Settings
from barometer.text import model_input
from serving.answer import Answer
from serving.breaker import Breaker
from serving.judge import label_only
from serving.llm_talk import Reply, expected_tokens, moods, read_reply, request
from serving.token_budget import TokenBudget

log = structlog.get_logger()
TEXTS_A_CALL = 20
LONGEST = 2_000
"""Characters of a text that are sent."""
LONGEST_REST_S = 3600.0
"""A provider that asks to be left alone for longer is asked again after this."""


class Llm:
    """One model of one provider, within a time, a day's tokens and a breaker of its own."""

    def __init__(
        self, settings: Settings, redis: Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = settings.llm_model
        self._host = urlsplit(settings.llm_url).hostname
        self._timeout_s = settings.llm_timeout_s
        self._budget = TokenBudget(redis, settings.llm_budget_tokens)
        self.breaker = Breaker(
            settings.breaker_failures, settings.breaker_window_s, settings.breaker_rest_s, clock
        )
        self._structured = True
        self._client = openai.AsyncOpenAI(
            base_url=settings.llm_url,
            # The client insists on a key; LocalAI needs none and reads none.
            api_key=settings.llm_api_key.get_secret_value() or "none",
            timeout=self._timeout_s,
            max_retries=0,  # the next in the chain answers sooner than a second try
            # A redirect would send texts to a host that nobody configured.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    @property
    def available(self) -> bool:
        """Whether the next text is sent to it."""
        spent = self._budget.spent >= self._budget.tokens_a_day
        return self.breaker.read().state != "open" and not spent

    @property
    def detail(self) -> str:
        """Which model it is, where, and what it has used."""
        return (
            f"{self._model} at {self._host}; {self._budget.spent:,} of "
            f"{self._budget.tokens_a_day:,} tokens used today"
        )

    async def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Answers for the first texts, as many as came back right and in time; perhaps none."""
        answers: list[Answer] = []
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        for start in range(0, len(texts), TEXTS_A_CALL):
            ticket = self.breaker.enter()
            if ticket is None:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    given = await self._ask(texts[start : start + TEXTS_A_CALL])
            except (TimeoutError, SourceError) as error:
                if answers and isinstance(error, TimeoutError):
                    self.breaker.left(ticket)  # it works, only not so fast for so many
                else:
                    self.breaker.failed(ticket, _asked_to_rest(error))
                reason = str(error) or f"no answer within {self._timeout_s:g} s"
                log.warning("the LLM failed", reason=reason, texts=len(texts) - len(answers))
                break
            except BaseException:
                self.breaker.left(ticket)  # the caller has left
                raise
            if given is None:
                self.breaker.left(ticket)
                log.warning("the LLM's tokens of the day are used up", spent=self._budget.spent)
                break
            self.breaker.succeeded(ticket)
            answers += given
        return answers

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._client.close()

    async def _ask(self, texts: Sequence[str]) -> list[Answer] | None:
        """Answers for a call's worth of texts; None where the day's budget does not hold them.

        Raises:
            SourceError: the provider failed, or its model answered with something else.
        """
        # Masked: the provider gets no user's name and no link.
        masked = [model_input(text) for text in texts]
        sent = [text[:LONGEST] for text in masked]
        expected = expected_tokens(sent)
        if not await asyncio.to_thread(self._budget.take, expected):
            return None
        try:
            reply = await self._post(sent)
        except openai.APITimeoutError as error:
            raise SourceError(f"no answer within {self._timeout_s:g} s") from error
        except openai.APIStatusError as error:
            await asyncio.to_thread(self._budget.give_back, expected)
            raise SourceError(f"the LLM's provider answered {error.status_code}") from error
        except openai.APIConnectionError as error:
            raise SourceError("the LLM's provider cannot be reached") from error
        if reply.usage is not None:
            surplus = expected - reply.usage.total_tokens
            await asyncio.to_thread(self._budget.give_back, surplus)
        return [
            Answer(
                label_only(f"llm:{self._model}", mood.emotion, mood.sentiment),
                len(text) > LONGEST,
                "llm",
            )
            for mood, text in zip(moods(reply, len(sent)), masked, strict=True)
        ]

    async def _post(self, texts: Sequence[str]) -> Reply:
        """The provider's reply. One that refuses a schema is asked without from then on."""
        try:
            return await self._send(texts, structured=self._structured)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if not self._structured:
                raise
            reply = await self._send(texts, structured=False)
            self._structured = False
            return reply

    async def _send(self, texts: Sequence[str], *, structured: bool) -> Reply:
        body = request(self._model, texts, structured=structured)
        response = await self._client.post("/chat/completions", cast_to=httpx.Response, body=body)
        return read_reply(response.content)


def _asked_to_rest(error: Exception) -> float | None:
    """Seconds for which a provider that is asked too often wants to be left alone, if it said."""
    if not isinstance(error.__cause__, openai.RateLimitError):
        return None
    try:
        seconds = float(error.__cause__.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, LONGEST_REST_S) if math.isfinite(seconds) and seconds > 0 else None
