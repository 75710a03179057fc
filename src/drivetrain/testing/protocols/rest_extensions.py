"""Open Inference Protocol over REST: the repository, statistics and classification extensions of Triton."""

from __future__ import annotations

from typing import Any

from drivetrain.testing.protocols.rest_infer import INFER
from drivetrain.testing.protocols.suite import Skipped, case, equal, must
from drivetrain.testing.protocols.target import Target, outputs_of, simple_request, tensor

REPOSITORY, STATISTICS = "triton extension_model_repository.md", "triton extension_statistics.md"
CLASSES = "triton extension_classification.md"


def _index(server: Target, **asked: Any) -> list[dict[str, Any]]:
    server.needs_extension("model_repository")
    said = server.post("/v2/repository/index", asked).ok()
    must(isinstance(said, list), f"the index is no list: {said!r:.80}")
    return said


@case("v2.repository.index", source=REPOSITORY)
def index(server: Target) -> None:
    """The index lists each model by name and state, all texts."""
    found = _index(server)
    for each in found:
        must(
            all(isinstance(each.get(key, ""), str) for key in ("name", "version", "state", "reason")),
            f"{each!r:.100}",
        )
    server.needs_model("simple")
    must(
        any(each["name"] == "simple" and each.get("state") == "READY" for each in found),
        "'simple' is not READY in it",
    )


@case("v2.repository.index.ready", source=REPOSITORY)
def index_ready(server: Target) -> None:
    """With `ready` only those that are."""
    must(all(each.get("state") == "READY" for each in _index(server, ready=True)), "another is among them")


@case("v2.repository.index.empty_body", source="tritonclient get_model_repository_index", must=False)
def index_empty(server: Target) -> None:
    """The body may be empty."""
    server.needs_extension("model_repository")
    must(isinstance(server.post("/v2/repository/index", b"").ok(), list), "no list")


@case("v2.repository.load.unknown", source=REPOSITORY)
def load_unknown(server: Target) -> None:
    """Loading what isn't there, or without the right, is 4xx with an error object."""
    server.needs_extension("model_repository")
    server.post("/v2/repository/models/no_such_model/load", {}).refused()


@case("v2.repository.unload.unknown", source="CWE-306", must=False)
def unload_alone(server: Target) -> None:
    """Nobody without a key can take a model away."""
    server.needs_extension("model_repository")
    server.needs_model("simple")
    if server.headers:
        raise Skipped("the suite was given a key")
    reply = server.post("/v2/repository/models/simple/unload", {})
    server.post("/v2/repository/models/simple/load", {})
    must(reply.status in (401, 403, 404, 405), f"status {reply.status}: anybody may unload models")


def _statistics(server: Target, path: str = "/simple") -> list[dict[str, Any]]:
    server.needs_extension("statistics")
    server.needs_model("simple")
    said = server.get(f"/v2/models{path}/stats").ok()
    must(isinstance(said.get("model_stats"), list), "no list 'model_stats'")
    return said["model_stats"]


@case("v2.statistics.model", source=STATISTICS)
def statistics(server: Target) -> None:
    """A model's statistics have its name and whole numbers."""
    (first, *_) = _statistics(server)
    equal(first["name"], "simple", "the name")
    for key in ("last_inference", "inference_count", "execution_count"):
        must(isinstance(first.get(key), int), f"{key} is {first.get(key)!r}")


@case("v2.statistics.all", source=STATISTICS)
def statistics_all(server: Target) -> None:
    """Without a name they are of all models."""
    must(any(each["name"] == "simple" for each in _statistics(server, "")), "'simple' is not among them")


@case("v2.statistics.version", source=STATISTICS)
def statistics_version(server: Target) -> None:
    """With a version they are of that."""
    server.needs_extension("statistics")
    server.needs_model("simple")
    version = server.version_of("simple")
    equal(
        [each.get("version") for each in _statistics(server, f"/simple/versions/{version}")],
        [version],
        "the versions",
    )


@case("v2.statistics.durations", source=STATISTICS)
def statistics_durations(server: Target) -> None:
    """Each duration is a count and nanoseconds."""
    server.post(INFER, simple_request())
    (first, *_) = _statistics(server)
    for key in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"):
        found = first["inference_stats"].get(key) or {}
        must(isinstance(found.get("count"), int) and isinstance(found.get("ns"), int), f"{key} is {found!r}")


def _count(server: Target, key: str) -> int:
    return sum(each[key] for each in _statistics(server))


@case("v2.statistics.counts_rows", source=STATISTICS)
def statistics_rows(server: Target) -> None:
    """A request of three rows counts as three inferences."""
    before = _count(server, "inference_count")
    server.post(INFER, simple_request(3)).ok()
    must(_count(server, "inference_count") >= before + 3, "it counts fewer")


@case("v2.statistics.unknown", source=STATISTICS)
def statistics_unknown(server: Target) -> None:
    """The statistics of no model are an error object."""
    server.needs_extension("statistics")
    server.get("/v2/models/no_such_model/stats").refused()


def _classes(server: Target, count: Any) -> Any:
    server.needs_extension("classification")
    server.needs_model("identity_fp32")
    asked = [{"name": "OUTPUT0", "parameters": {"classification": count}}]
    record = {"inputs": [tensor("INPUT0", "FP32", [1, 4], [0.1, 0.9, 0.3, 0.2])], "outputs": asked}
    return server.post("/v2/models/identity_fp32/infer", record)


@case("v2.classification.best", source=CLASSES)
def classification(server: Target) -> None:
    """The best two come as texts of value, place and, where there is one, label, the best first."""
    found = outputs_of(_classes(server, 2).ok())["OUTPUT0"]
    equal((found["datatype"], list(found["shape"])), ("BYTES", [1, 2]), "the type")
    equal([each.split(":")[1] for each in found["data"]], ["1", "2"], "the places")
    must(abs(float(found["data"][0].split(":")[0]) - 0.9) < 1e-6, f"the value is {found['data'][0]!r}")


@case("v2.classification.more", source=CLASSES, must=False)
def classification_more(server: Target) -> None:
    """More classes than there are: as many as there are."""
    equal(len(outputs_of(_classes(server, 10).ok())["OUTPUT0"]["data"]), 4, "the number")


@case("v2.classification.refused", source=CLASSES, must=False)
def classification_refused(server: Target) -> None:
    """A number of classes that is none is 4xx with an error object."""
    _classes(server, "two").refused()
