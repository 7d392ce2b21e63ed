"""VADER as the last resort: a sentiment for whatever text comes, and never a number."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barometer.labels import SENTIMENTS
from serving.vader import LONGEST, Vader

VADER = Vader()


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("I love the new night bus, thank you!", "positive"),
        ("what a horrible, disgusting delay", "negative"),
        ("not good at all", "negative"),
        ("😍", "positive"),
        ("the bus leaves at noon", "neutral"),
    ],
)
def test_sentiment_without_numbers(text: str, sentiment: str) -> None:
    [answer] = VADER.judge([text])
    said = answer.judgement
    assert (said.sentiment, said.model_version, answer.origin) == (sentiment, "vader", "vader")
    assert said.emotion is said.confidence is said.emotions is None
    assert said.sentiment_confidence is said.sentiments is said.sentiment_score is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_a_sentiment(text: str) -> None:
    [answer] = VADER.judge([text])
    assert answer.judgement.sentiment in SENTIMENTS


def test_long_text_is_cut_and_says_so() -> None:
    started = time.thread_time()
    answers = VADER.judge(["i love it but " * 1_400, "x" * LONGEST])
    assert [answer.truncated for answer in answers] == [True, False]
    assert time.thread_time() - started < 0.5  # whole, the first takes more than a second
