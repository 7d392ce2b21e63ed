"""The flows as `barometer up` deploys them: a real Prefect server, a real worker."""

import json
from typing import Any

import httpx
import pytest

from tests.machine import Machine, eventually


def prefect(machine: Machine, path: str, body: dict | None = None) -> list[dict]:
    response = httpx.post(f"{machine.prefect}/api{path}", json=body or {}, timeout=30)
    answer: list[dict] = response.raise_for_status().json()
    return answer


def runs(machine: Machine, flow: str) -> list[dict]:
    return prefect(machine, "/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})


def begin(machine: Machine, deployment: dict, parameters: dict | None = None) -> None:
    """Have a flow run now, once; Prefect is asked again while its database is busy (503)."""
    address = f"{machine.prefect}/api/deployments/{deployment['id']}/create_flow_run"
    wanted = {"parameters": parameters or {}, "idempotency_key": f"test {deployment['name']}"}
    eventually(
        lambda: httpx.post(address, json=wanted, timeout=30).raise_for_status(),
        "Prefect takes no run", 120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def deployed(machine: Machine) -> dict[str, dict]:
    def deployments() -> dict[str, dict]:
        return {item["name"]: item for item in prefect(machine, "/deployments/filter")}

    return eventually(lambda: len(d := deployments()) >= 7 and d, "flows are not deployed", 240)


@pytest.fixture(scope="module")
def analysis(machine: Machine, deployed: dict[str, dict]) -> dict[str, Any]:
    """An answer that the sync flow is told to write, while the other tests wait for their flows."""
    answer: dict[str, Any] = machine.post("/analyze", {"keyword": "cats of the sync", "limit": 3})
    begin(machine, deployed["recover"], {"now": True})
    return answer


@pytest.fixture(scope="module", autouse=True)
def _recheck(machine: Machine, deployed: dict[str, dict]) -> None:
    """A run of the daily check, which nobody waits a day for."""
    begin(machine, deployed["recheck"])


@pytest.mark.usefixtures("analysis")
def test_flows_are_deployed_on_a_schedule(deployed: dict[str, dict]) -> None:
    found = dict(deployed)
    assert set(found) == {
        "ingest", "collect", "watch", "bring_in", "sync", "recover", "recheck",
    }  # fmt: skip
    assert {deployment["work_pool_name"] for deployment in found.values()} == {"barometer"}
    assert found.pop("bring_in")["schedules"] == []  # it runs when `POST /models` asks
    for deployment in found.values():
        assert deployment["schedules"][0]["active"]


def test_worker_runs_the_ingest_flow(machine: Machine) -> None:
    eventually(
        lambda: any(run["state_type"] == "COMPLETED" for run in runs(machine, "ingest")),
        "no ingest run has completed", 120,
    )  # fmt: skip


def test_scheduled_flow_brings_real_news_of_the_tracked_topic(machine: Machine) -> None:
    slug = "artificial-intelligence"
    posts = eventually(
        lambda: machine.get(f"/events/{slug}/posts")["posts"], "no story was stored", 120
    )
    assert {post["source"] for post in posts} == {"rss"}
    assert any("lost cats" in post["text"] for post in posts)
    states = {item["name"]: item for item in machine.get("/sources")["sources"]}
    assert states["rss"]["state"] == "ready"
    assert states["rss"]["posts"] >= 2


def test_keyword_is_asked_of_the_news_while_the_caller_waits(machine: Machine) -> None:
    answer = machine.post("/analyze", {"keyword": "artificial intelligence", "limit": 10})
    assert answer["count"] == 2
    assert {line["source"]: line["error"] for line in answer["searched"]} == {
        "stored": None, "rss": None,
    }  # fmt: skip


def test_watch_flow_leaves_a_drift_report_on_the_service(machine: Machine) -> None:
    [report, *_] = eventually(lambda: machine.get("/drift")["reports"], "no drift report", 120)
    assert set(report["columns"]) == {
        "emotion", "sentiment", "confidence", "sentiment_score", "length",
    }  # fmt: skip
    assert report["posts"] >= 100
    assert report["reference"] == "validation rows of version 1"
    page = machine.http.get(report["url"])
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe-inline" in page.headers["content-security-policy"]
    assert len(page.content) > 1_000_000

    def summary() -> bool:  # the flow writes it once the report is kept
        artifacts = [a for a in prefect(machine, "/artifacts/filter") if a["key"] == "drift"]
        return any(report["url"] in str(artifact["data"]) for artifact in artifacts)

    eventually(summary, "Prefect shows no summary of the report", 60)


def test_starter_is_the_champion_in_mlflow(machine: Machine) -> None:
    def champion() -> dict:
        response = httpx.get(
            f"{machine.mlflow}/api/2.0/mlflow/registered-models/alias",
            params={"name": "barometer", "alias": "champion"},
            timeout=30,
        )
        version: dict = response.raise_for_status().json()["model_version"]
        return version

    version = eventually(champion, "MLflow does not answer", 120)
    assert version["version"] == "1"
    run = httpx.get(
        f"{machine.mlflow}/api/2.0/mlflow/runs/get", params={"run_id": version["run_id"]}
    ).json()["run"]
    metrics = {item["key"]: item["value"] for item in run["data"]["metrics"]}
    assert metrics["validation.emotion.accuracy"] >= 0.925
    assert machine.get("/status")["parts"]["model"]["detail"] == "barometer version 1"


def test_sync_flow_puts_an_answer_into_its_history(
    machine: Machine, analysis: dict[str, Any]
) -> None:
    path = "/analyze/history?keyword=cats+of+the+sync"
    [written] = eventually(lambda: machine.get(path)["analyses"], "nothing is written", 120)
    assert written["agg"] == analysis["agg"]

    def artifacts() -> list[dict]:
        return [item for item in prefect(machine, "/artifacts/filter") if item["key"] == "sync"]

    [table, *_] = eventually(artifacts, "the flow left no table")
    assert {"what": "missing", "value": 0} in json.loads(table["data"])


def test_daily_check_of_reddit_needs_nothing_where_nothing_of_it_is_stored(
    machine: Machine,
) -> None:
    def ended() -> dict | None:
        return next((run for run in runs(machine, "recheck") if run["end_time"]), None)

    run = eventually(ended, "the recheck flow has not ended", 120)
    assert (run["state_type"], run["state"]["message"]) == ("COMPLETED", "0 of 0 are gone")
