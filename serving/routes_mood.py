"""Routes that classify: `/predict`, `/predict/batch`, `/analyze`."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from barometer.errors import NotFoundError
from barometer.posts import Judgement
from inference.registry import LoadedModel
from serving.analysis import Analyst
from serving.bodies import Analyze, Predict, PredictBatch
from serving.judge import judge
from serving.parts import Parts

router = APIRouter(tags=["mood"])


def parts_of(request: Request) -> Parts:
    """The parts of the app that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


WithParts = Annotated[Parts, Depends(parts_of)]


def _model(parts: Parts, wanted: str | None) -> LoadedModel:
    if wanted in (None, "champion", parts.model.version):
        return parts.model
    raise NotFoundError(
        f"model: {wanted!r} is not loaded; leave it out, or use 'champion' or "
        f"{parts.model.version!r}."
    )


def _answer(judgement: Judgement) -> dict[str, Any]:
    return {
        "emotion": judgement.emotion,
        "confidence": judgement.confidence,
        "emotions": judgement.emotions,
        "sentiment": judgement.sentiment,
        "sentiment_confidence": judgement.sentiment_confidence,
        "sentiments": judgement.sentiments,
    }


@router.post("/predict")
async def predict(body: Predict, parts: WithParts) -> dict[str, Any]:
    """Classify one text."""
    started = time.perf_counter()
    model = _model(parts, body.model)
    [judgement] = await run_in_threadpool(judge, model, [body.text])
    return {
        **_answer(judgement),
        "model_used": f"{parts.settings.model_name}:{model.version}",
        "fallback_used": False,
        "processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        "timestamp": datetime.now(UTC).isoformat(),
    }


@router.post("/predict/batch")
async def predict_batch(body: PredictBatch, parts: WithParts) -> dict[str, Any]:
    """Classify up to 1,000 texts; results come in the order of the texts."""
    started = time.perf_counter()
    model = _model(parts, body.model)
    judgements = await run_in_threadpool(judge, model, body.texts)
    return {
        "results": [_answer(judgement) for judgement in judgements],
        "model_used": f"{parts.settings.model_name}:{model.version}",
        "batch_size": len(judgements),
        "total_processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
    }


@router.post("/analyze")
async def analyze(body: Analyze, request: Request) -> dict[str, Any]:
    """The mood of the newest posts that mention a keyword; kept for an hour."""
    analyst: Analyst = request.app.state.analyst
    return await analyst.analyze(body.keyword, body.limit, return_plot=body.return_plot)
