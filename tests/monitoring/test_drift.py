from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine

from barometer.database import database_url, engine_for, migrate
from barometer.errors import DataError, NotFoundError
from barometer.languages import languages_asked
from barometer.settings import Settings
from barometer.store import store
from barometer.tracking import EXPERIMENT, mlflow_client
from inference.registry import LoadedModel
from monitoring.columns import COLUMNS
from monitoring.command import report_now
from monitoring.drift import compare
from monitoring.reports import latest_reports, report_file
from monitoring.summary import as_markdown
from monitoring.window import live_window, validation_reference
from serving.judge import judge
from tests.conftest import STARTER, judgement, post
from training.register import ensure_champion


def test_two_halves_of_the_same_rows_do_not_drift_and_a_shift_does(tmp_path: Path) -> None:
    reference = validation_reference(STARTER)
    order = np.random.default_rng(1).permutation(len(reference))
    half, other = reference.iloc[order[::2]], reference.iloc[order[1::2]]
    calm = compare(half, other, tmp_path / "calm.html")
    assert not calm.drifted
    assert not any(column["drifted"] for column in calm.columns.values())
    angry = other.assign(
        emotion="anger", sentiment="negative", sentiment_score=-0.9, confidence=other.confidence / 2
    )
    shifted = compare(angry, half, tmp_path / "shifted.html")
    assert shifted.drifted
    assert shifted.columns["emotion"]["drifted"]
    assert not shifted.columns["length"]["drifted"]
    assert set(shifted.columns) == set(COLUMNS)
    assert (tmp_path / "shifted.html").stat().st_size > 1_000_000
    assert (tmp_path / "shifted.json").exists()


def test_window_speaks_with_one_model_version_only(engine: Engine) -> None:
    now = datetime.now(UTC)
    older = judgement("fear").model_copy(update={"model_version": "6"})
    store(
        engine,
        [
            (post(1, created_at=now - timedelta(minutes=9)), older),
            (post(2, created_at=now - timedelta(minutes=1)), judgement("joy")),
            (post(3, created_at=now - timedelta(hours=9)), judgement("anger")),
        ],
    )
    window = live_window(engine, hours=6)
    assert window.model_version == "7"
    assert window.table.emotion.tolist() == ["joy"]
    foreign = post(4, "ein Bild", language="de", created_at=now - timedelta(minutes=2))
    store(engine, [(foreign, judgement("anger"))])
    read = languages_asked(None, ["en"])
    assert live_window(engine, 6, read).table.emotion.tolist() == ["joy"]
    assert live_window(engine, 6, read).others == {"de": 1}
    assert live_window(engine, 6).table.emotion.tolist() == ["joy", "anger"]
    assert live_window(engine, 6).others == {}
    assert list(window.table) == list(pd.Index(["emotion", "sentiment", *COLUMNS[2:]]))


def test_report_is_kept_listed_and_logged(settings: Settings, model: LoadedModel) -> None:
    migrate(database_url(settings))
    engine = engine_for(database_url(settings))
    with pytest.raises(DataError, match="BAROMETER_DRIFT_MIN_POSTS"):
        report_now(settings)
    now = datetime.now(UTC)
    texts = [f"i am angry about train {number}" for number in range(120)]
    posts = [post(n, text, created_at=now - timedelta(seconds=n)) for n, text in enumerate(texts)]
    store(engine, list(zip(posts, judge(model, texts), strict=True)))
    foreign = post("de", "der Zug", language="de", created_at=now)
    store(engine, [(foreign, judgement())])
    with pytest.raises(NotFoundError, match="champion"):
        report_now(settings)
    ensure_champion(settings, STARTER)
    summary = report_now(settings)
    assert summary["drifted"]
    assert summary["posts"] == 120
    assert (summary["languages"], summary["other_languages"]) == ("en", {"de": 1})
    assert "in other languages: de 1." in as_markdown(summary, 1)
    [listed] = latest_reports(engine)
    assert (listed["name"], listed["other_languages"]) == (summary["name"], {"de": 1})
    assert listed == summary
    assert report_file(settings, engine, summary["name"]).stat().st_size > 1_000_000
    with pytest.raises(NotFoundError):
        report_file(settings, engine, "../mlflow")
    client = mlflow_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    [run] = client.search_runs([experiment.experiment_id], "tags.kind = 'drift'")
    assert run.data.metrics["drift.drifted"] == 1
    assert len(client.list_artifacts(run.info.run_id, "drift")) == 2
