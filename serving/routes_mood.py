"""Routes that classify: `/predict`, `/predict/batch`, `/analyze` and what it said before."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from barometer.analyses import history, tidy
from barometer.client.contract import Analysis, AnalysisHistory, Prediction, PredictionBatch
from serving.analysis import Analyst
from serving.answer import Answer
from serving.bodies import Analyze, Predict, PredictBatch, Short
from serving.json_answer import Json
from serving.languages_asked import counted_languages
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


def _result(parts: Parts, said: Answer) -> dict[str, Any]:
    judgement = said.judgement
    return {
        "emotion": judgement.emotion,
        "confidence": judgement.confidence,
        "emotions": judgement.emotions,
        "sentiment": judgement.sentiment,
        "sentiment_confidence": judgement.sentiment_confidence,
        "sentiments": judgement.sentiments,
        "truncated": said.truncated,
        "model_used": ("" if said.fallback else f"{parts.settings.model_name}:")
        + judgement.model_version,
        "fallback_used": said.fallback,
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
            **_result(parts, said),
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
    """Classify up to 1,000 texts; results come in the order of the texts.

    `model_used` names everything that answered, once; each result says what answered it.
    """
    started = time.perf_counter()
    answers = await unless_left(request, parts.answers.answer(body.texts, body.model))
    results = [_result(parts, said) for said in answers]
    return Json(
        {
            "results": results,
            "model_used": ",".join(dict.fromkeys(result["model_used"] for result in results)),
            "fallback_used": any(said.fallback for said in answers),
            "batch_size": len(answers),
            "total_processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        }
    )


@router.post("/analyze", responses=answer(Analysis, "The shares of its posts."))
async def analyze(body: Analyze, request: Request) -> dict[str, Any]:
    """The mood of the newest posts that mention a keyword; kept for an hour.

    An answer that a fallback had a part in is kept for a minute. Posts in other languages than
    those that are counted are stored, and told of by `other_languages`.
    """
    analyst: Analyst = request.app.state.analyst
    request.app.state.hot_words.asked(body.keyword)
    counted = counted_languages(request.app.state.parts, body.languages)
    mood = analyst.analyze(body.keyword, body.limit, counted, return_plot=body.return_plot)
    return await unless_left(request, mood)


@router.get("/analyze/history", responses=answer(AnalysisHistory, "Its analyses."))
def analysis_history(
    keyword: Annotated[Short, Query(examples=["budget"])],
    parts: WithParts,
    hours: Annotated[int, Query(ge=1, le=366 * 24, description="how far back")] = 7 * 24,
    limit: Annotated[int, Query(ge=1, le=500, description="the most that are listed")] = 100,
) -> dict[str, Any]:
    """What was computed of a keyword before, newest first: how its mood moved.

    They are written while the machine is idle: the newest follow after minutes.
    """
    since = datetime.now(UTC) - timedelta(hours=hours)
    return {"keyword": tidy(keyword), "analyses": history(parts.engine, keyword, since, limit)}
