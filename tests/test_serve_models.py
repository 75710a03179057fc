"""The friendly routes: raw values in whichever form, answers, what fails alone, and that no text is ever a path or an address."""

from __future__ import annotations

import csv
import io
import json
import struct
import threading
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from serving import MODELS, a_repository, golden_items, run, servable
from wired import JSON, Told, bundle, everything, look, over, tell

from drivetrain.errors import DrivetrainError
from drivetrain.runtime import Forecaster, Generator, Predictor
from drivetrain.serve import forms
from drivetrain.serve.items import items_of
from drivetrain.serve.multipart import Part, parts
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.programs.single import Single
from drivetrain.serve.protocols import generation, inference, tfserving
from drivetrain.serve.settings import Limits
from drivetrain.serve.types import Caller, Refusal, Request
from drivetrain.types import Answer

SINGLE = [name for name in MODELS if servable(name).program == "single"]
HOUSE = {"area": 100, "town": "Ulm"}
IMAGE: bytes = golden_items(servable("pictures"))[0]["image"]


def ask(model: str, body: Any, kind: str = "", **more: Any) -> Told:
    headers = {"content-type": kind} if kind else {}
    return tell(f"/models/{model}/predict", body, {**headers, **more.pop("headers", {})}, **more)


def form(*fields: tuple[str, Any, str | None], boundary: str = "b") -> tuple[bytes, str]:
    """The body of a form, and its type."""
    made = b""
    for name, value, filename in fields:
        data = value if isinstance(value, bytes) else str(value).encode()
        of = "" if filename is None else f'; filename="{filename}"'
        made += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{of}\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
    return made + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def price(told: Told) -> float:
    assert told.status == 200, told.body
    return told.json()["answers"][0]["value"]


# --- which there are --------------------------------------------------------------------------------------


def test_models_are_listed_and_described() -> None:
    told = look("/models").json()["models"]
    assert [each["name"] for each in told] == sorted(MODELS)
    (houses,) = (each for each in told if each["name"] == "houses")
    assert houses["default"] == 1
    assert houses["versions"][0]["state"] == "ready"
    assert [
        each["name"] for each in look("/models", caller=Caller(models=frozenset({"said"}))).json()["models"]
    ] == ["said"]
    about = look("/models/houses").json()
    assert [each["name"] for each in about["inputs"]] == ["area", "town"]
    assert about["inputs"][1]["schema"]["enum"] == ["Ulm", "Bonn"]
    assert about["targets"][0]["name"] == "price"
    assert about["limits"]["rows"] == Limits().rows
    assert look("/models/houses/versions/1").json() == about
    assert look("/models/sales").json()["forecast"]["horizon"] == 3
    assert look("/models/writer").json()["generates"]
    assert look("/models/translator").json()["writes"]


@pytest.mark.parametrize("name", ["no", "house", "..", "%2e%2e", "a\0b", "ä", "a" * 500])
def test_a_model_that_there_is_not(name: str) -> None:
    for told in (look(f"/models/{name}"), ask(name, HOUSE)):
        assert told.status in (400, 404)
        assert {"error", "where", "fix"} == {*told.json()}
    assert "houses" in look("/models/house").json()["fix"]


# --- every form -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SINGLE)
def test_raw_values_get_the_answers_that_predict_gives(name: str) -> None:
    model = servable(name)
    predictor = Predictor(bundle(name), trusted=True, verify=False, threads=1)
    items, sent = [], []
    for item in golden_items(model):
        as_json = {
            field: b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else value
            for field, value in item.items()
        }
        try:
            json.dumps(as_json, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError):
            continue
        sent.append(as_json)
        items.append(item)
    told = ask(name, sent)
    assert told.status == 200
    for answer, want in zip(told.json()["answers"], predictor.predict_many(items), strict=True):
        expected = want.to_json()
        for part in ("input", "unusual"):
            answer.pop(part, None)
            expected.pop(part, None)
        assert answer == json.loads(json.dumps(expected))


