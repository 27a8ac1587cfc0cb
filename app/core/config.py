"""The settings, read from the environment and `.env`, typed and in groups; importing this reads nothing."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.core.passwords import Passwords
from app.core.setting_types import (
    BaseUrl,
    Concurrency,
    EmbedderName,
    ModelName,
    MostBytes,
    OllamaHost,
    Origin,
    OtlpHeaders,
    Proxy,
    RateLimit,
    RedisUrl,
    ScriptName,
    Seconds,
    split,
)

# What examples and templates say in place of a secret.
PLACEHOLDERS = ("change", "your-", "your_", "placeholder", "replace", "insecure", "insert")

# An empty limit is off; any other setting that is empty is not set.
LIMITS = (
    "rate_limit_ai",
    "rate_limit_auth",
    "rate_limit_default",
    "login_failures",
    "max_concurrent_generations",
    "max_concurrent_generations_per_user",
    "max_storage_bytes_per_user",
    "max_documents_under_way_per_user",
)
_OTLP = "http/protobuf"


def _is_placeholder(secret: str) -> bool:
    return any(word in secret.lower() for word in PLACEHOLDERS)


class StartRefused(Exception):
    """This program cannot start as it is set up. The message is for its operator, and holds no secret."""


class _Group(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As usual, but what is empty is not set (`env_ignore_empty`), unless it means something."""
        for source in (env_settings, dotenv_settings):
            if isinstance(source, EnvSettingsSource):
                given = source.env_vars.items()
                source.env_vars = {name: value for name, value in given if value or name in LIMITS}
        return init_settings, env_settings, dotenv_settings, file_secret_settings


class ServerSettings(_Group):
    """Where and how to serve."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    web_concurrency: int = Field(1, ge=1, le=256)
    """How many worker processes serve there; more than one need a database and a Redis that are servers."""
    environment: Literal["development", "production"] = "development"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    cors_origins: Annotated[list[Origin], NoDecode, BeforeValidator(split)] = []
    trusted_proxies: Annotated[list[Proxy], NoDecode, BeforeValidator(split)] = []
    """Whose headers tell who a client is: the addresses and networks of the proxies in front of this server."""
    drain_seconds: Seconds = 20.0
    """How long running answers may go on after SIGTERM; the platform's kill timeout less ten seconds."""
    metrics_token: SecretStr | None = None
    """What `/metrics` asks for from elsewhere; from this machine it is open, without a token from nowhere else."""
    watchdog_seconds: Seconds = 1.0
    """How long the event loop may stand still before the log says where."""


class StorageSettings(_Group):
    """Where things are kept."""

    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///./data/app.db")
    data_dir: Path = Path("./data")
    database_pool_size: int = Field(10, ge=1, le=1000)
    database_statement_timeout: Seconds = 5.0
    database_pool_timeout: Seconds = 2.0
    redis_url: RedisUrl | None = None
    """What instances share; without it each has its own."""
    redis_timeout: Seconds = 0.25
    """How long anybody waits for it, to connect and to answer, before it is done without."""


class FileSettings(_Group):
    """What users upload, and where it is kept: a folder of DATA_DIR, or a bucket where one is set."""

    max_upload_bytes: int = Field(100 * 1024 * 1024, ge=1, le=32 * 1024**3)
    """Of one file."""
    max_storage_bytes_per_user: MostBytes = None
    s3_bucket: str | None = None
    s3_endpoint_url: BaseUrl | None = None
    """Of a server that speaks S3's protocol; without it Amazon's own."""
    s3_region: str = "us-east-1"
    s3_access_key_id: SecretStr | None = None
    s3_secret_access_key: SecretStr | None = None
    """Without both, the machine's own role is asked for credentials."""
    s3_timeout: Seconds = 20.0
    """How long anybody waits for one request to it, of which a large file takes many."""

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are given together or not at all")
        return self


