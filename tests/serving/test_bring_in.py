"""`POST /models` through a real Prefect server and worker: a foreign classifier is registered."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from barometer.client import Client
from barometer.client.contract import ModelJobProgress
from barometer.errors import NotFoundError
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


@pytest.fixture
def client(machine: Machine) -> Iterator[Client]:
    with Client(machine.url) as opened:
        yield opened


def finished(client: Client, source: str, labels: dict[str, str | None]) -> ModelJobProgress:
    taken = client.bring_in(source, labels)
    assert taken.url == f"/models/jobs/{taken.job}"

    def job() -> ModelJobProgress | None:
        told = client.job(taken.job)
        return told if told.state in ("completed", "failed", "crashed") else None

    done = eventually(job, f"{source} was not brought in", 300)
    assert done is not None
    assert (done.job, done.source) == (taken.job, source)
    return done


@pytest.mark.usefixtures("imports")
def test_foreign_classifier_becomes_a_version_that_answers(
    machine: Machine, client: Client
) -> None:
    deployed = f"{machine.prefect}/api/deployments/name/bring_in/bring_in"
    eventually(lambda: httpx.get(deployed).is_success, "the flow is not deployed", 240)
    done = finished(client, "foreign", MAP)
    assert done.state == "completed", done
    assert done.progress == 100
    assert done.detail is not None
    version = done.detail.split()[1]
    model = client.model(version)
    assert model.stage == "staging"
    assert "challenger" in model.aliases
    assert "FINE: neutral" in model.card
    answer = client.predict("we feel so great today", model=version)
    assert answer.model_used == f"barometer:{version}"
    assert (answer.sentiment, answer.emotion) == ("positive", None)
    assert client.predict("so great").model_used == "barometer:1"


@pytest.mark.usefixtures("imports")
def test_unfinished_model_fails_with_its_reason(client: Client) -> None:
    failed = finished(client, "unfinished", {"LABEL_0": "joy", "LABEL_1": None})
    assert failed.state == "failed"
    assert "is no finished classifier" in (failed.detail or "")


def test_unknown_job_is_not_found(client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.job(str(uuid4()))
