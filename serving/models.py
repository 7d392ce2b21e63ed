"""The models that this process answers with, and which of them a text goes to."""

import asyncio
import re
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from barometer.errors import ModelError, NotFoundError, UnavailableError
from barometer.tracking import CHAMPION
from inference.registry import LoadedModel
from serving.memory import give_back
from serving.told import without_folders
from serving.trial import Trial

log = structlog.get_logger()
MOST_EXTRA: Final = 1
"""Versions kept besides champion and challenger: each takes up to 100 MB once it has answered."""
ALERTS: Final = 20
VERSION: Final = re.compile("[1-9][0-9]{0,8}")
"""A version as the registry writes it: `01` is none, and its column holds no longer number."""


@dataclass(frozen=True)
class Lineup:
    """Who answers at one moment; exchanged whole, so that a request sees one state."""

    champion: LoadedModel
    trial: Trial | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The registry's aliases and the versions that they name."""


@dataclass
class Traffic:
    """What one version was asked in this process."""

    requests: int = 0
    texts: int = 0


class Models:
    """The champion beside whatever else is loaded; readers hold what they picked until done."""

    def __init__(
        self,
        champion: LoadedModel,
        note: str = "",
        load: Callable[[str], LoadedModel] | None = None,
    ) -> None:
        """Begin with a champion that is loaded.

        Args:
            champion: what answers unless a request names another.
            note: why the champion is not the registry's; empty where it is.
            load: brings another version when a request names it; None: none is brought.
        """
        self.lineup = Lineup(champion)
        self.note = without_folders(note)
        self.refused: dict[str, str] = {}
        """Versions whose files are not what was registered, and why, as callers are told; they are
        not tried again."""
        self.alerts: deque[dict[str, str]] = deque(maxlen=ALERTS)
        self.traffic: defaultdict[str, Traffic] = defaultdict(Traffic)
        self._load = load
        self._extra: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()
        self._loader = ThreadPoolExecutor(1, "load-model")

    @property
    def champion(self) -> LoadedModel:
        """What answers unless a request names another."""
        return self.lineup.champion

    async def pick_for_traffic(
        self, wanted: str | LoadedModel | None, texts: Sequence[str]
    ) -> list[LoadedModel]:
        """The model for each text of a request: counted, and compared where one is on trial.

        Raises:
            NotFoundError: no such model is registered.
            UnavailableError: it cannot be loaded.
        """
        trial = self.lineup.trial
        picked = await self.pick_uncounted(wanted, texts)
        if wanted is None and trial:
            for text in texts:
                trial.compare_soon(text)
        for model in picked:
            self.traffic[model.version].texts += 1
        for version in {model.version for model in picked}:
            self.traffic[version].requests += 1
        return picked

    async def pick_uncounted(
        self, wanted: str | LoadedModel | None, texts: Sequence[str]
    ) -> list[LoadedModel]:
        """The model that a request's texts get: the one that is `wanted`, else by traffic.

        It is wanted by alias or version, or held by the caller already. A registered version that
        is not loaded yet is loaded first, off the event loop.

        Raises:
            NotFoundError: no such model is registered.
            UnavailableError: it cannot be loaded.
        """
        lineup = self.lineup
        if wanted is None:
            return [_by_traffic(lineup, text) for text in texts]
        if isinstance(wanted, LoadedModel):
            return [wanted] * len(texts)
        model = self._found(lineup, wanted)
        if model is None:
            version = self._version(lineup, wanted)
            model = await asyncio.wrap_future(self._loader.submit(self._bring, version))
        return [model] * len(texts)

    def stand_in(self, failed: LoadedModel) -> LoadedModel | None:
        """Who answers in place of a canary that failed, which counts against it; else None."""
        trial = self.lineup.trial
        if trial is None or failed is not trial.challenger:
            return None
        trial.failed()
        return trial.champion

    def loaded(self, version: str) -> LoadedModel | None:
        """A version that this process holds."""
        return self._found(self.lineup, version)

    def alert(self, message: str) -> dict[str, Any]:
        """Keep an alert for those who ask, log it, and return it as live clients get it."""
        entry = {"time": datetime.now(UTC).isoformat(), "message": without_folders(message)}
        self.alerts.append(entry)
        log.error("model alert", reason=message)
        return {"type": "alert", "kind": "model", **entry}

    def _version(self, lineup: Lineup, wanted: str) -> str:
        if wanted in lineup.aliases:
            return lineup.aliases[wanted]
        if VERSION.fullmatch(wanted):
            return wanted
        known = ", ".join(sorted({CHAMPION, *lineup.aliases}))
        raise NotFoundError(
            f"model: {wanted[:40]!r} is no alias that is set ({known}) and no version; GET /models "
            "lists them."
        )

    def _found(self, lineup: Lineup, wanted: str) -> LoadedModel | None:
        if wanted in (CHAMPION, lineup.champion.version):
            return lineup.champion
        version = lineup.aliases.get(wanted, wanted)
        trial = lineup.trial
        if trial and version == trial.challenger.version:
            return trial.challenger
        with self._lock:
            if version in self._extra:
                self._extra.move_to_end(version)
            return self._extra.get(version)

    def _bring(self, version: str) -> LoadedModel:
        """Load a version for those who name it; the one that was asked least lately goes."""
        found = self.loaded(version)  # loaded while this one waited
        if found is not None:
            return found
        if self._load is None:
            raise NotFoundError(f"model: {version!r} is not loaded, and no registry is in use.")
        if version in self.refused:
            raise UnavailableError(f"model: version {version} is refused: {self.refused[version]}")
        try:
            model = self._load(version)
        except ModelError as error:
            self.refused[version] = without_folders(str(error))
            log.warning("a version is refused", version=version, reason=str(error))
            raise UnavailableError(f"model: version {version} is refused: {error}") from error
        with self._lock:
            self._extra[version] = model
            while len(self._extra) > MOST_EXTRA:
                self._extra.popitem(last=False)
        give_back()
        return model


def _by_traffic(lineup: Lineup, text: str) -> LoadedModel:
    trial = lineup.trial
    return trial.challenger if trial and trial.answers(text) else lineup.champion