class DocumentSettings(_Group):
    """What reading documents may cost."""

    max_document_pages: int = Field(20_000, ge=1)
    max_document_characters: int = Field(100_000_000, ge=1)
    """Of text in one document."""
    document_seconds: Seconds = 1800.0
    """How long reading one document may take, without what it waits for others."""
    ingest_at_once: int = Field(2, ge=1, le=64)
    """How many documents this process reads at once."""
    max_documents_under_way_per_user: Concurrency = 200
    """How many may wait to be read, or be read, of one user."""
    jobs: Literal["inprocess", "celery"] = "inprocess"
    """Who reads them: the process that serves, or others, `python -m app.worker`, which Redis tells of them."""


class IndexSettings(_Group):
    """Where passages of documents are looked for: a folder of DATA_DIR, or a server where one is set."""

    qdrant_url: BaseUrl | None = None
    """Of a Qdrant server. Several processes that are to search in documents need one."""
    qdrant_api_key: SecretStr | None = None
    qdrant_timeout: Seconds = 4.0
    """How long anybody waits for one request to it, or to the embedded engine."""


class IdentitySettings(_Group):
    """Accounts and their credentials."""

    secret_key: SecretStr | None = None
    first_admin_email: str | None = None
    first_admin_password: SecretStr | None = None
    registration_open: bool = True
    access_token_minutes: int = Field(30, ge=1, le=1440)
    refresh_token_days: int = Field(30, ge=1, le=365)
    api_keys: Annotated[list[SecretStr], NoDecode, BeforeValidator(split)] = []
    """Keys of machines, which act for one service account."""


class ModelSettings(_Group):
    """The models and what they may take. A provider exists where its key does."""

    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: BaseUrl | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: BaseUrl | None = None
    deepseek_api_key: SecretStr | None = None
    deepseek_base_url: BaseUrl | None = None
    ollama_base_url: BaseUrl | None = None
    ollama_discovery: bool = True
    """Whether, without a base URL, an Ollama is looked for at `ollama_host` and used while it answers."""
    ollama_host: OllamaHost = "http://127.0.0.1:11434"
    ollama_context_tokens: int = Field(8192, ge=2048, le=10_485_760)
    """What a local model's context may take: prompt and answer together."""
    ollama_silence_timeout: Seconds = 300.0
    """How long an Ollama may say nothing to a request that is passed on to it: to load a large model takes minutes."""
    default_model: str | None = None
    summary_model: ModelName | None = None
    """What sums up the older turns of a conversation that a model cannot hold; without it they are left out."""
    title_model: ModelName | None = None
    """What names conversations; without it their first message does."""
    rewrite_model: ModelName | None = None
    """What makes a question that stands alone of one that goes on from what was said, to search documents for; none is
    the model that answers."""
    connect_timeout: Seconds = 5.0
    first_token_timeout: Seconds = 60.0
    chunk_timeout: Seconds = 30.0
    answer_timeout: Seconds = 600.0
    max_answer_bytes: int = Field(16 * 1024 * 1024, ge=1024)


class EmbeddingSettings(_Group):
    """What helps the search in documents beside its terms; nothing does unless it is named here."""

    embedding_model: EmbedderName | None = None
    """As `openai/…` (any server with OpenAI's protocol), `ollama/…` or `fastembed/…`."""
    embedding_dimensions: int | None = Field(None, ge=1, le=8192)
    """Of its vectors, where it can make shorter ones; without it as many as it makes."""
    embedding_scripts: Annotated[list[ScriptName], NoDecode, BeforeValidator(split)] = []
    """The scripts that it knows; without it those that are known here of the model."""
    embedding_base_url: BaseUrl | None = None
    embedding_api_key: SecretStr | None = None
    """Without a base URL both are the provider's own."""
    embedding_timeout: Seconds = 60.0
    """How long one request for passages may take; a small machine needs seconds for a dozen of them."""
    embedding_download: bool = False
    """Whether `fastembed` may fetch a model that is not in DATA_DIR/models."""
    rerank_url: BaseUrl | None = None
    rerank_model: str | None = None
    """Without one the server is asked in TEI's form."""
    rerank_api_key: SecretStr | None = None
    rerank_timeout: Seconds = 3.0


