"""The server records what it answers: raw items and arrays, before the answer leaves; and takes the truth later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from serving import a_server, golden_items, run, said, servable

from drivetrain.bundle.golden import encoded_batch
from drivetrain.errors import UsageError
from drivetrain.files import to_json
from drivetrain.records import Kept, Record, open_store
from drivetrain.serve.path import Pieces, answer_items, answer_tensors
from drivetrain.serve.recording import checked
from drivetrain.serve.settings import ModelSettings, Settings
from drivetrain.serve.types import Asked, Refusal, Request

HOUSES = Asked("houses")


def recorded(
    folder: Path, work: Callable[[Any], Awaitable[None]], kept: Kept | None = None, name: str = "houses"
) -> list[Record]:
    """What a server that records has in its store after some work, the oldest first."""
    url = f"sqlite:///{folder / 'records.sqlite'}"
    settings = Settings("models", records=url, models={name: ModelSettings(records=kept)})

    async def all_of_it() -> None:
        server = a_server(servable(name), settings=settings)
        await server.start()
        try:
            await work(server)
        finally:
            await server.stop()

    run(all_of_it())
    with open_store(url) as store:
        return store.find()[::-1]


def predict(**headers: str) -> Request:
    return Request("POST", "/models/houses/predict", id="r-1", headers=headers)


def test_raw_items_and_arrays_give_the_same_records(tmp_path: Path) -> None:
    model = servable("houses")
    items, ids = golden_items(model)[:2], list[Any]()

    async def work(server: Any) -> None:
        keyed = predict(**{"x-record-keys": "case 1, case 2"})
        ids.extend((await answer_items(server, HOUSES, items, keyed)).record_ids)
        arrays = encoded_batch(model.bundle.signature, [row.encoded for row in model.read(items)])
        ids.extend((await answer_tensors(server, HOUSES, arrays, predict())).record_ids)

    found = recorded(tmp_path, work)
    assert [record.id for record in found] == ids
    assert [record.key for record in found] == ["case 1", "case 2", "", ""]
    assert {record.bundle for record in found} == {model.hash}
    assert [record.inputs for record in found[:2]] == [record.inputs for record in found[2:]]
    assert [record.answer for record in found[:2]] == [record.answer for record in found[2:]]


def test_what_was_written_is_recorded_whether_somebody_reads_to_its_end_or_not(tmp_path: Path) -> None:
    (prompt,) = golden_items(servable("writer"))[:1]
    ids, texts = list[Any](), list[str]()

    async def work(server: Any) -> None:
        for read in (5, 2):
            pieces = Pieces(server, Asked("writer"), prompt, {"most": 5}, predict())
            got = [await anext(pieces) for _ in range(read)]
            if read == 5:
                assert await anext(pieces, None) is None
            await pieces.aclose()
            ids.append(pieces.record_ids[0])
            texts.append("".join(piece.text for piece in got))

    found = recorded(tmp_path, work, name="writer")
    assert [record.id for record in found] == ids
    assert [record.answer["text"] for record in found] == texts


def test_what_is_redacted_is_in_no_file(tmp_path: Path) -> None:
    async def work(server: Any) -> None:
        items = [{"area": 77.25, "town": "Xanadu-on-Sea"}, {"area": "Xanadu-by-Rail", "town": "Ulm"}]
        await answer_items(server, HOUSES, items, predict())
        for file in tmp_path.rglob("*"):
            assert file.is_dir() or b"Xanadu" not in file.read_bytes(), file

    unusual, refused = recorded(tmp_path, work, Kept(redact=("town", "area")))
    assert unusual.inputs == refused.inputs == {}
    assert refused.answer == {"error": "not answered"}


def test_a_text_is_never_taken_for_the_path_of_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"of nobody's business")
    (picture,) = golden_items(servable("pictures"))[:1]
    (field,) = picture

    async def work(server: Any) -> None:
        await answer_items(server, Asked("pictures"), [picture, {field: str(secret)}], predict())

    good, bad = recorded(tmp_path, work, name="pictures")
    assert good.inputs is not None
    assert good.inputs[field]["bytes"] == len(picture[field])
    assert bad.inputs == {field: {"kind": "NoneType"}}


def test_an_answer_that_has_to_be_recorded_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def work(server: Any) -> None:
        monkeypatch.setattr("drivetrain.records.journal._write", full)
        with pytest.raises(Refusal) as fault:
            await answer_items(server, HOUSES, golden_items(servable("houses"))[:1], predict())
        assert (fault.value.status, fault.value.headers) == (503, {"Retry-After": "5"})

    assert recorded(tmp_path, work, Kept(required=True)) == []


def test_an_answer_that_need_not_be_recorded_is_given_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def work(server: Any) -> None:
        monkeypatch.setattr("drivetrain.records.journal._write", full)
        found = await answer_items(server, HOUSES, golden_items(servable("houses"))[:1], predict())
        assert found.record_ids == [None]
        assert server.recorder.counts["lost"] == 1

    assert recorded(tmp_path, work) == []


def test_a_redacted_name_that_is_no_input_is_found_when_the_model_is_loaded() -> None:
    with pytest.raises(UsageError, match="Did you mean town"):
        checked(servable("houses"), Kept(redact=("twon",)))
    assert checked(servable("houses"), Kept(redact=("town",)))


def test_outcomes_come_later(tmp_path: Path) -> None:
    items = golden_items(servable("houses"))[:2]

    async def work(server: Any) -> None:
        async def tell(body: Any) -> tuple[int, Any]:
            request = Request("POST", "/models/houses/outcomes", body=to_json(body).encode())
            response = await server.answer(request)
            return response.status, said(response)

        first, _ = (
            await answer_items(server, HOUSES, items, predict(**{"x-record-key": "case 7"}))
        ).record_ids
        status, told = await tell(
            {"outcomes": [{"key": "case 7", "value": 5.0}, {"id": first, "value": 6.0}]}
        )
        assert (status, told) == (200, {"stored": 2, "replaced": 0, "unchanged": 0, "unknown": []})
        assert (await tell({"key": "case 8", "value": 1}))[0] == 404
        assert (await tell([{"key": "case 8", "value": 1}, {"id": first, "value": 6.0}]))[0] == 400
        wrongs: list[Any] = [
            {},
            {"id": first},
            {"id": first, "valeu": 1},
            {"id": first, "value": None},
            {"outcomes": []},
            7,
            None,
        ]
        wrongs += [
            {"id": 7, "value": 1},
            {"id": first, "key": "case 7", "value": 1},
            {"key": "a\nb", "value": 1},
            {"outcomes": [7]},
        ]
        for wrong in wrongs:
            status, told = await tell(wrong)
            assert (status, {*told}) == (400, {"error", "where", "fix"}), wrong
        assert (await tell({"id": first, "value": "x" * 70_000}))[0] == 413
        assert (await tell({"outcomes": [{"id": first, "value": 1}] * 10_001}))[0] == 413

    first, second = recorded(tmp_path, work)
    assert (first.outcome, second.outcome) == (6.0, 5.0)


def test_outcomes_need_a_store() -> None:
    async def work() -> None:
        request = Request("POST", "/models/houses/outcomes", body=b'{"id": "x", "value": 1}')
        response = await a_server(servable("houses")).answer(request)
        assert response.status == 404
        assert "records = " in said(response)["fix"]

    run(work())