def test_records_come_in_many_forms() -> None:
    want = price(ask("houses", HOUSE))
    assert price(ask("houses", [HOUSE])) == want
    assert price(ask("houses", {"rows": [HOUSE]})) == want
    assert price(ask("houses", json.dumps(HOUSE).encode())) == want
    assert price(ask("houses", json.dumps(HOUSE).encode(), "application/x-www-form-urlencoded")) == want
    assert price(ask("houses", b"area=100&town=Ulm", "application/x-www-form-urlencoded")) == want
    assert price(ask("houses", json.dumps(HOUSE).encode() + b"\n\n", "application/x-ndjson")) == want
    for text in (
        "area,town\n100,Ulm\n",
        "town;area;more\r\nUlm;100;x\r\n",
        '\ufeff"area"\t"town"\n"100"\tUlm',
    ):
        assert price(ask("houses", text.encode(), "text/csv; charset=utf-8")) == want
    assert price(ask("houses", *form(("area", 100, None), ("town", "Ulm", None)))) == want
    several = ask(
        "houses", *form(("area", 100, None), ("area", 1, None), ("town", "Ulm", None), ("town", "Bonn", None))
    ).json()
    assert len(several["answers"]) == 2
    assert several["answers"][0]["value"] == want


def test_a_table_is_taken_as_a_file_of_a_form() -> None:
    table = b"area,town,other\n100,Ulm,1\n120,Bonn,2\n"
    whole = ask("houses", table, "text/csv").json()["answers"]
    for filename, kind in (("rows.csv", None), (None, "text/csv")):
        body, boundary = form(("file", table, filename))
        if kind:
            body = body.replace(b'name="file"', b'name="file"\r\nContent-Type: text/csv')
        assert ask("houses", body, boundary).json()["answers"] == whole
    named, boundary = form(("area", "100", None), ("town", "Ulm", "towns.csv"))
    assert price(ask("houses", named, boundary)) == whole[0]["value"]


def test_a_picture_comes_in_many_forms() -> None:
    want = ask("pictures", {"image": b64encode(IMAGE).decode()}).json()["answers"][0]["probabilities"]
    text = b64encode(IMAGE).decode()
    lines = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    told = [
        ask("pictures", IMAGE, "image/png"),
        ask("pictures", IMAGE, "application/octet-stream"),
        ask("pictures", *form(("image", IMAGE, "a.png"))),
        ask("pictures", *form(("file", IMAGE, "a.png"))),
        ask("pictures", text),
        ask("pictures", {"image": f"data:image/png;base64,{text}"}),
        ask("pictures", {"image": {"b64": text}}),
        ask("pictures", {"image": lines}),
        ask("pictures", f"image\n{text}\n".encode(), "text/csv"),
    ]
    for each in told:
        assert each.json()["answers"][0]["probabilities"] == want
    assert (
        len(ask("pictures", *form(("image", IMAGE, "a.png"), ("image", IMAGE, "b.png"))).json()["answers"])
        == 2
    )


def test_a_text_and_a_sound_come_as_they_are() -> None:
    want = ask("said", "hello there").json()["answers"][0]["probabilities"]
    assert ask("said", b"hello there", "text/plain").json()["answers"][0]["probabilities"] == want
    tone = golden_items(servable("sounds"))[0]["tone"]
    want = ask("sounds", {"tone": b64encode(tone).decode()}).json()["answers"][0]["probabilities"]
    assert ask("sounds", tone, "audio/wav").json()["answers"][0]["probabilities"] == want


def test_answers_come_as_a_csv() -> None:
    told = ask("houses", b"area,town\n100,Ulm\nx,Ulm\n", "text/csv", headers={"accept": "text/csv"})
    assert told.type.startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(told.body.decode())))
    assert float(rows[0]["value"]) == price(ask("houses", HOUSE))
    assert "is not a number" in rows[1]["error"]


