"""The environment, read once. Every setting is `PFA_` and its name in capitals.

What should not be seen in a list of processes can be in a file instead: `PFA_SECRETS_DIR` is a folder of files, each
named like its variable (`pfa_database_url`). The environment wins.
"""

import importlib.util
import ipaddress
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict


class Settings(BaseSettings):
    """How this installation runs. Passed down from the entry points; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="PFA_", frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path("pfa-data"), description="Where everything that outlives a process is kept")
    host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on; 0: a free one")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data folder")
    broker_url: str = Field(default="", description="Redis or Valkey URL; empty: `pfa up` starts the bundled one")
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses or networks, separated by commas, whose X-Forwarded-For and -Proto are believed",
    )
    auth: Literal["on", "off"] = Field(default="on", description="`off` is accepted only when bound to loopback")

    secrets_dir: str = Field(
        default="", description="Folder of files, each the value of the setting that it is named like; empty: none"
    )

    objects_url: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]*)?)?$",
        description="`s3://bucket/prefix` that keeps the files for several hosts; empty: the data folder, which they"
        " share",
    )
    objects_endpoint: str = Field(default="", description="URL of the object store; empty: Amazon S3")
    objects_region: str = Field(default="", description="Its region; empty: as the AWS environment says")
    objects_key_id: str = Field(default="", description="Access key; empty: as the AWS environment says")
    objects_secret_key: str = Field(
        default="",
        repr=False,
        description="Its secret, best as a file in PFA_SECRETS_DIR; empty: as with the access key",
    )
    cache_bytes: int = Field(
        default=50 * 2**30,
        gt=0,
        description="With an object store: most bytes of it that this host keeps in its data folder",
    )

    log_format: Literal["text", "json"] = Field(
        default="text", description="What logs are: lines for people, or a JSON object a line, with access lines"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged"
    )
    traces_endpoint: str = Field(
        default="", description="OTLP/HTTP collector that gets traces, such as `http://collector:4318`; empty: none"
    )

    max_upload_bytes: int = Field(default=2 * 2**30, gt=0, description="Largest body of one request, bytes")
    max_video_bytes: int = Field(default=2 * 2**30, gt=0, description="Largest video, bytes")
    max_image_bytes: int = Field(default=64 * 2**20, gt=0, description="Largest image, bytes")
    max_image_pixels: int = Field(default=50_000_000, gt=0, description="Largest image, pixels")
    max_video_pixels: int = Field(default=3840 * 2160, gt=0, description="Largest video frame, pixels")
    max_video_frames: int = Field(default=1_000_000, gt=0, description="Longest video, frames")
    max_video_s: float = Field(default=6 * 3600, gt=0, description="Longest video, seconds")
    max_clip_frames: int = Field(
        default=3000, gt=0, description="Longest clip that /predict/action answers at once, frames"
    )
    max_predict_frames: int = Field(
        default=200_000, gt=0, description="Most frames that one prediction job looks at, all its videos together"
    )
    max_images: int = Field(default=32, ge=1, description="Most images of one call of /predict/pose")
    decode_timeout_s: float = Field(default=600, gt=0, description="Wall-clock limit of decoding one video, seconds")
    decode_memory_bytes: int = Field(default=4 * 2**30, gt=0, description="Address space of a decoding process, bytes")
    min_free_bytes: int = Field(
        default=2**30, ge=0, description="Uploads answer 507 when less disk than this would be left"
    )

    upload_expires_s: float = Field(
        default=24 * 3600, gt=0, description="A resumable upload that gets no byte for so long is dropped, seconds"
    )
    quota_bytes: int = Field(
        default=0, ge=0, description="Most bytes of videos, images and unfinished uploads that one key keeps; 0: any"
    )
    rate_limit: int = Field(default=0, ge=0, description="Calls a minute that one key may make; 0: any number")
    rate_burst: int = Field(default=60, ge=1, description="Calls that a key may make at once before that limit holds")
    webhooks: Literal["off", "on"] = Field(
        default="off", description="`on`: keys may register addresses that are told when their jobs end"
    )
    webhook_allow: str = Field(
        default="",
        description="Hosts, separated by commas, that webhooks may have although they are inside or without TLS",
    )

    part_frames: int = Field(
        default=1536,
        ge=2,
        description="Long videos are cut into parts of so many frames, which workers share",
    )
    lease_s: float = Field(
        default=60, gt=0, description="A job whose worker is silent for this long is taken over, seconds"
    )
    heartbeat_s: float = Field(default=10, gt=0, description="How often a worker renews its lease, seconds")
    ring_again_s: float = Field(
        default=60, gt=0, description="A queued job unclaimed for this long is announced again, seconds"
    )
    cancel_grace_s: float = Field(default=30, gt=0, description="From asking a job to stop to killing it, seconds")
    max_attempts: int = Field(default=3, ge=1, description="Times that a job is started before it fails for good")
    stall_s: float = Field(
        default=3600,
        ge=0,
        description="A job whose progress stands still for this long is started again, seconds; 0: never. Choose more"
        " than the longest step takes, such as a validation or PFA_DECODE_TIMEOUT_S",
    )
    max_log_bytes: int = Field(
        default=16 * 2**20, ge=1024, description="A job's log is moved aside at this size, and one such part is kept"
    )
    max_events: int = Field(
        default=2000, ge=1, description="Progress events kept of a job; the oldest go, all other events stay"
    )

    keep_history_days: float = Field(
        default=180, ge=0, description="Events, logs and curves of a job go so many days after its end; 0: never"
    )
    keep_files_days: float = Field(
        default=365, ge=0, description="Files and predictions of a job go so many days after its end; 0: never"
    )
    keep_checkpoints_days: float = Field(
        default=0,
        ge=0,
        description="Checkpoints of a job that failed or was cancelled go so many days after its end, and a retry"
        " begins anew; 0: never. Those of one that succeeded go at once",
    )
    keep_packs_days: float = Field(
        default=30,
        ge=0,
        description="Packs that no job asked for in so many days may go, unfinished and mapped ones do; 0: never",
    )
    pack_bytes: int = Field(
        default=0,
        ge=0,
        description="While packs take more than this, those that may go do, the least recently used first, bytes; 0:"
        " any number of bytes",
    )
    keep_audit_days: float = Field(
        default=365, ge=0, description="Lines of the audit log go after so many days; 0: never"
    )
    orphan_days: float = Field(
        default=1,
        gt=0,
        description="Temporary files, and files that no row of the database names, go after so many days",
    )
    gc_every_s: float = Field(
        default=3600, ge=0, description="How often a worker clears away what is due, seconds; 0: only `pfa gc` does"
    )

    max_batch: int = Field(default=16, ge=1, description="Most images that one forward pass answers")
    max_queue: int = Field(default=128, ge=1, description="Most images waiting for a forward pass; more answer 503")
    max_models: int = Field(default=4, ge=1, description="Models that an API process keeps loaded for prediction")
    model_bytes: int = Field(
        default=0,
        ge=0,
        description="Memory that the loaded models of an API process may take, bytes; 0: any. More answer 507",
    )
    num_threads: int = Field(
        default=0,
        ge=0,
        description="Threads that networks may use, shared among the API processes; 0: as many as there are cores",
    )
    api_processes: int = Field(
        default=1, ge=1, le=256, description="API processes that share the port, the threads and the requests"
    )
    numerics: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Number format for prediction; auto: bfloat16 where the device is faster in it",
    )
    executor: Literal["auto", "eager", "openvino"] = Field(
        default="auto",
        description="What runs networks for prediction; auto: OpenVINO on a processor where it is installed, else"
        " torch, which `eager` is",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given here, then the environment, then files."""
        folder = os.environ.get("PFA_SECRETS_DIR")
        files = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder and Path(folder).is_dir() else ()
        return (init_settings, env_settings, *files)

    @field_validator("secrets_dir")
    @classmethod
    def _is_a_folder(cls, folder: str) -> str:
        if folder and not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}")
        return folder

    @field_validator("objects_url")
    @classmethod
    def _has_boto3(cls, url: str) -> str:
        if url and importlib.util.find_spec("boto3") is None:
            raise ValueError("an object store needs boto3: pip install 'pfa[s3]'")
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        for proxy in filter(None, (part.strip() for part in proxies.split(","))):
            ipaddress.ip_network(proxy)
        return proxies

    @field_validator("traces_endpoint")
    @classmethod
    def _can_be_sent(cls, endpoint: str) -> str:
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise ValueError("an address that begins with http:// or https:// is needed")
        if endpoint and importlib.util.find_spec("opentelemetry.sdk") is None:
            raise ValueError("traces need packages of their own: pip install 'pfa[traces]'")
        return endpoint

    @model_validator(mode="after")
    def _auth_off_is_local(self) -> Self:
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError(f"PFA_AUTH=off is accepted only on a loopback address, not on {self.host}")
        return self

    @property
    def api_threads(self) -> int:
        """The share of one API process in the threads for networks, at least one."""
        return max(1, (self.num_threads or os.cpu_count() or 1) // self.api_processes)

    @property
    def webhook_hosts(self) -> frozenset[str]:
        """`webhook_allow`, host by host."""
        return frozenset(filter(None, (host.strip().lower() for host in self.webhook_allow.split(","))))

    @property
    def sqlalchemy_url(self) -> str:
        """`database_url`, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'pfa.sqlite3'}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
