"""`POST /models` through a real Prefect server and worker: a foreign classifier is registered."""

from uuid import uuid4

import httpx
import pytest

from tests.machine import Machine, eventually
from tests.training.tiny_models import write_classifier, write_encoder

MAP = {"GREAT": "positive", "AWFUL": "negative", "FINE": "neutral"}


@pytest.fixture(scope="module")
def imports(machine: Machine) -> None:
    """A tiny classifier, and an encoder without a head, in the machine's import folder."""
    folder = machine.state / "imports"
    folder.mkdir()
    for name in ("unfinished", "foreign"):
        (folder / name).mkdir()
    write_encoder(folder / "unfinished")
    write_classifier(folder / "foreign", folder / "unfinished", machine.state.parent / "rows")


def finished(machine: Machine, source: str, labels: dict[str, str]) -> dict:
    response = machine.http.post("/models", json={"source": source, "labels": labels})
    assert response.status_code == 202, response.text
    url = response.json()["url"]

    def job() -> dict:
        answer: dict = machine.get(url)
        return answer if answer["state"] in ("completed", "failed", "crashed") else {}

    return eventually(job, f"{source} was not brought in", 300)


@pytest.mark.usefixtures("imports")
def test_foreign_classifier_becomes_a_version_that_answers(machine: Machine) -> None:
    deployed = f"{machine.prefect}/api/deployments/name/bring_in/bring_in"
    eventually(lambda: httpx.get(deployed).is_success, "the flow is not deployed", 240)
    done = finished(machine, "foreign", MAP)
    assert done["state"] == "completed", done
    assert done["progress"] == 100
    version = done["detail"].split()[1]
    model = machine.get(f"/models/{version}")
    assert model["stage"] == "staging"
    assert "challenger" in model["aliases"]
    assert "FINE: neutral" in model["card"]
    body = {"text": "we feel so great today", "model": version}
    answer = machine.post("/predict", body)
    assert answer["model_used"] == f"barometer:{version}"
    assert (answer["sentiment"], answer["emotion"]) == ("positive", None)
    assert machine.post("/predict", {"text": "so great"})["model_used"] == "barometer:1"


@pytest.mark.usefixtures("imports")
def test_unfinished_model_fails_with_its_reason(machine: Machine) -> None:
    failed = finished(machine, "unfinished", {"LABEL_0": "joy", "LABEL_1": None})
    assert failed["state"] == "failed"
    assert "is no finished classifier" in failed["detail"]


def test_unknown_job_is_not_found(machine: Machine) -> None:
    assert machine.http.get(f"/models/jobs/{uuid4()}").status_code == 404
