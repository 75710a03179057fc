"""What a server is told: `serve.toml` and the command line, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivetrain.records.kept import Kept


@dataclass(frozen=True)
class Limits:
    """What one caller can ask of the server at most."""

    body: int = 32 * 2**20
    """Bytes of a request, counted after decompression."""
    headers: int = 32 * 1024
    """Bytes of a request's line and headers."""
    seconds_to_receive: float = 20.0
    """From a request's first byte to its last; a connection that says nothing is closed after as long."""
    connections: int = 2048
    pixels: int = 40_000_000
    depth: int = 100
    """Of JSON."""
    rows: int = 4096
    """Rows of one request."""
    seconds_to_answer: float = 60.0
    requests_per_second: float = 0.0
    """Of one caller (key, or address where there is none), with a burst of twice as many; 0: as many as it likes."""


@dataclass(frozen=True)
class Key:
    """An API key: only its SHA-256 is kept (a key is 256 random bits: there is nothing to guess, so nothing to slow down)."""

    name: str
    sha256: str
    rights: tuple[str, ...] = ("infer", "read")
    models: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Access:
    """Who may call. Without keys anybody may ask and look, and nobody may change anything."""

    keys: tuple[Key, ...] = ()
    admin: bool = False
    """Whether there are routes that change the server at all; they need a key with the right "admin" even then."""
    hosts: tuple[str, ...] = ()
    """Host headers that are answered; empty: this machine's names, and the address that it listens on."""
    origins: tuple[str, ...] = ()
    """Origins of pages that may call from a browser, beside the server's own."""
    certificate: str = ""
    private_key: str = ""
    client_authority: str = ""
    """A file of certificates: callers must have one that these have signed (mTLS)."""


@dataclass(frozen=True)
class Batching:
    """Rows of several callers in one run of a model's graph."""

    most: int = 64
    """Rows of one run."""
    delay_ms: float = 0.0
    """How long rows may wait for company while nothing runs."""
    queue: int = 1024
    """Rows that may wait; more are refused with 503 and Retry-After."""
    deadline_ms: float = 0.0
    """Rows that have waited longer are refused with 503; 0: as long as `Limits.seconds_to_answer`."""


@dataclass(frozen=True)
class ModelSettings:
    path: str = ""
    """A bundle, or a folder of versions; empty: the model's folder in the repository."""
    versions: tuple[int, ...] = ()
    """Those to keep loaded; empty: the newest `keep`, and each that has a label."""
    keep: int = 1
    labels: Mapping[str, int] = field(default_factory=dict[str, int])
    """champion, challenger, stable, canary or what you like -> version."""
    traffic: Mapping[str, float] = field(default_factory=dict[str, float])
    """Label, or version as text, -> share of those requests that name neither; empty: all to the newest."""
    sticky: str = ""
    """The header whose value keeps a caller with one version."""
    shadow: tuple[str, ...] = ()
    """Labels that are asked too, whose answers are compared and not given."""
    batching: Batching = Batching()
    records: Kept | None = None


@dataclass(frozen=True)
class Settings:
    path: str
    http: int | None = 8000
    grpc: int | None = None
    host: str = "127.0.0.1"
    workers: int = 1
    threads: int | None = None
    """Of one run of a graph; None: the cores there are, shared among workers."""
    reload_seconds: float = 1.0
    """How often the repository is looked at; 0: never."""
    records: str = ""
    """URL of the store of records: sqlite:///FILE, postgresql://...; empty: nothing is recorded."""
    limits: Limits = Limits()
    access: Access = Access()
    models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    defaults: ModelSettings = ModelSettings()
    """Of models that aren't named."""
