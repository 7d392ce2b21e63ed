"""`barometer drift`: make a report of the live window, keep it, and say what it found."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from barometer.database import ready_engine, writing
from barometer.errors import DataError
from barometer.languages import languages_asked
from barometer.settings import Settings
from barometer.tables import DriftReportRow
from barometer.tracking import CHAMPION, EXPERIMENT, mlflow_client
from inference.registry import fetch, version_of
from monitoring.drift import compare
from monitoring.reports import listed, report_folder
from monitoring.summary import told
from monitoring.window import live_window, validation_reference

KEEP_REPORTS = 50
"""Each page is 4 MB; older ones are in MLflow."""


def report_now(settings: Settings) -> dict[str, Any]:
    """Compare the live window with the champion's validation rows.

    Returns:
        The report as `GET /drift` lists it.

    Raises:
        DataError: the window holds too few posts to say anything.
        NotFoundError: no champion is registered.
    """
    engine = ready_engine(settings)
    languages = languages_asked(None, settings.languages)
    window = live_window(engine, settings.drift_window_h, languages)
    if len(window.table) < settings.drift_min_posts:
        others = told(window.others)
        raise DataError(
            f"the last {settings.drift_window_h:g} h hold {len(window.table)} posts, too few for a "
            f"drift report: BAROMETER_DRIFT_MIN_POSTS asks for {settings.drift_min_posts}."
            + (f" {others}" if others else "")
        )
    champion = version_of(mlflow_client(settings), settings.model_name, CHAMPION)
    reference = validation_reference(fetch(settings, champion))
    now = datetime.now(UTC)
    name = now.strftime("drift-%Y%m%d-%H%M%S-%f")
    page = report_folder(settings) / f"{name}.html"
    drift = compare(window.table, reference, page)
    row = DriftReportRow(
        name=name,
        created_at=now,
        window_start=window.start,
        window_end=window.end,
        posts=len(window.table),
        model_version=window.model_version,
        reference=f"validation rows of version {champion}",
        drifted=drift.drifted,
        columns=drift.columns,
        languages=str(languages),
        other_languages=window.others,
    )
    summary = listed(row)
    # MLflow first: when it is away nothing was listed, and the next try makes no second report.
    _log_to_mlflow(settings, summary, [str(page), str(page.with_suffix(".json"))])
    with Session(writing(engine)) as session, session.begin():
        session.add(row)
    _drop_old(settings, engine)
    return summary


def _log_to_mlflow(settings: Settings, summary: dict[str, Any], files: list[str]) -> None:
    client = mlflow_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(
        experiment.experiment_id, run_name=summary["name"], tags={"kind": "drift"}
    )
    for column, found in summary["columns"].items():
        client.log_metric(run.info.run_id, f"drift.{column}", found["score"])
    client.log_metric(run.info.run_id, "drift.drifted", float(summary["drifted"]))
    for file in files:
        client.log_artifact(run.info.run_id, file, "drift")
    client.set_terminated(run.info.run_id)


def _drop_old(settings: Settings, engine: Engine) -> None:
    newest = select(DriftReportRow).order_by(DriftReportRow.created_at.desc())
    with Session(writing(engine)) as session, session.begin():
        for row in session.scalars(newest.offset(KEEP_REPORTS)):
            for suffix in (".html", ".json"):
                (report_folder(settings) / f"{row.name}{suffix}").unlink(missing_ok=True)
            session.delete(row)