def test_what_can_not_be_read_fails_alone() -> None:
    told = ask(
        "houses", [HOUSE, {"area": "x", "town": "Ulm"}, {}, 1, None, [], {**HOUSE, "town": "Paris"}, HOUSE]
    )
    assert told.status == 200
    answers = told.json()["answers"]
    assert ["error" in each for each in answers] == [False, True, True, True, True, True, True, False]
    assert answers[7]["value"] == answers[0]["value"]
    assert len(told.json()["ids"]) == 8
    lines = ask(
        "houses", b'{"area": 1, "town": "Ulm"}\n{\n{"area": 1, "town": "Ulm"}', "application/x-ndjson"
    ).json()
    assert [each.get("where") for each in lines["answers"]] == [None, "line 2", None]
    rows = ask("houses", b"area,town\n1,Ulm\n1\n1,Ulm,2\n2,Paris\n", "text/csv").json()["answers"]
    assert "line 5" in rows[3]["where"]
    assert [each.get("where", "") for each in rows[1:3]] == ["line 3", "line 4"]
    # What is asked for alone fails as a whole.
    for body in ({"area": "x", "town": "Ulm"}, {}, 1):
        told = ask("houses", body)
        assert told.status == 400
        assert {"error", "where", "fix"} == {*told.json()}


def test_options_priority_and_patience() -> None:
    assert ask("blend", {"area": 1}, query={"parts": "true"}).json()["answers"][0]["parts"]
    assert "parts" not in ask("blend", {"area": 1}).json()["answers"][0]
    assert ask("houses", HOUSE, query={"parts": "1"}).status == 400
    assert ask("houses", HOUSE, query={"no": "1"}).status == 400
    assert ask("houses", HOUSE, headers={"x-priority": "-7", "x-timeout-ms": "60000"}).status == 200
    for headers in (
        {"x-priority": "high"},
        {"x-priority": "101"},
        {"x-timeout-ms": "0"},
        {"x-timeout-ms": "1.5"},
    ):
        assert ask("houses", HOUSE, headers=headers).status == 400


def test_what_is_unusual_is_told_in_two_parts() -> None:
    told = ask("trees", {"native-country": "Atlantis", "hours per week": 40, "day": "2020-01-01"}).json()[
        "answers"
    ][0]
    assert told.get("unusual", {}).get("native-country", {"reason": ""}).keys() <= {"value", "reason"}


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"", 400), ("application/json", b"{", 400), ("application/json", b"[]", 400),
        ("text/csv", b"", 400),
        ("text/csv", b"area,town", 400), ("text/csv", b"area\n1\n", 400), ("text/csv", b"area,area\n1,1", 400),
        ("text/csv", b'"', 400),
        ("text/csv", b"\xff", 400), ("text/csv; charset=latin-1", b"area,town\n1,Ulm", 415), ("application/pdf", b"x", 415),
        ("text/html", b"x", 415), ("image/png", b"x", 415), ("text/plain", b"x", 415), ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"x", 400), ("application/xml", b"<x/>", 415), ("nonsense", b"x", 415), ("", b"x", 415),
    ],
)  # fmt: skip
def test_bodies_that_are_none(kind: str, body: bytes, status: int) -> None:
    told = ask("houses", body, kind)
    assert told.status == status
    assert {"error", "where", "fix"} == {*told.json()}


def test_too_many_rows_are_refused() -> None:
    assert ask("houses", [1] * (Limits().rows + 1)).status == 413
    assert ask("houses", b"area,town\n" + b"1,Ulm\n" * (Limits().rows + 1), "text/csv").status == 413
    assert ask("houses", b"1\n" * (Limits().rows + 1), "application/x-ndjson").status == 413


# --- no text is a path ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "field"), [("pictures", "image"), ("files", "file"), ("sounds", "tone")])
def test_no_text_is_a_path_or_an_address(name: str, field: str, tmp_path: Any) -> None:
    real = tmp_path / "a.png"
    real.write_bytes(IMAGE)
    for text in (
        str(real), f"file://{real}", "http://127.0.0.1:9/a.png", "https://example.com/a.png", "/dev/zero", "/etc/passwd",
        "../a.png", "~/a.png", "\\\\host\\a.png", "s3://bucket/a.png", "a.png",
    ):  # fmt: skip
        for body, kind in [
            ({field: text}, ""), (text, ""), ({field: {"b64": text}}, ""), ({field: {"path": text}}, ""), ({field: [text]}, ""),
            (f"{field}\n{text}\n".encode(), "text/csv"), (f"{field}={text}".encode(), "application/x-www-form-urlencoded"),
        ]:  # fmt: skip
            told = ask(name, body, kind)
            answers = told.json().get("answers", [told.json()])
            assert all("error" in each for each in answers), (text, kind)
            assert "no such file" not in told.body.decode()
        told = ask(name, *form((field, text, None)))  # A form's text is bytes: those of a file, or of none.
        assert told.status == (200 if name == "files" else 400)


