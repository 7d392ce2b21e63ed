"""A real registry with versions of the starter that answer otherwise, or fail, on purpose.

1 the starter, champion; 2 the same, less sure; 3 without joy and positive; 4 fails on long texts;
5 its stored files are damaged after registration.
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from redis import Redis

from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client
from tests.conftest import STARTER
from tests.training.gate_models import copy_starter, lose_class
from training.register import register

T = TypeVar("T")
NAME = "barometer"
LESS_SURE = 3.0
"""Temperatures are so many times higher: no label changes, every confidence does."""
LONG = "the night bus " * 400
"""More tokens than the graph has positions."""


def fill_registry(state: Path) -> Settings:
    """Register all five versions in a store of their own."""
    settings = Settings(state_dir=state, news_search_url="off")
    assert register(settings, STARTER, CHAMPION) == "1"
    register(settings, less_sure(state.parent / "less-sure"))
    odd = copy_starter(state.parent / "odd")
    register(settings, lose_class(lose_class(odd, "joy"), "positive"))
    register(settings, takes_too_much(state.parent / "long"))
    register(settings, less_sure(state.parent / "damaged", 2.0))
    damage(settings, "5")
    mlflow_client(settings).set_registered_model_alias(NAME, CHALLENGER, "2")
    return settings


def less_sure(target: Path, times: float = LESS_SURE) -> Path:
    """The starter with higher temperatures."""
    config = _config(target)
    for task in config["barometer"]["temperatures"]:
        config["barometer"]["temperatures"][task] *= times
    (target / "config.json").write_text(json.dumps(config))
    return target


def takes_too_much(target: Path) -> Path:
    """The starter, truncating no text that is longer than its graph can read."""
    config = _config(target)
    config["barometer"]["max_tokens"] = 5_000
    (target / "config.json").write_text(json.dumps(config))
    return target


def damage(settings: Settings, version: str) -> None:
    """Cut the version's graph short where the store keeps it."""
    client = mlflow_client(settings)
    place = client.get_model_version_download_uri(settings.model_name, version)
    [graph] = Path(unquote(urlsplit(place).path)).rglob("model.onnx")
    graph.write_bytes(graph.read_bytes()[:1_000_000])


def copy_of(settings: Settings, state: Path) -> Settings:
    """The same registry in another state folder, to be changed at will; files are shared."""
    state.mkdir(parents=True)
    shutil.copy(settings.state / "mlflow.db", state / "mlflow.db")
    return settings.model_copy(update={"state_dir": state})


def name_champion(client: MlflowClient, version: str) -> None:
    """Point the alias at `version`."""
    client.set_registered_model_alias(NAME, CHAMPION, version)


def pass_gate(client: MlflowClient, version: str, against: str = "1") -> None:
    """Mark `version` as the gate marks what it has passed."""
    client.set_model_version_tag(NAME, version, "gate", "pass")
    client.set_model_version_tag(NAME, version, "gate_against", against)


def told(redis: Redis, look: Callable[[], None]) -> list[dict[str, Any]]:
    """What live clients hear while `look` runs."""
    with redis.pubsub() as channel:
        channel.subscribe("barometer:live")
        channel.get_message(timeout=5)
        look()
        messages = iter(lambda: channel.get_message(timeout=0.5), None)
        return [json.loads(message["data"]) for message in messages]


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`."""
    return asyncio.run(work)


def _config(target: Path) -> dict:
    copy_starter(target)
    content: dict = json.loads((target / "config.json").read_text())
    return content
