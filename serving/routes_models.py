"""Routes about the models: what is registered and how it fares, what to bring in, promotion."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import AfterValidator, Field, StrictStr
from starlette.concurrency import run_in_threadpool

from barometer.client.contract import ModelDetails, ModelJob, ModelJobProgress, ModelList, Promoted
from barometer.errors import NotFoundError, UnavailableError
from barometer.labels import LABELS
from barometer.model_source import find_source
from inference.promotion import promote_canary
from inference.registry import Version, versions
from serving import bring_in
from serving.bodies import Body
from serving.bring_in_needs import check_needs
from serving.models import Traffic
from serving.openapi import answer
from serving.parts import Parts
from serving.routes_mood import WithParts
from serving.told import without_folders

router = APIRouter(tags=["models"])
Wanted = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="a version or an alias")
]


def _ours(labels: dict[str, str | None]) -> dict[str, str | None]:
    for name, own in labels.items():
        if own is not None and own not in LABELS:
            raise ValueError(f"{own[:40]!r} (for {name[:40]!r}) is none of {', '.join(LABELS)}")
    if not any(labels.values()):
        raise ValueError(f"maps no label to one of {', '.join(LABELS)}")
    return labels


class BringIn(Body):
    """A finished classifier with labels of its own."""

    source: StrictStr = Field(
        max_length=200,
        description="a hub name, owner/name, or a folder's name in BAROMETER_IMPORT_DIR",
        examples=["owner/name"],
    )
    labels: Annotated[
        dict[StrictStr, StrictStr | None],
        Field(min_length=1, max_length=200, description="each of its labels: ours, or null"),
        AfterValidator(_ours),
    ]


@router.get("/models", responses=answer(ModelList, "Versions, and what answers."))
def list_models(parts: WithParts) -> dict[str, Any]:
    """Every registered version with its figures, and what this process answers with.

    Traffic, speed and the trial's figures are this process's own, since it started.
    """
    models = parts.models
    lineup, fault = models.lineup, None
    try:
        listed = versions(parts.settings)
    except UnavailableError as error:  # what answers is known without it
        listed, fault = [], without_folders(str(error))
    trial = lineup.trial
    return {
        "name": parts.settings.model_name,
        "champion": lineup.champion.version,
        "note": models.note or None,
        "registry_fault": fault,
        "trial": None
        if trial is None
        else {
            "version": trial.challenger.version,
            "against": trial.champion.version,
            "stage": trial.stage,
            "share": trial.share,
            **trial.comparison.figures(),
        },
        "alerts": list(models.alerts),
        "models": [_version_json(parts, version) for version in listed],
    }


@router.get("/models/jobs/{job}", responses=answer(ModelJobProgress, "How far it is."))
async def job_progress(job: UUID) -> dict[str, Any]:
    """How far a model that is brought in has come."""
    return await bring_in.progress(str(job))


@router.get("/models/{version}", responses=answer(ModelDetails, "The version."))
def one_model(version: Wanted, parts: WithParts) -> dict[str, Any]:
    """One registered version, with its model card."""
    found = _registered(parts, version)
    return {**_version_json(parts, found), "card": found.card}


@router.post(
    "/models", status_code=202, responses=answer(ModelJob, "It is under way.", 404, status=202)
)
async def bring_model_in(body: BringIn, parts: WithParts) -> dict[str, Any]:
    """Export, measure and register a classifier, in a flow; it becomes the challenger."""
    await run_in_threadpool(find_source, parts.settings, body.source)
    await run_in_threadpool(check_needs, parts.settings, body.source)
    job = await bring_in.start(body.source, body.labels)
    return {"job": job, "url": f"/models/jobs/{job}"}


@router.post("/models/{version}/promote", responses=answer(Promoted, "It is champion.", 409))
def promote_model(version: Wanted, parts: WithParts) -> dict[str, Any]:
    """Make a canary the champion; only one that passed the gate against today's champion."""
    chosen = _registered(parts, version).version
    previous = promote_canary(parts.settings, chosen)
    parts.watch.wake()
    return {"champion": chosen, "previous": previous}


def _registered(parts: Parts, wanted: str) -> Version:
    for version in versions(parts.settings):
        if wanted == version.version or wanted in version.aliases:
            return version
    raise NotFoundError(f"version {wanted!r} is not registered; GET /models lists those that are.")


def _version_json(parts: Parts, version: Version) -> dict[str, Any]:
    models = parts.models
    loaded = models.loaded(version.version)
    traffic = models.traffic.get(version.version, Traffic())
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "stage": version.stage,
        "created_at": version.created_at.isoformat(),
        "metrics": version.metrics,
        "gate": version.tags.get("gate"),
        "gate_against": version.tags.get("gate_against"),
        "rolled_back": version.tags.get("canary_rolled_back"),
        "refused": models.refused.get(version.version),
        "bytes": int(version.tags["bytes"]) if "bytes" in version.tags else None,
        "loaded": loaded is not None,
        "texts_per_s": round(loaded.texts_per_s, 1) if loaded and loaded.texts_per_s else None,
        "traffic": {"requests": traffic.requests, "texts": traffic.texts},
    }
