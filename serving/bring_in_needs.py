"""What bringing in a model needs, asked before the flow is: a job that cannot end well is refused.

Only what is cheap to know is asked: the flow measures and refuses the rest.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from barometer.errors import InputError, UnavailableError
from barometer.model_source import HUB
from barometer.settings import Settings
from serving.access import LOOPBACK

TRAIN_EXTRA: Final = ("datasets", "optimum", "torch", "transformers")
FILES: Final = ("train.jsonl", "validation.jsonl", "test.jsonl")
TIMEOUT_S: Final = 5.0


def check_needs(settings: Settings, source: str) -> None:
    """Refuse what the flow would fail at: no such model, no training tools, no rows.

    A worker of a Prefect server elsewhere has its own tools, rows and hub, which nobody can look
    at from here.

    Raises:
        InputError: the hub has no model of this name.
        UnavailableError: the `train` extra or the rows are missing, or the hub does not answer.
    """
    if urlsplit(os.environ.get("PREFECT_API_URL", "")).hostname not in LOOPBACK:
        return
    missing = [name for name in TRAIN_EXTRA if find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"bringing in a model needs the train extra ({', '.join(missing)}): "
            "pip install -c requirements.lock -e '.[train]'"
        )
    other = "give a folder's name in BAROMETER_IMPORT_DIR"
    if HUB.fullmatch(source) and not _on_hub("models", source, other):
        raise InputError(f"source: the hub has no model {source!r} that may be read.", "source")
    for task, where in (("EMOTION", settings.emotion_data), ("SENTIMENT", settings.sentiment_data)):
        remedy = f"set BAROMETER_{task}_DATA to a folder with {', '.join(FILES)}"
        folder, name = Path(where), where.partition(":")[0]
        if folder.is_dir():
            lacking = [file for file in FILES if not (folder / file).is_file()]
            if lacking:
                raise UnavailableError(f"{where} holds no {lacking[0]}: {remedy}.")
        elif not HUB.fullmatch(name) or not _on_hub("datasets", name, remedy):
            raise UnavailableError(f"{where!r} is neither a folder nor rows of the hub: {remedy}.")


def _on_hub(kind: str, name: str, remedy: str) -> bool:
    """Whether the hub, or this machine's copy of it, has a model or data set that may be read.

    The variables are those of the hub's own libraries, which the flow reads it with.

    Raises:
        UnavailableError: the hub does not answer.
    """
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    rows = Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets"))
    copies = (cache / f"{kind}--{name.replace('/', '--')}", rows / name.replace("/", "___"))
    if any(copy.is_dir() for copy in copies):
        return True
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise UnavailableError(f"HF_HUB_OFFLINE is set, so {name} cannot be read: {remedy}.")
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            f"{hub}/api/{kind}/{name}", headers=headers, timeout=TIMEOUT_S, follow_redirects=True
        )
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the hub does not answer ({type(error).__name__}), so {name} cannot be read: {remedy}."
        ) from error
    if answer.status_code in (401, 403, 404):  # a stranger is told no difference
        return False
    if answer.is_error:
        raise UnavailableError(f"the hub answered {answer.status_code} about {name}: {remedy}.")
    return True