class ChatSettings(_Group):
    """Limits of a conversation and of its streams."""

    conversation_days: int = Field(0, ge=0, le=36_500)
    """How long a conversation is kept that nobody uses; 0 is for ever."""
    max_message_chars: int = Field(200_000, ge=1)
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    max_door_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Of requests in other protocols than ours, which hold pictures."""
    max_import_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Of a conversation that is imported; more than any other body may have."""
    max_concurrent_generations: Concurrency = 200
    max_concurrent_generations_per_user: Concurrency = 8
    checkpoint_seconds: Seconds = 1.0
    ping_seconds: Seconds = 15.0
    reader_timeout: Seconds = 30.0


class LimitSettings(_Group):
    """How much anybody may ask for."""

    rate_limit_ai: RateLimit = "30/minute"
    """A user, on routes that call a model."""
    rate_limit_auth: RateLimit = "20/minute"
    """An address, on sign-in and registration."""
    rate_limit_default: RateLimit = "600/minute"
    """A user, elsewhere."""
    login_failures: RateLimit = "10/15 minutes"
    """An account, from whatever address."""
    password_memory_kib: int = Field(Passwords.MEMORY_KIB, ge=64, le=4_194_304)
    """What the hash of a password takes; time grows with it."""
    export_timeout: Seconds = 3600.0
    """How long one export may be under way."""


class TracingSettings(_Group):
    """Where traces go; nowhere without an endpoint. The names are OpenTelemetry's."""

    otel_exporter_otlp_endpoint: BaseUrl | None = None
    """Of a collector that speaks OTLP over HTTP, without `/v1/traces`."""
    otel_exporter_otlp_traces_endpoint: BaseUrl | None = None
    """The same for traces alone, whole."""
    otel_exporter_otlp_headers: OtlpHeaders = None
    """What the collector asks for, as `name=value,…`."""
    otel_exporter_otlp_protocol: str = _OTLP
    otel_exporter_otlp_traces_protocol: str | None = None
    otel_service_name: str = "ai-backend"
    otel_bsp_max_queue_size: int = Field(2048, ge=1, le=1_000_000)
    """How many spans may wait to be sent."""
    otel_bsp_max_export_batch_size: int = Field(512, ge=1)
    """How many are sent at once."""
    otel_bsp_schedule_delay: int = Field(5000, ge=1, le=3_600_000)
    """Milliseconds until those that wait are sent, however few they are."""

    @property
    def traces_endpoint(self) -> str | None:
        base = self.otel_exporter_otlp_endpoint
        return self.otel_exporter_otlp_traces_endpoint or (f"{base.rstrip('/')}/v1/traces" if base else None)

    @model_validator(mode="after")
    def _refuse_another_protocol(self) -> Self:
        # Where nothing is sent, it may be set for other programs.
        own = self.otel_exporter_otlp_traces_protocol
        if self.traces_endpoint and (own or self.otel_exporter_otlp_protocol) != _OTLP:
            name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" if own else "OTEL_EXPORTER_OTLP_PROTOCOL"
            raise ValueError(f"{name}: traces are sent by {_OTLP} alone, which collectors take on port 4318")
        return self

    @model_validator(mode="after")
    def _refuse_a_batch_beyond_the_queue(self) -> Self:
        if self.otel_bsp_max_export_batch_size > self.otel_bsp_max_queue_size:
            raise ValueError("OTEL_BSP_MAX_EXPORT_BATCH_SIZE is more than OTEL_BSP_MAX_QUEUE_SIZE")
        return self


