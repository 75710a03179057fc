"""The way of a request: by raw items, by arrays and piece by piece, many at once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from base64 import b64encode

import numpy as np
import pytest
from serving import BUNDLES, MODELS, a_server, golden_items, run, servable

from drivetrain.errors import UsageError
from drivetrain.ragged import as_batch
from drivetrain.runtime import Predictor
from drivetrain.serve.path import Pieces, answer_items, answer_tensors
from drivetrain.serve.types import LATE, Asked, Refusal, Request, Response, Route
from drivetrain.types import Answer, Failure

ASKED = Request("POST", "/models/m/predict", id="r1")
SINGLE = [name for name in MODELS if name not in ("writer", "translator", "sales")]


@pytest.mark.parametrize("name", SINGLE)
def test_raw_items_get_the_answers_that_predict_gives(name: str) -> None:
    model = servable(name)
    items = golden_items(model)
    found = run(answer_items(a_server(model), Asked(name), items, ASKED))
    predictor = Predictor(BUNDLES / f"{MODELS[model.name]}.bundle", trusted=True, verify=False, threads=1)
    assert found.answers == predictor.predict_many(items)
    assert (found.model, found.version, found.hash) == (name, 1, model.bundle.hash)


@pytest.mark.parametrize("name", SINGLE)
def test_arrays_give_the_numbers_that_raw_items_give(name: str) -> None:
    model = servable(name)
    server, codecs = a_server(model), model.bundle.signature.inputs
    for case in model.bundle.cases[:8]:
        feeds = {field: case.encoded[field][None] for field in codecs}
        found = run(answer_tensors(server, Asked(name), feeds, ASKED))
        item = {field: codec.from_bytes(case.raw[field]) for field, codec in codecs.items()}
        (answer,) = run(answer_items(server, Asked(name), [item], ASKED)).answers
        assert isinstance(answer, Answer)
        for target, codec in model.bundle.signature.targets.items():
            assert codec.decode(found.outputs[target][0]) == answer.targets[target]
            assert (
                found.outputs[target].shape[1:]
                == model.outputs[[*model.bundle.signature.targets].index(target)].shape[1:]
            )


def test_a_forecast_is_made_of_columns_of_rows_and_of_a_csv() -> None:
    model = servable("sales")
    columns = {name: [*cells] for name, cells in model.bundle.histories[0].rows.items()}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    lines = [
        ",".join("" if cell is None else str(cell) for cell in row)
        for row in ([*columns], *zip(*columns.values()))
    ]
    items = [{"history": given} for given in (columns, rows, "\n".join(lines))]
    found = run(
        answer_items(a_server(model), Asked("sales"), [*items, {"histroy": rows}, {"history": []}], ASKED)
    ).answers
    whole = [each.targets for each in found[:3] if isinstance(each, Answer)]
    assert whole[0] == whole[1] == whole[2]
    assert found[0].to_json()["forecasts"][0]["forecast"]
    assert [each.error.fix for each in found[3:4] if isinstance(each, Failure)] == ["Did you mean history?"]
    assert isinstance(found[4], Failure)


def test_what_is_written_comes_whole_and_piece_by_piece() -> None:
    async def pieces(server: object) -> list[int]:
        found = Pieces(server, Asked("writer"), [5], {"most": 5}, ASKED)  # type: ignore[arg-type]
        return [piece.token async for piece in found if not piece.stops]

    server = a_server(servable("writer"), servable("translator"))
    whole = run(answer_items(server, Asked("writer"), [[5]], ASKED, options={"most": 5})).answers[0].to_json()
    assert whole["tokens"] == run(pieces(server))
    assert (
        run(answer_items(server, Asked("translator"), [{"prompt": [5]}], ASKED, options={"width": 2}))
        .answers[0]
        .to_json()["tokens"]
    )
    with pytest.raises(UsageError, match="no option 'mots'"):
        run(answer_items(server, Asked("writer"), [[5]], ASKED, options={"mots": 5}))


@pytest.mark.parametrize(("why", "status"), [((LATE,), 503), ((), 499)])
def test_who_was_told_that_it_takes_too_long_is_not_counted_as_gone(
    why: tuple[str, ...], status: int
) -> None:
    async def slow(*_: object) -> Response:
        await asyncio.sleep(30)
        raise AssertionError

    async def counted() -> list[int]:
        server, seen = a_server(servable("houses")), list[int]()
        server.finished = lambda request, status: seen.append(status)
        work = asyncio.create_task(server.answer(Request("GET", "/", route=Route("GET", "/", slow, "read"))))
        await asyncio.sleep(0)
        work.cancel(*why)
        await asyncio.gather(work, return_exceptions=True)
        return seen

    assert run(counted()) == [status]


def test_the_memory_of_large_requests_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr("drivetrain.serve.server.TIDY_SECONDS", 0.05)
    monkeypatch.setattr("drivetrain.serve.server.give_back", lambda: given.append(1))
    server = a_server(servable("said"))
    circle = Failure("a", UsageError("b"))
    circle.error.args = (circle,)
    gone = weakref.ref(circle.error)
    del circle

    async def main() -> None:
        for size in (10, 100_000, 100_000):
            await server.answer(Request("POST", "/nowhere", body=b"x" * size))
        assert not given
        await asyncio.sleep(0.2)
        await server.answer(Request("POST", "/nowhere", body=b"x"))
        until = asyncio.get_running_loop().time() + 10
        while not given and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.1)

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()
    assert given == [1]
    assert gone() is None


def test_a_text_is_never_a_path(tmp_path: object) -> None:
    model = servable("pictures")
    server, (item, *_) = a_server(model), golden_items(model)
    path = f"{tmp_path}/a.png"
    with open(path, "wb") as file:
        file.write(item["image"])
    for given in (path, {"image": path}, "https://example.org/a.png", "file:///etc/passwd"):
        (found,) = run(answer_items(server, Asked("pictures"), [given], ASKED)).answers
        assert isinstance(found, Failure)
        assert "base64" in found.error.error
    written = b64encode(item["image"]).decode()
    for given in (written, f"data:image/png;base64,{written}", {"image": written}):
        (found,) = run(answer_items(server, Asked("pictures"), [given], ASKED)).answers
        assert isinstance(found, Answer)


def test_many_callers_share_runs_and_one_bad_item_fails_alone() -> None:
    model = servable("houses")
    model.batcher = None  # That of another test's server.
    server, items = a_server(model), golden_items(model)

    async def many() -> list[object]:
        asked = [[item] for item in items] * 4
        asked[5] = [{"area": "wide", "town": "Ulm"}]
        return await asyncio.gather(*(answer_items(server, Asked("houses"), each, ASKED) for each in asked))

    found = run(many())
    alone = [run(answer_items(server, Asked("houses"), [item], ASKED)).answers for item in items] * 4
    assert isinstance(found[5].answers[0], Failure)  # type: ignore[attr-defined]
    for place, (one, other) in enumerate(zip(found, alone)):
        assert place == 5 or one.answers[0].targets["price"]["value"] == pytest.approx(
            other[0].targets["price"]["value"]
        )  # type: ignore[attr-defined]
    told = server.counters.statistics("houses", model.version)
    assert told.execution_count < 1 + len(items) + len(found)
    assert told.inference_count == len(found) + len(items)


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"area": np.zeros(1, np.float32)}, "missing required .*'town'"),
        ({"area": np.zeros(0, np.float32), "town": np.zeros(2, np.int64)}, "batch size|no rows|2 rows"),
        ({"area": np.zeros(1, np.float32), "town": np.zeros(2, np.int64)}, "2 rows, not 1"),
        ({"area": np.zeros(1, np.float64), "town": np.zeros(1, np.int64)}, "is 'FP64', but"),
        (
            {"area": np.zeros((1, 2), np.float32), "town": np.zeros(1, np.int64)},
            r"Expected \[-1\], got \[1,2\]",
        ),
        (
            {"area": np.zeros(1, np.float32), "town": np.zeros(1, np.int64), "twon": np.zeros(1)},
            "unexpected inference input 'twon'",
        ),
        ({"area": np.zeros(0, np.float32), "town": np.zeros(0, np.int64)}, "no rows"),
    ],
)
def test_arrays_that_the_model_cannot_take_are_told_by_name(feeds: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        run(answer_tensors(a_server(servable("houses")), Asked("houses"), feeds, ASKED))


def test_a_code_out_of_range_fails_its_caller_alone() -> None:
    server = a_server(servable("houses"))

    async def both() -> list[object]:
        asked = [{"area": np.ones(1, np.float32), "town": np.array([code])} for code in (0, 99, 1)]
        return await asyncio.gather(
            *(answer_tensors(server, Asked("houses"), feeds, ASKED) for feeds in asked),
            return_exceptions=True,
        )

    first, bad, last = run(both())
    assert isinstance(bad, Refusal)
    assert bad.status == 400
    assert first.outputs["price"].shape == last.outputs["price"].shape == (1,)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["pictures", "files", "sounds", "said", "houses"])
def test_raw_values_as_tensors_give_the_numbers_that_encoded_ones_give(name: str) -> None:
    model = servable(name)
    server, inputs = a_server(model), model.bundle.signature.inputs
    cases = [
        case for case in model.bundle.cases[:6] if b"null" not in case.raw.values()
    ]  # BYTES can't say it.
    encoded = as_batch({
        field: codec.together([case.encoded[field] for case in cases]) for field, codec in inputs.items()
    })  # fmt: skip
    named = {
        key.replace(" lengths of ", "") + "_lengths" * key.startswith(" "): array
        for key, array in encoded.items()
    }
    raw = dict(named)
    field, codec = list(inputs.items())[-1]
    values = [
        case.raw[field] if codec.from_files else str(codec.from_bytes(case.raw[field])).encode()
        for case in cases
    ]
    raw[field] = np.array([*values, None], object)[:-1]
    raw.pop(f"{field}_lengths", None)
    found, wanted = (run(answer_tensors(server, Asked(name), feeds, ASKED)) for feeds in (raw, named))
    for target, array in wanted.outputs.items():
        np.testing.assert_array_equal(found.outputs[target], array)


def test_a_forecasting_graph_answers_arrays_too() -> None:
    model = servable("sales")
    cases, signature = model.bundle.cases, model.bundle.signature
    feeds = {field: np.stack([case.encoded[field] for case in cases]) for field in signature.inputs}
    found = run(answer_tensors(a_server(model), Asked("sales"), feeds, ASKED))
    for target in signature.targets:
        np.testing.assert_allclose(
            found.outputs[target], np.stack([case.output[target] for case in cases]), rtol=1e-4, atol=1e-4
        )


def test_rows_of_different_lengths_are_padded_by_us_and_not_by_the_caller() -> None:
    model = servable("said")
    server, (field,) = a_server(model), model.bundle.signature.inputs
    case = model.bundle.cases[0]
    row = case.encoded[field]
    junk = np.concatenate([row, np.full(7, 3, row.dtype)])[None]
    asked = {field: junk, f"{field}_lengths": np.array([len(row)])}
    found = run(answer_tensors(server, Asked("said"), asked, ASKED)).outputs
    for target, array in run(
        answer_tensors(server, Asked("said"), {field: row[None]}, ASKED)
    ).outputs.items():
        np.testing.assert_allclose(found[target], array, rtol=1e-5, atol=1e-6)
    with pytest.raises(UsageError, match="a length is not"):
        run(answer_tensors(server, Asked("said"), {**asked, f"{field}_lengths": np.array([99])}, ASKED))
