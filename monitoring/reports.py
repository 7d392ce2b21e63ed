"""Drift reports that were made: the newest ones, and their pages."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from barometer.errors import NotFoundError
from barometer.settings import Settings
from barometer.tables import DriftReportRow
from monitoring.columns import left_out

NEWEST = 50


def report_folder(settings: Settings) -> Path:
    """Where reports lie."""
    return settings.state / "drift"


def latest_reports(engine: Engine) -> list[dict[str, Any]]:
    """The newest reports, newest first, as the API shows them."""
    newest = select(DriftReportRow).order_by(DriftReportRow.created_at.desc()).limit(NEWEST)
    with Session(engine) as session:
        return [listed(row) for row in session.scalars(newest)]


def listed(row: DriftReportRow) -> dict[str, Any]:
    """A report as the API shows it."""
    return {
        "name": row.name,
        "created_at": row.created_at,
        "window_start": row.window_start,
        "window_end": row.window_end,
        "posts": row.posts,
        "model_version": row.model_version,
        "reference": row.reference,
        "drifted": row.drifted,
        "columns": row.columns,
        "left_out": left_out(row.columns),
        "languages": row.languages,
        "other_languages": row.other_languages,
        "url": f"/drift/{row.name}",
    }


def report_file(settings: Settings, engine: Engine, name: str) -> Path:
    """The HTML page of a report.

    Raises:
        NotFoundError: there is no such report, or its file was removed.
    """
    with Session(engine) as session:
        row = session.scalar(select(DriftReportRow).where(DriftReportRow.name == name))
    # The path is made from the stored name, never from the caller's.
    file = report_folder(settings) / f"{row.name}.html" if row else None
    if file is None or not file.is_file():
        raise NotFoundError(f"name: there is no drift report {name!r}; GET /drift lists them.")
    return file