class Settings(
    ServerSettings,
    StorageSettings,
    FileSettings,
    DocumentSettings,
    IndexSettings,
    IdentitySettings,
    ModelSettings,
    EmbeddingSettings,
    ChatSettings,
    LimitSettings,
    TracingSettings,
):
    """Every setting; a field's name in upper case is the name of its environment variable."""

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @model_validator(mode="after")
    def _refuse_workers_with_embedded_parts(self) -> Self:
        missing = []
        if self.database_url.get_secret_value().startswith("sqlite"):
            missing.append("DATABASE_URL to a PostgreSQL, MariaDB or MySQL server")
        if self.redis_url is None:
            missing.append("REDIS_URL to a Redis, which holds what they share of streams and limits")
        if self.web_concurrency > 1 and missing:
            raise ValueError(
                f"WEB_CONCURRENCY: {self.web_concurrency} workers cannot share what one process embeds; "
                f"set {', and '.join(missing)}"
            )
        return self

    @model_validator(mode="after")
    def _refuse_celery_with_embedded_parts(self) -> Self:
        missing = []
        if self.database_url.get_secret_value().startswith("sqlite"):
            missing.append("DATABASE_URL to a PostgreSQL, MariaDB or MySQL server")
        if self.redis_url is None:
            missing.append("REDIS_URL to a Redis, which hands out the jobs")
        if self.jobs == "celery" and missing:
            raise ValueError(
                f"JOBS: workers cannot share what one process embeds; set {', and '.join(missing)}, or JOBS=inprocess"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_weak_secret(self) -> Self:
        key = self.secret_key.get_secret_value() if self.secret_key else None
        if key is None:
            if self.production:
                raise ValueError("SECRET_KEY is required in production; make one with: openssl rand -hex 32")
            return self
        if len(key.encode()) < 32:
            raise ValueError("SECRET_KEY must have at least 32 bytes; make one with: openssl rand -hex 32")
        if self.production and _is_placeholder(key):
            raise ValueError("SECRET_KEY is a placeholder; make one with: openssl rand -hex 32")
        return self

    @model_validator(mode="after")
    def _refuse_weak_hashes(self) -> Self:
        if self.production and self.password_memory_kib < Passwords.MEMORY_KIB:
            raise ValueError(f"PASSWORD_MEMORY_KIB must be at least {Passwords.MEMORY_KIB} in production")
        return self

    @model_validator(mode="after")
    def _refuse_a_weak_token(self) -> Self:
        token = self.metrics_token.get_secret_value() if self.metrics_token else None
        if self.production and token is not None and (len(token) < 16 or _is_placeholder(token)):
            raise ValueError(
                "METRICS_TOKEN is a placeholder or has fewer than 16 characters; make one with: openssl rand -hex 32"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_weak_api_key(self) -> Self:
        keys = [key.get_secret_value() for key in self.api_keys] if self.production else []
        if any(len(key) < 16 or _is_placeholder(key) for key in keys):
            raise ValueError(
                "API_KEYS has a placeholder or a key of fewer than 16 characters; make one with: openssl rand -hex 32"
            )
        return self

    @model_validator(mode="after")
    def _admin_needs_both(self) -> Self:
        if self.production and (self.first_admin_email is None) != (self.first_admin_password is None):
            raise ValueError("FIRST_ADMIN_EMAIL and FIRST_ADMIN_PASSWORD are given together or not at all")
        password = self.first_admin_password.get_secret_value() if self.first_admin_password else None
        if self.production and password is not None and (len(password) < 8 or _is_placeholder(password)):
            raise ValueError("FIRST_ADMIN_PASSWORD is a placeholder or has fewer than 8 characters")
        return self


def read_settings() -> Settings:
    """From the environment and `.env`. Raises StartRefused, with a line for each setting that is not right."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            (".".join(map(str, each["loc"])).upper(), each["msg"].removeprefix("Value error, "))
            for each in error.errors()
        ]
    raise StartRefused("\n".join(f"{name}: {said}" if name else said for name, said in lines))
