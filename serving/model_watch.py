"""Follow the registry: the champion is exchanged, the challenger put on trial and taken back."""

import threading
from collections.abc import Mapping
from dataclasses import replace

import structlog
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from redis import Redis
from redis.exceptions import RedisError

from barometer.errors import BarometerError, ModelError, NotFoundError, UnavailableError
from barometer.live import announce
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client
from inference.registry import LoadedModel, load, model_version
from inference.stages import CANARY, SHADOW, STAGE_TAG, withdraw
from serving.canary import Bounds
from serving.memory import give_back
from serving.models import Lineup, Models
from serving.told import without_folders
from serving.trial import Trial

log = structlog.get_logger()


class ModelWatch:
    """Looks at the registry every few seconds, in a thread of its own: MLflow's client blocks."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        redis: Redis | None,
        *,
        bounds: Bounds | None = None,
    ) -> None:
        """Follow into `models`.

        Args:
            settings: the registry, how often to look, the canary's share.
            models: what is kept up to date.
            redis: where live clients are told; None: nobody is told, and no challenger is tried, as
                for a scorer, which stores what the champion says.
            bounds: what a canary must keep; default: `Bounds` with the setting's agreement.
        """
        self._settings = settings
        self._models = models
        self._redis = redis
        self._bounds = bounds or Bounds(agreement=settings.canary_min_agreement)
        self._outage = ""
        self._told: dict[str, tuple[str, str]] = {}
        self._worse: dict[str, str] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="model-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more; a look under way may go on, nobody waits for it."""
        self._stop.set()
        self._wake.set()
        self._end_trial()

    def wake(self) -> None:
        """Look at once: the registry has just been changed."""
        self._wake.set()

    def look(self) -> None:
        """Look once: take back a canary that is worse, then follow the aliases."""
        give_back()  # of a dropped model, whose readers are done by now, and of large batches
        self._judge()
        try:
            client = mlflow_client(self._settings)
            self._write_rollbacks(client)
            aliases = self._aliases(client)
            self._follow_champion(aliases)
            self._models.lineup = replace(self._models.lineup, aliases=aliases)
            if self._redis is not None:
                self._follow_challenger(client, aliases)
        except (BarometerError, MlflowException) as error:
            if not self._outage:  # once an outage, not every few seconds
                self._outage = str(error)
                log.warning("the model registry is away; the models stay", reason=str(error))
            return
        if self._outage:
            log.info("the model registry is back")
        self._outage = ""

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # a watch that died would follow nothing
                log.exception("the model watch failed once")
            self._wake.wait(self._settings.model_poll_s)
            self._wake.clear()

    def _aliases(self, client: MlflowClient) -> dict[str, str]:
        try:
            found = client.get_registered_model(self._settings.model_name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: str(version) for alias, version in found.items()}

    def _follow_champion(self, aliases: Mapping[str, str]) -> None:
        models, wanted = self._models, aliases.get(CHAMPION)
        current = models.champion.version
        if wanted == current:
            models.note = ""
            self._told.pop(CHAMPION, None)
        if wanted in (None, current):
            return
        model = self._load(wanted, CHAMPION)
        if model is None:
            return
        self._end_trial()
        models.lineup = Lineup(model, aliases=aliases)
        models.note = ""
        log.info("the champion was exchanged", version=wanted, previous=current)
        self._tell({"type": "model", "model_version": wanted, "previous": current})

    def _load(self, version: str, role: str) -> LoadedModel | None:
        """A version, loaded and checked; None where it cannot be, which is told once."""
        models = self._models
        stays = f"version {models.champion.version} goes on answering"
        try:
            model = models.loaded(version) or self._fetched(version)
        except ModelError as error:
            models.refused[version] = without_folders(str(error))
            message, kind = f"{role} version {version} is refused, {stays}: {error}", "refused"
        except (NotFoundError, UnavailableError) as error:
            message, kind = f"{role} version {version} is not to be had, {stays}: {error}", "away"
        else:
            self._told.pop(role, None)
            return model
        if self._told.get(role) != (version, kind):
            self._told[role] = (version, kind)
            alert = models.alert(message)
            self._tell(alert)
            if role == CHAMPION:
                models.note = alert["message"]
        return None

    def _fetched(self, version: str) -> LoadedModel:
        refused = self._models.refused.get(version)
        if refused:
            raise ModelError(refused)
        return load(self._settings, version)

    def _follow_challenger(self, client: MlflowClient, aliases: Mapping[str, str]) -> None:
        settings, models = self._settings, self._models
        version, champion = aliases.get(CHALLENGER), models.champion
        if version is None or version == champion.version:
            self._end_trial()
            return
        tags = model_version(client, settings.model_name, version).tags
        stage = tags.get(STAGE_TAG)
        if version in self._worse or stage not in (SHADOW, CANARY):
            self._end_trial()
            return
        if (tags.get("gate"), tags.get("gate_against")) != ("pass", champion.version):
            self._end_trial()
            log.warning("a trial ends: the gate did not pass it against this champion",
                        version=version, champion=champion.version)  # fmt: skip
            withdraw(client, settings.model_name, version)
            return
        running = models.lineup.trial
        if running and (running.challenger.version, running.stage) == (version, stage):
            return
        model = self._load(version, CHALLENGER)
        self._end_trial()
        if model is None:
            return
        trial = Trial(champion, model, stage, settings.canary_share, self._bounds)
        models.lineup = Lineup(champion, trial, aliases)
        trial.start()
        log.info("a challenger is on trial", version=version, stage=stage, share=trial.share)

    def _judge(self) -> None:
        """Take back a challenger that is worse: first its traffic, then its stage."""
        trial = self._models.lineup.trial
        reason = trial.comparison.fault() if trial else None
        if trial is None or reason is None:
            return
        self._end_trial()
        version = trial.challenger.version
        self._worse[version] = reason
        self._tell(self._models.alert(f"{trial.stage} version {version} was taken back: {reason}"))

    def _write_rollbacks(self, client: MlflowClient) -> None:
        """Tell the registry; while it is away, `_worse` keeps the version from its traffic."""
        for version, reason in list(self._worse.items()):
            withdraw(client, self._settings.model_name, version, reason)
            del self._worse[version]

    def _end_trial(self) -> None:
        lineup = self._models.lineup
        if lineup.trial:
            self._models.lineup = replace(lineup, trial=None)
            lineup.trial.close()

    def _tell(self, message: dict[str, str]) -> None:
        if self._redis is None:
            return
        try:
            announce(self._redis, message)
        except RedisError as error:
            log.warning("live clients were not told", reason=type(error).__name__)
