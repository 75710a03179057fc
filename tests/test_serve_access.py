"""Who may call what: held against the routes that there are, whoever adds more of them."""

from __future__ import annotations

import time

import pytest

from drivetrain.serve.access import Gate, digest, new_key
from drivetrain.serve.http.door import Door
from drivetrain.serve.protocols import routes
from drivetrain.serve.routes import Routes
from drivetrain.serve.settings import Access, Key, Limits, Settings
from drivetrain.serve.types import Caller, Refusal, Request, Response, Route

ADMIN, ADMIN_HASH = new_key()
USER, USER_HASH = new_key()
ONE, ONE_HASH = new_key()
KEYS = (
    Key("admin", ADMIN_HASH, ("infer", "read", "admin")),
    Key("user", USER_HASH),
    Key("one", ONE_HASH, models=("tiny",)),
)
ALL = routes()


class Counting:
    """A server whose handlers are counted and never run."""

    def __init__(self, access: Access, limits: Limits | None = None) -> None:
        self.routes = Routes(ALL)
        self.gate = Gate(Settings("", access=access, limits=limits or Limits()))

    async def answer(self, request: Request) -> Response:
        raise AssertionError


def status(access: Access, method: str, path: str, **headers: str) -> int:
    """What the door says of a request; 200 where it lets it in."""
    named = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        Door(Counting(access), 1000).admit(Request(method, path, headers=named), "127.0.0.1", "", "1.1")
    except Refusal as refusal:
        return refusal.status
    return 200


def at(route: Route) -> str:
    return route.pattern.format(model="tiny", version="1", label="canary", file="page.css", name="x")


BAD = {
    "none": {}, "empty": {"authorization": "Bearer "}, "unknown": {"x_api_key": new_key()[0]},
    "basic": {"authorization": "Basic YTpi"},
    "its hash": {"x_api_key": ADMIN_HASH}, "cut": {"x_api_key": ADMIN[:-1]}, "longer": {"x_api_key": ADMIN + "a"},
    "user": {"x_api_key": USER}, "one": {"authorization": f"Bearer {ONE}"}, "its name": {"x_api_key": "admin"},
    "upper": {"x_api_key": ADMIN.upper()}, "two": {"x_api_key": f"{USER}, {ADMIN}"}, "not ASCII": {"x_api_key": "\xff\ud800"},
}  # fmt: skip


@pytest.mark.parametrize(
    "route", [r for r in ALL if r.right == "admin"], ids=lambda r: f"{r.method} {r.pattern}"
)
def test_nobody_changes_the_server_without_its_key(route: Route):
    access = Access(keys=KEYS, admin=True)
    for name, headers in BAD.items():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            wanted = {401, 403} if method == route.method else {401, 403, 405}
            assert status(access, method, at(route), **headers) in wanted, (name, method)
    assert status(access, route.method, at(route), x_api_key=ADMIN) == 200
    assert (
        status(Access(keys=KEYS), route.method, at(route), x_api_key=ADMIN) == 403
    )  # Off unless it is said.
    assert status(Access(admin=True), route.method, at(route)) == 403  # Never without a key.


def test_there_are_routes_that_change_the_server():
    assert {r.pattern for r in ALL if r.right == "admin"} >= {
        "/v2/repository/models/{model}/load",
        "/v2/repository/models/{model}/unload",
    }


@pytest.mark.parametrize("route", ALL, ids=lambda r: f"{r.method} {r.pattern}")
def test_each_route_asks_for_its_right_and_its_model(route: Route):
    access = Access(keys=KEYS)
    assert status(access, route.method, at(route)) == (
        200 if route.right == "open" else 403 if route.right == "admin" else 401
    )
    if route.right in ("infer", "read"):
        assert status(access, route.method, at(route), x_api_key=USER) == 200
        assert status(access, route.method, at(route), x_api_key=ONE) == 200
        assert status(Access(), route.method, at(route)) == 200
        if "{model}" in route.pattern:
            elsewhere = route.pattern.format(model="other", version="1", label="canary", file="x", name="x")
            assert status(access, route.method, elsewhere, x_api_key=ONE) == 403


@pytest.mark.parametrize(
    "route", [r for r in ALL if r.method != "GET"], ids=lambda r: f"{r.method} {r.pattern}"
)
def test_a_page_of_another_origin_sets_nothing_going(route: Route):
    """A browser's simple requests need no preflight: text/plain and forms. They say where they come from."""
    for headers in (
        {"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"},
        {"origin": "http://localhost:3000"}, {"origin": "http://localhost.evil.example"}, {"origin": "http://evil.example@localhost"},
        {"origin": "file://"}, {"origin": ""}, {"origin": "https://evil.example, http://localhost"},
    ):  # fmt: skip
        assert (
            status(Access(keys=KEYS, admin=True), route.method, at(route), x_api_key=ADMIN, **headers) == 403
        ), headers


def test_the_servers_own_pages_and_programs_may_call():
    for headers in (
        {}, {"origin": "http://localhost"}, {"origin": "https://localhost", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "HTTP://LOCALHOST"},
    ):  # fmt: skip
        assert status(Access(), "POST", "/models/tiny/predict", **headers) == 200, headers
    # A link from elsewhere opens a page: nothing is set going by it, and no page reads it.
    assert status(Access(), "GET", "/models/tiny", sec_fetch_site="cross-site") == 200


