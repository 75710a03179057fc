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
    """At once, of each worker; who comes beyond is turned away."""
    pixels: int = 40_000_000
    """Of a picture: a larger one is refused before it is decoded."""
    depth: int = 100
    """Of JSON: brackets within brackets."""
    rows: int = 4096
    """Rows of one request."""
    seconds_to_answer: float = 60.0
    """An answer that takes longer is given up (503)."""
    requests_per_second: float = 0.0
    """Of one caller (key, or address where there is none), with a burst of twice as many; 0: as many as it likes."""


@dataclass(frozen=True)
class Key:
    """An API key: only its SHA-256 is kept (a key is 256 random bits: there is nothing to guess, so nothing to slow down)."""

    name: str
    """What the caller is called in logs and limits."""
    sha256: str
    """Of the key, 64 hexadecimal digits in lower case; `drivetrain serve --new-key NAME` makes both."""
    rights: tuple[str, ...] = ("infer", "read")
    """"infer": ask models; "read": look at them and at /metrics; "admin": load and unload them."""
    models: tuple[str, ...] | None = None
    """Those that it may ask; left out: all."""


@dataclass(frozen=True)
class Access:
    """Who may call. Without keys anybody may ask and look, and nobody may change anything."""

    keys: tuple[Key, ...] = ()
    """Tables [[access.keys]]; with one nobody is answered without."""
    admin: bool = False
    """Whether there are routes that change the server at all; they need a key with the right "admin" even then."""
    hosts: tuple[str, ...] = ()
    """Host headers that are answered; empty: this machine's names, and the address that it listens on."""
    origins: tuple[str, ...] = ()
    """Origins of pages that may call from a browser, beside the server's own."""
    certificate: str = ""
    """A file of the server's certificate (and those between): then it speaks TLS."""
    private_key: str = ""
    """A file of the certificate's key."""
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
    """Rows that have waited longer are refused with 503; 0: as long as `seconds_to_answer`."""


@dataclass(frozen=True)
class ModelSettings:
    """Of one model."""

    path: str = ""
    """A bundle, or a folder of versions; empty: the model's folder in the repository."""
    versions: tuple[int, ...] = ()
    """Those to keep loaded; empty: the newest `keep`, and each that has a label."""
    keep: int = 1
    """How many of the newest versions answer, where `versions` names none. One that fails counts for nothing."""
    labels: Mapping[str, int] = field(default_factory=dict[str, int])
    """champion, challenger, stable, canary or what you like -> version."""
    traffic: Mapping[str, float] = field(default_factory=dict[str, float])
    """Label, or version as text, -> share of those requests that name neither; empty: all to the newest."""
    sticky: str = ""
    """The header whose value keeps a caller with one version."""
    shadow: tuple[str, ...] = ()
    """Labels that are asked too, whose answers are compared and not given."""
    batching: Batching = Batching()
    """A table: see below."""
    records: Kept | None = None
    """A table: see below; left out: everything, where there is a store."""


@dataclass(frozen=True)
class Settings:
    """All of it."""

    path: str
    """A bundle, a folder MODELS/NAME/VERSION, or the address of one (s3://, gs://, https:// ...)."""
    http: int | None = 8000
    """The port of HTTP; 0: a free one; false: none."""
    grpc: int | None = None
    """The port of gRPC; 0: a free one; false: none."""
    host: str = "127.0.0.1"
    """The address that is listened on; 0.0.0.0: all that this machine has."""
    workers: int = 1
    """Processes that answer, side by side."""
    threads: int | None = None
    """Of one run of a graph; left out: the cores there are, shared among workers."""
    reload_seconds: float = 1.0
    """How often the repository is looked at; 0: never."""
    records: str = ""
    """URL of the store of records: sqlite:///FILE, postgresql://...; empty: nothing is recorded."""
    limits: Limits = Limits()
    access: Access = Access()
    models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    defaults: ModelSettings = ModelSettings()
    """Of models that aren't named."""
