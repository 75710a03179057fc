"""Shares of the traffic hold, a caller stays with its arm, and nothing but what was asked decides."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import serving
from test_serve_repository import put, repository

from drivetrain.serve.router import Lease, NotServed, Router, drawn, sticky
from drivetrain.serve.server import Server
from drivetrain.serve.settings import ModelSettings
from drivetrain.serve.types import Asked

KEYS = [f"caller {number}" for number in range(8_000)]


def counted(arms: dict[str, float]) -> dict[str, int]:
    counts = dict.fromkeys(arms, 0)
    for key in KEYS:
        counts[sticky("a", arms, key)] += 1
    return counts


@pytest.mark.parametrize(
    "arms", [{"x": 0.5, "y": 0.5}, {"x": 0.99, "y": 0.01}, {"x": 0.2, "y": 0.3, "z": 0.5}]
)
def test_shares_of_callers_hold_within_chance(arms: dict[str, float]) -> None:
    for arm, count in counted(arms).items():
        share, n = arms[arm], len(KEYS)
        assert abs(count - n * share) < 4 * math.sqrt(n * share * (1 - share)), arm


def test_a_caller_changes_its_arm_only_where_the_shares_want_it() -> None:
    before, after = {"x": 0.9, "y": 0.1}, {"x": 0.8, "y": 0.2}
    moves = [(sticky("a", before, key), sticky("a", after, key)) for key in KEYS]
    assert not [move for move in moves if move == ("y", "x")], "who has the canary keeps it"
    moved = sum(old != new for old, new in moves) / len(moves)
    assert abs(moved - 0.1) < 4 * math.sqrt(0.1 * 0.9 / len(KEYS))
    # A third arm takes from both what it needs, and nobody changes between these.
    third = {"x": 0.8, "y": 0.1, "z": 0.1}
    moves = [(sticky("a", {"x": 8 / 9, "y": 1 / 9}, key), sticky("a", third, key)) for key in KEYS]
    assert {move for move in moves if move[0] != move[1]} == {("x", "z"), ("y", "z")}


def test_the_hash_is_the_same_everywhere_and_for_ever() -> None:
    assert [sticky("a", {"x": 0.5, "y": 0.5}, key) for key in "1234567890"] == [*"yyxxxxyxyx"]
    other = [sticky("b", {"x": 0.5, "y": 0.5}, key) for key in KEYS]
    same = sum(arm == sticky("a", {"x": 0.5, "y": 0.5}, key) for arm, key in zip(other, KEYS)) / len(KEYS)
    assert abs(same - 0.5) < 0.03, "another model's experiment is another draw"


def test_a_draw_is_told_and_gives_the_arm_again() -> None:
    arms = {"x": 0.25, "y": 0.75}
    assert [drawn(arms, draw) for draw in (0.0, 0.2499, 0.25, 0.9999999)] == ["x", "x", "y", "y"]
    assert drawn({"x": 0.1, "y": 0.2}, 0.99999) == "y"


def traffic(root: Path, **more: object) -> Router:
    for version in (1, 2, 3):
        put(root, "a", version, f"v{version}")
    settings = ModelSettings(
        labels={"stable": 1, "canary": 2},
        traffic={"stable": 0.9, "canary": 0.1},
        sticky="X-User",
        shadow=("canary",),
    )
    there = repository(root, a=settings)
    there.scan()
    return Router(there, seed=0)


def test_requests_that_name_nothing_are_shared_out(tmp_path: Path) -> None:
    router = traffic(tmp_path)
    leases = [router.lease(Asked("a")) for _ in range(4000)]
    share = sum(lease.arm == "canary" for lease in leases) / len(leases)
    assert abs(share - 0.1) < 4 * math.sqrt(0.09 / len(leases))
    assert {lease.by for lease in leases} == {"random"}
    arms = {"stable": 0.9, "canary": 0.1}
    assert all(lease.arm == drawn(arms, lease.draw or 0) for lease in leases), "the record tells what decided"
    assert [router.lease(Asked("a")).draw for _ in range(3)] != [leases[0].draw] * 3


def test_a_caller_with_a_key_stays(tmp_path: Path) -> None:
    router = traffic(tmp_path)

    def arm(key: str) -> tuple[str, str]:
        lease = router.lease(Asked("a", key=key))
        return lease.arm, lease.by

    assert all(
        arm(key) == arm(key) == (sticky("a", {"stable": 0.9, "canary": 0.1}, key), "key") for key in KEYS[:50]
    )


def test_who_names_a_version_or_label_gets_it(tmp_path: Path) -> None:
    router = traffic(tmp_path)
    for asked, version, by in (
        (Asked("a", version=3), 3, "version"),
        (Asked("a", label="canary"), 2, "label"),
    ):
        lease = router.lease(asked)
        assert (lease.servable.version, lease.by, lease.arm) == (version, by, "")
    with pytest.raises(NotServed):
        router.lease(Asked("a", version=4))


def test_shadows_are_asked_too_but_never_the_version_itself(tmp_path: Path) -> None:
    router = traffic(tmp_path)
    assert [shadow.version for shadow in router.lease(Asked("a", label="stable")).shadows] == [2]
    assert not router.lease(Asked("a", label="canary")).shadows


def test_an_arm_that_fails_gives_its_share_to_the_others(tmp_path: Path) -> None:
    router = traffic(tmp_path)
    (tmp_path / "a" / "2.bundle").write_text("bad")
    there = repository(tmp_path, a=router.repository.settings.models["a"])
    there.scan()
    leases = [Router(there, 0).lease(Asked("a")) for _ in range(20)]
    assert {lease.arm for lease in leases} == {"stable"}


def test_a_lease_may_be_ended_twice(tmp_path: Path) -> None:
    router = traffic(tmp_path)
    lease: Lease = router.lease(Asked("a"))
    held = router.repository.models["a"].held[lease.servable.version]
    with lease:
        assert held.leases == 1
    lease.close()
    assert held.leases == 0


def test_an_unknown_label_is_told_as_each_protocol_has_it(tmp_path: Path) -> None:
    there = traffic(tmp_path).repository
    server = Server(there.settings, repository=there, router=Router(there))
    told = {
        path: serving.ask(server, "POST", path, {"instances": [1], "items": [1]})
        for path in (
            "/v1/models/a/labels/canari:predict",
            "/models/a/labels/canari/predict",
            "/models/a/labels/zzz/predict",
        )
    }
    v1, friendly, far = told.values()
    assert (v1.status, serving.said(v1)) == (400, {"error": "Unrecognized servable version label: canari"})
    assert (friendly.status, serving.said(friendly)["fix"]) == (404, "Did you mean canary?")
    assert serving.said(far)["fix"] == "Its labels: stable, canary."
