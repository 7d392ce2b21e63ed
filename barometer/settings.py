"""Every setting, in one frozen class: environment or `.env`, prefix `BAROMETER_`."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from barometer.api_keys import ApiKey
from barometer.errors import SettingsError
from barometer.source_settings import SourceSettings, split

PREFIX = "BAROMETER_"
REDIS = ("redis://", "rediss://", "unix://")
"""What the URL of a Redis begins with."""
KAFKA = ("kafka://", "kafkas://")
"""What the URL of Kafka begins with; the second is encrypted."""
REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(SourceSettings):
    """Where Barometer's parts are and how they behave. Each field's docstring is its help."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",  # unknown BAROMETER_ names are refused below, with their own sentence
        use_attribute_docstrings=True,
    )

    port: int = Field(3000, ge=1, le=65535)
    """Port of the service and its dashboard."""
    host: str = "127.0.0.1"
    """Address the service listens on; 0.0.0.0 opens it to the network."""
    state_dir: Path = Path(".barometer")
    """Folder for everything that Barometer keeps on this machine."""
    database_url: str = ""
    """SQLAlchemy URL of the database; empty: a SQLite file in the state folder."""
    redis_url: str = ""
    """URL of Redis; empty: an embedded server is started in the state folder."""
    broker_url: str = ""
    """URL of the stream between ingestion and scorers: `redis://`, `rediss://` or `unix://` for a
    Redis of its own, `kafka://host:port[,host:port]` for Kafka, `kafkas://` for Kafka over TLS;
    empty: the Redis in force."""
    kafka_username: str = ""
    """User that Kafka knows; empty: it asks for none."""
    kafka_password: SecretStr = SecretStr("")
    """That user's password."""
    kafka_login: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How Kafka checks the password; PLAIN only over TLS."""
    kafka_ca_file: str = ""
    """CA certificate by which the brokers of `kafkas://` are verified; empty: the system's."""
    redis_ca_file: str = ""
    """CA certificate by which the server of a `rediss://` URL is verified; empty: the system's."""
    redis_min_replicas: int = Field(0, ge=0)
    """Replicas of Redis that must have a post before it is accepted; without them: 503."""
    stream_keep_days: float = Field(7.0, gt=0)
    """Days that the stream keeps what is stored; what is not stored is kept for ever, except by
    Kafka."""
    stream_most_entries: int = Field(10_000_000, ge=1)
    """Entries that the stream keeps; more only while they are not stored."""
    stream_high_water: int = Field(100_000, ge=1)
    """Posts that may wait for a scorer; over it `/ingest` answers 429, and sources wait."""
    stream_claim_after_s: float = Field(60.0, gt=0, le=24 * 3600)
    """Seconds after which what a silent scorer holds goes to another."""
    mlflow_tracking_uri: str = ""
    """MLflow's tracking and registry URI; empty: a SQLite file in the state folder."""
    artifact_root: str = ""
    """Where a new MLflow store keeps files, such as s3://bucket/path; empty: its own choice, or the
    state folder."""
    model_name: str = "barometer"
    """Name of the registered model."""
    model_poll_s: float = Field(5.0, gt=0, le=3600)
    """Seconds between two looks at the registry's aliases."""
    canary_share: float = Field(0.1, gt=0, le=1)
    """Share of the texts that a challenger answers while it is a canary."""
    canary_min_agreement: float = Field(0.7, ge=0, le=1)
    """Agreement with the champion under which a challenger on trial is taken back."""
    import_dir: str = ""
    """Folder whose subfolders `POST /models` may bring in; empty: `imports` in the state folder."""
    base_model: str = "distilbert-base-uncased"
    """Encoder to fine-tune: a hub name or a local folder."""
    emotion_data: str = "dair-ai/emotion"
    """Emotion rows: a hub name or a local folder with train/validation/test.jsonl."""
    sentiment_data: str = "cardiffnlp/tweet_eval:sentiment"
    """Sentiment rows: a hub name (`name:configuration`) or such a folder."""
    ray_address: str = ""
    """`host:port` of a Ray cluster that this machine belongs to; empty: `tune` uses this machine.

    Every node needs Barometer's train extra, and must see the state folder, the base model and
    MLflow under the same names. RAY_AUTH_TOKEN is the cluster's.
    """
    api_keys: Annotated[tuple[str, ...], NoDecode] = ()
    """Keys that callers must present, as `name:scope:digest` entries separated by spaces or commas;
    `barometer keys new` makes one. Empty: everybody who reaches the service may do everything."""
    rate_limit: str = ""
    """Requests that a key (an address where no keys are set) may make, such as 600/minute; empty:
    any number."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may call the API, such as https://news.example, separated by spaces or
    commas."""
    cache_ttl_s: int = Field(3600, ge=1)
    """Seconds that an analysis, and a model's answer to a text, stay in Redis."""
    memory_cache_mb: int = Field(32, ge=0)
    """Megabytes of answers to texts that the service keeps in its own memory."""
    aggregate_ttl_s: int = Field(60, ge=0)
    """Seconds that figures of stored posts are kept; a trend's newest minutes are always read."""
    batch_wait_ms: float = Field(2.0, ge=0, le=1000)
    """Milliseconds that a batch waits for company while the model is busy; idle, it starts."""
    queue_texts: int = Field(4096, ge=1)
    """Texts that may wait for the model; a request over it is answered 429."""
    deadline_s: float = Field(30.0, gt=0, le=600)
    """Seconds that a request may wait for the model; a batch of long texts may need 15."""
    request_deadline_s: float = Field(55.0, gt=0, le=900)
    """Seconds until the answer to a request must begin, whatever it waits for."""
    hot_words_file: str = ""
    """A file of keywords, one a line, that are kept analysed beside the most asked ones."""
    warm_every_s: float = Field(60.0, ge=1)
    """Seconds between two looks for keywords to analyse ahead of time."""
    warm_cpu_percent: float = Field(35.0, ge=0, le=100)
    """Keywords are analysed ahead of time while the CPU is less busy than this; 0: never."""
    sync_cpu_percent: float = Field(20.0, ge=0, le=100)
    """Analyses are written to the database while the CPU is less busy than this."""
    sync_max_age_s: float = Field(900.0, ge=0, le=7 * 24 * 3600)
    """Seconds after which a waiting analysis is written however busy the CPU is."""
    threads: int = Field(0, ge=0)
    """Threads of one model session; 0: half the cores, at least one."""
    model_timeout_s: float = Field(20.0, gt=0, le=600)
    """Seconds that the local model may take for one call; longer is a failure."""
    breaker_failures: int = Field(3, ge=1, le=1000)
    """Failures within the window that open a circuit breaker: the next in the chain answers."""
    breaker_window_s: float = Field(300.0, gt=0, le=24 * 3600)
    """Seconds for which a failure counts."""
    breaker_rest_s: float = Field(60.0, gt=0, le=24 * 3600)
    """Seconds that an open breaker rests before one call tries again."""
    llm_url: str = ""
    """Base URL of a chat-completions API that answers while the model fails, such as
    https://api.groq.com/openai/v1; it is sent the texts. Empty: no LLM."""
    llm_model: str = Field("", validate_default=True)
    """The LLM's name at its provider."""
    llm_api_key: SecretStr = SecretStr("")
    """Key for the LLM's provider, if it wants one."""
    llm_timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds that the LLM may take for all texts of one request."""
    llm_budget_tokens: int = Field(500_000, ge=1)
    """Tokens, read and written, that the LLM may use in a day (UTC)."""
    backend: Literal["onnxruntime", "cuda", "openvino"] = "onnxruntime"
    """What runs the model: `onnxruntime` on the processor, `cuda` (onnxruntime-gpu and a GPU), or
    `openvino` (its extra). `barometer bench backends` compares them."""
    shutdown_s: int = Field(20, ge=1, le=600)
    """Seconds that the service may take to finish what it took, once it is told to stop."""
    work_metrics_port: int = Field(0, ge=0, le=65535)
    """Port of the loopback where `barometer work` shows its metrics; 0: nowhere."""
    workers: int = Field(1, ge=1, le=64)
    """Scorers that `barometer up` runs; `barometer work --workers` starts more, anywhere."""
    scorer_batch: int = Field(256, ge=1, le=4096)
    """Posts that a scorer takes from the stream at a time."""
    post_keep_days: int = Field(0, ge=0, le=36_500)
    """Days that `barometer posts prune` keeps posts and analyses; 0: for ever. Hourly figures
    always stay."""
    drift_window_h: float = Field(6.0, gt=0)
    """Hours of live posts that a drift report looks at."""
    drift_min_posts: int = Field(100, ge=20)
    """Fewest live posts for a drift report."""
    prefect_port: int = Field(4200, ge=1, le=65535)
    """Port of Prefect's server and UI under `barometer up`."""
    mlflow_port: int = Field(5000, ge=1, le=65535)
    """Port of MLflow's UI under `barometer up`."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR; DEBUG shows the messages of unexpected errors, which may quote
    a post."""

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split(value)

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        names = [ApiKey.parse(entry).name for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("each key needs a name of its own")
        return entries

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        if value and not re.fullmatch(r"[1-9]\d*/(second|minute|hour|day)", value):
            raise ValueError("must be a number per second, minute, hour or day, such as 600/minute")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s*@]+", origin):
                raise ValueError(
                    f"{origin!r} is no origin: name scheme, host and perhaps port, such as "
                    "https://news.example; there is no wildcard"
                )
        return origins

    @field_validator("artifact_root")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and "://" not in value:
            raise ValueError("must be an address such as s3://bucket/path or file:///folder")
        return value.rstrip("/")

    @field_validator("ray_address")
    @classmethod
    def _is_cluster(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^:/\s]+:\d+", value):
            raise ValueError("must be host:port of a node's GCS, such as 10.0.0.1:6379")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if value and not value.startswith(REDIS):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @field_validator("redis_ca_file", "kafka_ca_file")
    @classmethod
    def _is_file(cls, value: str) -> str:
        if value and not Path(value).is_file():
            raise ValueError("must be a file that exists")
        return value

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, value: str) -> str:
        if value.startswith(KAFKA):
            if not re.fullmatch(r"kafkas?://[^:/,@\s]+:\d+(,[^:/,@\s]+:\d+)*", value):
                raise ValueError("must be kafka://host:port, with further host:port after commas")
        elif value and not value.startswith(REDIS):
            raise ValueError("must begin with redis://, rediss://, unix://, kafka:// or kafkas://")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_supported(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("llm_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if value and not re.match(r"https?://[^/?#\s]", value):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")

    @field_validator("llm_model")
    @classmethod
    def _goes_with_url(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("llm_url") and not value:
            raise ValueError("must name a model, since BAROMETER_LLM_URL is set")
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @property
    def imports(self) -> Path:
        """The folder of models to bring in, absolute."""
        if self.import_dir:
            return Path(self.import_dir).expanduser().resolve()
        return self.state / "imports"

    @property
    def session_threads(self) -> int:
        """Threads that one model session may use."""
        return self.threads or max(1, (os.cpu_count() or 2) // 2)

    @property
    def ui_links(self) -> dict[str, str]:
        """Where the other user interfaces are, as `barometer up` starts them."""
        own = f"http://127.0.0.1:{self.mlflow_port}"
        return {
            "Prefect": f"http://127.0.0.1:{self.prefect_port}",
            "MLflow": self.mlflow_tracking_uri if self.mlflow_is_remote else own,
        }

    @property
    def mlflow_is_remote(self) -> bool:
        """Whether MLflow is a server of somebody else's, not a store that one is started on."""
        return self.mlflow_tracking_uri.startswith(("http://", "https://"))

    @property
    def state(self) -> Path:
        """The state folder, absolute; made when first asked for.

        Raises:
            SettingsError: it cannot be made.
        """
        folder = self.state_dir.expanduser().resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"BAROMETER_STATE_DIR={self.state_dir} cannot be made ({error.strerror}): name "
                "a folder that this user may write."
            ) from error
        return folder


def _refuse_unknown() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {*os.environ, *dotenv_values(".env")}
    for name in sorted(given):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(
                f"{name} is not a setting of Barometer: remove it, or look for the right name in "
                "README.md's settings table."
            )


def read_settings() -> Settings:
    """Read the settings afresh.

    Raises:
        SettingsError: a `BAROMETER_` name is unknown or its value unusable; names it.
    """
    _refuse_unknown()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name} cannot be used: {message}.") from error


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()
