"""Routes that classify: `/predict`, `/predict/batch`, `/analyze`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from barometer.client.contract import Analysis, Prediction, PredictionBatch
from serving.analysis import Analyst
from serving.answers import Answer
from serving.bodies import Analyze, Predict, PredictBatch
from serving.json_answer import Json
from serving.leaving import unless_left
from serving.openapi import answer
from serving.parts import Parts

router = APIRouter(tags=["mood"])


async def parts_of(request: Request) -> Parts:
    """The parts of the app that serves this request.

    A coroutine, though it awaits nothing: FastAPI sends plain functions to a thread, each time.
    """
    parts: Parts = request.app.state.parts
    return parts


WithParts = Annotated[Parts, Depends(parts_of)]


def _used(parts: Parts, answers: Sequence[Answer]) -> str:
    """Everything that answered, named once: `barometer:7`, `llm:…`, `vader`."""
    own = f"{parts.settings.model_name}:"
    names = (f"{'' if a.fallback else own}{a.judgement.model_version}" for a in answers)
    return ",".join(dict.fromkeys(names))


def _result(said: Answer) -> dict[str, Any]:
    judgement = said.judgement
    return {
        "emotion": judgement.emotion,
        "confidence": judgement.confidence,
        "emotions": judgement.emotions,
        "sentiment": judgement.sentiment,
        "sentiment_confidence": judgement.sentiment_confidence,
        "sentiments": judgement.sentiments,
        "truncated": said.truncated,
    }


@router.post(
    "/predict", response_class=Json, responses=answer(Prediction, "What was said of it.", 404)
)
async def predict(body: Predict, request: Request, parts: WithParts) -> Json:
    """Classify one text."""
    started = time.perf_counter()
    [said] = await unless_left(request, parts.answers.answer([body.text], body.model))
    return Json(
        {
            **_result(said),
            "model_used": _used(parts, [said]),
            "fallback_used": said.fallback,
            "processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
            "timestamp": datetime.now(UTC).isoformat(),
        }
    )


@router.post(
    "/predict/batch",
    response_class=Json,
    responses=answer(PredictionBatch, "What was said of each.", 404),
)
async def predict_batch(body: PredictBatch, request: Request, parts: WithParts) -> Json:
    """Classify up to 1,000 texts; results come in the order of the texts."""
    started = time.perf_counter()
    answers = await unless_left(request, parts.answers.answer(body.texts, body.model))
    return Json(
        {
            "results": [_result(said) for said in answers],
            "model_used": _used(parts, answers),
            "fallback_used": any(said.fallback for said in answers),
            "batch_size": len(answers),
            "total_processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        }
    )


@router.post("/analyze", responses=answer(Analysis, "The shares of its posts."))
async def analyze(body: Analyze, request: Request) -> dict[str, Any]:
    """The mood of the newest posts that mention a keyword; kept for an hour.

    An answer that a fallback had a part in is kept for a minute.
    """
    analyst: Analyst = request.app.state.analyst
    request.app.state.hot_words.asked(body.keyword)
    mood = analyst.analyze(body.keyword, body.limit, return_plot=body.return_plot)
    return await unless_left(request, mood)