@pytest.mark.parametrize(
    ("hosts", "given", "wanted"),
    [
        ((), "localhost", 200), ((), "localhost:8000", 200), ((), "LOCALHOST", 200), ((), "localhost.", 200),
        ((), "127.0.0.1:8000", 200),
        ((), "[::1]:8000", 200), ((), "10.1.2.3", 200), ((), "evil.example", 421), ((), "localhost.evil.example", 421),
        ((), "", 421),
        ((), "localhost:80x", 421), ((), "localhost:80:80", 421), ((), "[::1", 421), ((), "[::1]x", 421), ((), "a b", 421),
        ((), "localhost/x", 421), ((), "0x7f000001", 421), ((), "127.1", 421),
        (("models.example",), "models.example:8000", 200), (("models.example",), "localhost", 421),
        (("models.example",), "127.0.0.1", 421),
        (("*.example",), "a.example", 200), (("*.example",), "example", 421), (("*.example",), "aexample", 421),
        (("*",), "any.thing", 200),
        (("[::1]:8000",), "[::1]", 200),
    ],
)  # fmt: skip
def test_hosts(hosts: tuple[str, ...], given: str, wanted: int):
    assert status(Access(hosts=hosts), "GET", "/v2", host=given) == wanted


def test_whether_it_is_alive_is_told_under_each_name():
    """Kubernetes probes the address of a pod, whatever names are listed."""
    access = Access(hosts=("models.example",), keys=KEYS)
    for path in ("/health/live", "/health/ready", "/v2/health/ready"):
        assert status(access, "GET", path, host="10.1.2.3:8000") == 200
    assert status(access, "GET", "/nowhere", host="10.1.2.3:8000") == 421


def test_many_names_of_hosts_are_not_remembered():
    gate = Gate(Settings(""))
    for i in range(3000):
        with pytest.raises(Refusal):
            gate.host(f"a{i}.example")
    assert len(gate._known_hosts) <= 1000


def test_keys_are_random_and_kept_as_digests():
    made = {new_key() for _ in range(100)}
    assert len({key for key, _ in made}) == 100
    for key, hashed in made:
        assert digest(key) == hashed
        assert len(key) == 46
        assert len(hashed) == 64
        assert key not in hashed


def test_a_bucket_fills_again(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    gate = Gate(Settings("", limits=Limits(requests_per_second=2)))
    caller = Caller("a", "10.0.0.1")
    for _ in range(4):
        gate.rate(caller)
    with pytest.raises(Refusal) as refused:
        gate.rate(caller)
    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "1"}
    gate.rate(Caller("b", "10.0.0.1"))
    now += 0.5
    gate.rate(caller)
    with pytest.raises(Refusal):
        gate.rate(caller)


def test_routes_find_the_most_fixed_one():
    made = Routes(
        [
            Route("GET", "/models/{model}/page", None), Route("GET", "/models/{model}/{anything}", None), Route("GET", "/", None),
            Route("POST", "/v1/models/{model}:predict", None), Route("GET", "/v1/models/{model}", None),
            Route("GET", "/models/stats", None),
            Route("GET", "/models/{model}", None),
        ]  # type: ignore[list-item]
    )  # fmt: skip

    def found(method: str, path: str) -> tuple[str, dict[str, str]]:
        route, places = made.match(method, path)
        return route.pattern, places

    assert found("GET", "/models/a/page") == ("/models/{model}/page", {"model": "a"})
    assert found("GET", "/models/a/pages") == (
        "/models/{model}/{anything}",
        {"model": "a", "anything": "pages"},
    )
    assert found("POST", "/v1/models/a.b-c:predict") == ("/v1/models/{model}:predict", {"model": "a.b-c"})
    assert found("HEAD", "/") == ("/", {})
    assert found("GET", "/models/stats") == ("/models/stats", {})
    for method, path, wanted in (
        ("GET", "/models/", 404), ("GET", "/models", 404), ("GET", "*", 404), ("POST", "/models/a", 405),
        ("POST", "/v1/models/a:b:predict", 404),
        ("POST", "/v1/models/:predict", 404), ("GET", "/models/a/page/", 404), ("GET", "/" * 10_000, 404),
    ):  # fmt: skip
        with pytest.raises(Refusal) as refused:
            made.match(method, path)
        assert refused.value.status == wanted, (method, path)
    with pytest.raises(ValueError, match="two routes"):
        Routes([Route("GET", "/{a}", None), Route("GET", "/{b}", None)])  # type: ignore[arg-type]


def test_who_may_not_is_told_whom_to_ask() -> None:
    gate = Gate(Settings("m", access=Access(keys=(Key("one", digest("one"), ("infer",), ("a",)),))))
    caller = gate.caller({"x-api-key": "one"}, "127.0.0.1")
    for right, model in (("infer", "b"), ("read", "a")):
        with pytest.raises(Refusal) as refused:
            gate.may(caller, right, model)  # type: ignore[arg-type]
        assert (refused.value.status, refused.value.fix) == (
            403,
            "Ask whoever runs this server for a key that may.",
        )