# --- pictures that are too much ---------------------------------------------------------------------------


def _png(width: int, height: int) -> bytes:
    """The head of a picture, and next to nothing of its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _tiff(side: int) -> bytes:
    """A white picture, whose pixels are a thousandth of themselves."""
    made = io.BytesIO()
    Pillow.new("1", (side, side)).save(made, "TIFF", compression="group4")
    return made.getvalue()


def test_pictures_of_more_than_forty_million_pixels_are_not_decoded() -> None:
    for bomb in (_png(8000, 5001), _png(50_000, 50_000), _tiff(6400)):
        for told in (
            ask("pictures", bomb, "image/png"),
            ask("pictures", {"image": b64encode(bomb).decode()}),
        ):
            assert told.status == 400
            assert "pixels" in told.error
        tensors = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [b64encode(bomb).decode()]}
        assert "pixels" in tell("/v2/models/pictures/infer", {"inputs": [tensors]}).error


def test_pictures_of_one_request_have_so_many_pixels_together(tmp_path: Path) -> None:
    with Pillow.open(io.BytesIO(IMAGE)) as picture:
        limits = Limits(pixels=picture.width * picture.height)
    server = over(a_repository(tmp_path, "pictures"), limits=limits)  # Ten such pictures are the most.
    told = ask("pictures", [{"image": b64encode(IMAGE).decode()}] * 11, server=server)
    errors = [each.get("error", "") for each in told.json()["answers"]]
    assert [bool(error) for error in errors] == [False] * 10 + [True]
    assert "the request has more than" in errors[-1]


# --- forecasts --------------------------------------------------------------------------------------------


def _sales() -> tuple[dict[str, list[Any]], list[dict[str, Any]], str]:
    """A history as columns, as rows and as a CSV."""
    columns = {name: [*cells] for name, cells in servable("sales").bundle.histories[0].rows.items()}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values()))
    return columns, rows, text.getvalue()


def test_a_forecast_is_asked_for_in_many_forms() -> None:
    columns, rows, text = _sales()
    forecaster = Forecaster(bundle("sales"), trusted=True, verify=False, threads=1)
    want = json.loads(json.dumps([each.to_json() for each in forecaster.forecast(columns)]))
    for body, kind in [
        ({"history": columns}, ""), ({"history": rows}, ""), ({"history": text}, ""), (columns, ""), (rows, ""),
        (text.encode(), "text/csv"), (text.replace(",", ";").encode(), "text/csv"),
        form(("history", text, "sales.csv")),
    ]:  # fmt: skip
        told = ask("sales", body, kind)
        assert told.status == 200, told.body
        assert [each["series"] for each in told.json()["forecasts"]] == [each["series"] for each in want]
        found = told.json()["forecasts"][0]["forecast"]
        assert [row["value"] for row in found] == pytest.approx([row["value"] for row in want[0]["forecast"]])
    broken = ask("sales", text.replace("\n", '\n"a"b,', 1).encode(), "text/csv")
    assert (broken.status, broken.json()["error"]) == (400, "this is no CSV: ',' expected after '\"'.")
    one = ask("sales", text.encode(), "text/csv", query={"horizon": "1"}).json()["forecasts"]
    assert len(one[0]["forecast"]) == 1
    assert len(ask("sales", {"history": columns, "horizon": 2}).json()["forecasts"][0]["forecast"]) == 2
    table = ask("sales", {"history": columns}, headers={"accept": "text/csv"})
    assert table.body.decode().splitlines()[0] == '"store","day","value","low","high","error"'
    for wrong in (
        {"history": {}},
        {"history": []},
        {"histroy": 1},
        {"history": "x"},
        {"history": columns, "horizon": 0},
        [],
        1,
    ):
        assert ask("sales", wrong).status == 400
    assert ask("sales", b"day,units\n1\n", "text/csv").status == 400
    assert ask("sales", b"\xff", "text/csv").status == 400


# --- writing ----------------------------------------------------------------------------------------------


def _prompt(name: str) -> Any:
    return next(iter(golden_items(servable(name))[0].values()))


def _events(told: Told) -> list[dict[str, Any]]:
    assert told.status == 200, told.body
    return [json.loads(line[6:]) for line in told.body.decode().split("\n\n") if line]


@pytest.mark.parametrize("name", ["writer", "translator"])
def test_what_is_written_streams(name: str) -> None:
    generator = Generator(bundle(name), trusted=True, verify=False, threads=1)
    want = generator.generate(_prompt(name), most=5)
    told = tell(f"/models/{name}/generate", {"prompt": _prompt(name), "most": 5})
    assert told.type.startswith("text/event-stream")
    *pieces, last = _events(told)
    tokens = [each["token"] for each in pieces]
    assert tokens[: len(want.tokens)] == list(want.tokens)
    assert last == {"done": True, "stopped": want.stopped, "text": "".join(each["text"] for each in pieces),
                    "tokens": len(want.tokens), "model": name, "version": 1, "id": None}  # fmt: skip
    lines = tell(
        f"/models/{name}/generate", {"prompt": _prompt(name), "most": 5}, {"accept": "application/x-ndjson"}
    )
    assert [json.loads(line) for line in lines.body.splitlines()] == [*pieces, last]
    whole = tell(f"/models/{name}/generate", {"prompt": _prompt(name), "most": 5, "stream": False}).json()
    assert whole["tokens"] == list(want.tokens)
    assert whole["stopped"] == want.stopped
    assert ask(name, {"prompt": _prompt(name)}).json()["answers"][0]["tokens"]


@pytest.mark.parametrize(
    "record",
    [
        {}, {"prompt": {}}, {"prompt": 1}, {"prompt": "x", "most": 0}, {"prompt": "x", "most": "a"}, {"prompt": "x", "stream": 1},
        {"prompt": "x", "strategy": "no"}, {"prompt": "x", "temperature": -1}, {"prompt": "x", "no": 1},
        {"prompt": "x", "most": 10**30},
    ],
)  # fmt: skip
def test_what_can_not_be_written_is_told_before_the_stream(record: Any) -> None:
    if "prompt" in record and record["prompt"] == "x":
        record = {**record, "prompt": _prompt("writer")}
    told = tell("/models/writer/generate", record)
    assert told.status == 400
    assert tell("/models/houses/generate", {"prompt": "x"}).status == 400


def test_whoever_goes_away_ends_the_writing() -> None:
    async def leave() -> tuple[bool, int]:
        server = everything()
        request = Request(
            "POST",
            "/models/writer/generate",
            headers=JSON,
            body=json.dumps({"prompt": _prompt("writer")}).encode(),
        )
        response = await server.answer(request)
        assert isinstance(response.body, generation.Stream)
        await anext(response.body)
        held = server.repository.models["writer"].held[1].leases
        await response.body.aclose()
        return held == 1, server.repository.models["writer"].held[1].leases

    assert run(leave()) == (True, 0)


def test_triton_s_generate() -> None:
    body = {"text_input": "x", "parameters": {"stream": False, "max_tokens": 3}}
    told = tell("/v2/models/writer/generate", body)
    assert told.status in (200, 400)  # The model takes numbers: it says so.
    assert tell("/v2/models/writer/generate", {"text_input": 1}).status == 400
    assert [*told.json()] in (["error"], ["model_name", "model_version", "text_output"])


# --- parsers ----------------------------------------------------------------------------------------------


def test_a_form_as_browsers_send_it() -> None:
    body = (
        b'--x y\r\nContent-Disposition: form-data; name="a%22b"; filename="C:\\\\c.png"\r\nContent-Type: image/png\r\n\r\n'
        b"\r\n--x z\r\n"
        b"\r\n--x y\r\ncontent-disposition: form-data; name=plain\r\n\r\n\r\n--x y--\r\nafter"
    )
    assert parts('multipart/form-data; boundary="x y"', body) == [
        Part('a"b', "C:\\c.png", "image/png", b"\r\n--x z\r\n"),
        Part("plain", None, "", b""),
    ]
    assert parts("multipart/form-data; boundary=b", b"before\r\n--b--") == []


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_form_is_a_fault_of_ours(body: bytes, begun: bool) -> None:
    if begun:
        body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + body + b"\r\n--b--"
    try:
        found = parts("multipart/form-data; boundary=b", body)
    except Refusal:
        return
    assert all(isinstance(part, Part) for part in found)


KINDS = (
    "", "application/json", "application/x-ndjson", "text/csv", "text/plain", "multipart/form-data; boundary=b", "image/png",
    "application/x-www-form-urlencoded", "application/octet-stream", "text/csv; charset=x", "a/b", "multipart/form-data; boundary=",
)  # fmt: skip


@given(
    st.sampled_from(["houses", "pictures", "said", "sales", "traces"]), st.sampled_from(KINDS),
    st.binary(max_size=120) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from([b"area,town\n", b'{"area": ', b"--b\r\n", b"[" * 90 + b"]" * 90]),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_no_body_is_a_fault_of_ours(model: str, kind: str, body: bytes) -> None:
    assert ask(model, body, kind).status in (200, 400, 413, 415)


values = st.recursive(
    st.sampled_from([None, True, 0, -1, 2**70, 1.5, 1e300, "", "Ulm", "1", "2020-01-01", "\0", "/etc/passwd"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["b64", "history", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
FIELDS = sorted(
    {field for name in MODELS for field in servable(name).bundle.signature.inputs}
    | {"history", "future", "horizon"}
)


@given(st.sampled_from(sorted(MODELS)), st.dictionaries(st.sampled_from(FIELDS), values, max_size=4) | values)
@settings(max_examples=100, deadline=None)
def test_no_value_is_a_fault_of_ours(model: str, body: Any) -> None:
    assert ask(model, body).status in (200, 400)


def test_items_are_what_a_request_says_without_a_server() -> None:
    inputs = servable("houses").bundle.signature.inputs
    found = items_of(
        Request("POST", "/", headers={"content-type": "text/csv"}, body=b"area,town\n1,Ulm"), inputs, Limits()
    )
    assert found.items == [{"area": "1", "town": "Ulm"}]
    assert not found.alone
    assert isinstance(Predictor(bundle("houses"), trusted=True, verify=False).predict(found.items[0]), Answer)
    assert not isinstance(found.items[0], DrivetrainError)
    assert np.isfinite(price(ask("houses", HOUSE)))


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_is_large_is_parsed_read_and_answered_in_threads(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    assert (
        tell("/models/said/predict", {"text": "a"}, JSON).status == 200
    )  # Or its golden cases are seen too.

    def noting(holder: Any, name: str) -> None:
        function = getattr(holder, name)

        def noted(*given: Any, **named: Any) -> Any:
            seen.append(threading.current_thread() is threading.main_thread())
            return function(*given, **named)

        monkeypatch.setattr(holder, name, noted)

    for holder, name in (
        (forms, "items_of"), (Single, "read"), (Single, "answers"), (inference, "_feeds"), (tfserving, "_of_rows"),
        (TensorGraph, "feeds"), (TensorGraph, "run"),
    ):  # fmt: skip
        noting(holder, name)
    text = "a cat " * size
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    for path, body in (
        ("/models/said/predict", {"text": text}),
        ("/v2/models/said/infer", {"inputs": [tensor]}),
        ("/v1/models/said:predict", {"instances": [text]}),
    ):
        assert tell(path, body, JSON).status == 200
    assert len(seen) == 9
    assert all(seen) if size == 10 else not any(seen)
