"""What can be set about the service: by environment variables, and by flags that overrule them."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings"]

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The settings of one server.

    Every field can be set by an environment variable: ``ALLIANCE_`` and its name in capitals.
    Lists are separated by commas. Limits of single requests that clients have to know stand in
    the schema (:mod:`alliance.serve.http.messages`) and cannot be set.

    Raises:
        pydantic.ValidationError: if a value is out of its range.
    """

    model_config = SettingsConfigDict(
        env_prefix="ALLIANCE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8642, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )

    model: Path | None = Field(default=None, description="A model folder; else the shipped model.")
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="Windows that run through the encoder at once.",
    )
    threads: int = Field(default=1, ge=1, le=256, description="Threads of one window.")
    live_threads: int = Field(
        default_factory=lambda: min(2, os.cpu_count() or 1),
        ge=1,
        le=256,
        description="Threads of the window of a live turn.",
    )
    queued_turns: int = Field(
        default=10_000, ge=1, description="Turns that may wait; more are answered 503."
    )
    queued_seconds: float = Field(
        default=20.0, gt=0, description="Seconds of work that may wait; more is answered 503."
    )

    body_bytes: int = Field(
        default=16 << 20, ge=1024, description="Bytes of a request's body, at most."
    )
    job_bytes: int = Field(
        default=256 << 20,
        ge=1024,
        description="Bytes of a job that is sent as JSON lines, which is stored as it comes.",
    )
    pending_bytes: int = Field(
        default=256 << 20,
        ge=1024,
        description="Bytes of all bodies in work; more are answered 503.",
    )
    body_seconds: float = Field(
        default=60.0, gt=0, description="Time a client has to send its body."
    )
    shutdown_seconds: int = Field(
        default=60, ge=1, description="Time that requests in work have to finish at a shutdown."
    )

    keys_file: Path | None = Field(
        default=None, description="File of API keys, where there is no store."
    )
    require_keys: bool | None = Field(
        default=None,
        description="Whether a key is asked for; else only off loopback, or where keys were made.",
    )
    rate_limit: str = Field(default="600/minute", description="Requests of one key.")
    allowed_hosts: Names = Field(
        default=(), description="Names by which clients may call this server."
    )
    cors_origins: Names = Field(
        default=(), description="Origins of other sites' pages that may call."
    )
    login_seconds: int = Field(
        default=8 * 3600, ge=60, description="How long a page stays logged in."
    )
    secure_cookie: bool = Field(default=False, description="Send the cookie over TLS alone.")

    live_sessions: int = Field(default=200, ge=1, description="Live sessions at once.")
    live_resume_seconds: float = Field(
        default=120.0,
        ge=0,
        description="How long a live session waits for a client that dropped out.",
    )

    store: SecretStr | None = Field(
        default=None, description="URL of the database of stored sessions."
    )
    store_key: SecretStr | None = Field(
        default=None, description="The key that encrypts the store."
    )
    job_lease_seconds: float = Field(
        default=20.0,
        gt=0,
        description="After how long without a sign of life a job is taken out of a worker's hands.",
    )
    retention_days: int | None = Field(
        default=None, ge=1, description="Days after which stored sessions are erased; else never."
    )

    @field_validator("allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
