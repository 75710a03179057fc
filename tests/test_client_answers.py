"""The client at a whole server on this machine: its answers are those of a Predictor here, whatever kind of bundle it is."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from certificates import certificates
from loopback import Running
from loopback import serving as up
from PIL import Image as Pillow

from drivetrain.client import AsyncClient, Client, Refused
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.runtime.forecaster import Forecaster
from drivetrain.runtime.generator import Generator
from drivetrain.runtime.predictor import Predictor
from drivetrain.serve.access import digest
from drivetrain.serve.settings import Access, Key, ModelSettings
from drivetrain.sound.file import opened
from drivetrain.types import Answer, Failure

ROWS = ("houses", "trees", "blend", "pictures", "sounds", "traces", "files", "said")
LABELS = {"houses": ModelSettings(keep=2, labels={"champion": 1}, traffic={"champion": 1.0})}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving.a_repository(tmp_path_factory.mktemp("client"), *ROWS, "sales", "writer", "translator")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of them, for tests that start a server of their own."""
    return serving.a_repository(tmp_path_factory.mktemp("few"), "houses", "pictures")


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[Running]:
    with up(models, models=LABELS) as found:
        yield found


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[Client]:
    with Client(running.url) as found:
        yield found


def predictor(name: str) -> Predictor:
    return Predictor(serving.BUNDLES / f"{serving.MODELS[name]}.bundle", trusted=True, threads=1)


def items_of(name: str) -> list[dict[str, Any]]:
    return serving.golden_items(serving.servable(name))


@pytest.mark.parametrize("name", ROWS)
def test_answers_are_those_of_a_predictor(client: Client, running: Running, name: str) -> None:
    items = items_of(name)
    here = predictor(name)
    expected = here.predict_many(items)
    found = client.predict_many(name, items)
    assert [type(each) for each in found] == [type(each) for each in expected]
    close(found, expected)

    async def awaited() -> list[Answer | Failure]:
        async with AsyncClient(running.url) as other:
            return await other.predict_many(name, items)

    close(asyncio.run(awaited()), expected)
    good = next(item for item, each in zip(items, expected) if isinstance(each, Answer))
    close([client.model(name).predict(good)], [here.predict(good)])


def close(found: list[Answer | Failure], expected: list[Answer | Failure]) -> None:
    """The same: choices and words equal, numbers as near as other batches of one graph are."""
    for one, other in zip(found, expected, strict=True):
        assert one.input == other.input
        if isinstance(other, Failure):
            assert isinstance(one, Failure)
            assert one.error.to_json() == other.error.to_json()
            continue
        assert isinstance(one, Answer)
        assert one.unusual == other.unusual
        assert one.targets.keys() == other.targets.keys()
        for target, decoded in other.targets.items():
            for part, value in decoded.items():
                told = one.targets[target][part]
                if isinstance(value, float) or part == "probabilities":
                    assert told == pytest.approx(value, rel=1e-5, abs=1e-6)
                else:
                    assert told == value


def test_one_at_a_time_they_are_equal_to_the_last_bit(client: Client) -> None:
    here = predictor("trees")
    for item in items_of("trees")[:5]:
        assert client.predict("trees", item) == here.predict(item)


def test_a_picture_in_each_form(client: Client, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    path = tmp_path / "a picture.png"
    Pillow.fromarray(pixels).save(path)
    here = predictor("pictures")
    for given in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), pixels, {"image": path}):
        assert client.predict("pictures", given) == here.predict(given)
    picture = client.predict("pictures", Pillow.fromarray(pixels))
    assert picture.targets == here.predict(path).targets
    many = client.predict_many("pictures", [path, pixels, tmp_path / "none.png", b"no picture", path])
    close(many, here.predict_many([path, pixels, tmp_path / "none.png", b"no picture", path]))
    assert isinstance(many[3], Failure)
    with pytest.raises(DataError) as caught:
        client.predict("pictures", b"no picture")
    with pytest.raises(DataError) as local:
        here.predict(b"no picture")
    assert caught.value.error == local.value.error


def test_a_sound_in_each_form(client: Client, tmp_path: Path) -> None:
    data = items_of("sounds")[0]["tone"]
    path = tmp_path / "tone.wav"
    path.write_bytes(data)
    with opened(data) as sound:
        samples, rate = sound.mono(), sound.info.rate
    here = predictor("sounds")
    for given in (path, data, (samples, rate), (samples.astype(np.float32), float(rate))):
        assert client.predict("sounds", given) == here.predict(given)


def test_rows_of_a_frame(client: Client) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"area": [40.0, None, 3.5], "town": ["Ulm", "Bonn", "Rome"], "more": [1, 2, 3]})
    close(client.predict_many("houses", frame), predictor("houses").predict_many(frame))
    with pytest.raises(DataError, match="not there"):
        client.predict_many("houses", frame.drop("town"))


def test_an_error_is_the_one_that_a_predictor_raises(client: Client) -> None:
    here = predictor("houses")
    for item in (
        {"area": "abc", "town": "Ulm"},
        {"area": 1, "town": "Rome"},
        {"area": 1},
        7,
    ):
        with pytest.raises(DrivetrainError) as found:
            client.predict("houses", item)
        with pytest.raises(DrivetrainError) as expected:
            here.predict(item)
        assert found.value.to_json() == expected.value.to_json()


def test_parts_of_a_blend(client: Client) -> None:
    here = predictor("blend")
    item = items_of("blend")[0]
    assert client.predict("blend", item, parts=True) == here.predict(item, parts=True)


def test_it_says_by_which_version_it_was_served(client: Client) -> None:
    served = client.predict("houses", {"area": 1, "town": "Ulm"}, label="champion").served
    assert served is not None
    assert (served["model"], served["version"]) == ("houses", 1)
    assert served["hash"] == serving.servable("houses").hash
    with pytest.raises(Refused) as caught:
        client.predict("houses", {"area": 1, "town": "Ulm"}, version=9)
    assert caught.value.status == 404
    with pytest.raises(Refused, match="houses"):
        client.predict("hoses", {"area": 1, "town": "Ulm"})


def test_what_there_is(client: Client) -> None:
    found = {each["name"]: each for each in client.models()}
    assert found.keys() >= {*ROWS}
    assert found["houses"]["labels"] == {"champion": 1}
    assert client.ready()
    assert client.ready("houses")
    assert client.ready("houses", version=1)
    assert not client.ready("nothing")
    about = client.describe("trees")
    assert [each["name"] for each in about["inputs"]] == [*serving.servable("trees").bundle.signature.inputs]


def test_forecasts(client: Client, tmp_path: Path) -> None:
    rows = ["day,store,region,units,price"]
    rows += [f"2024-01-{n:02d},a,north,{50 + n % 7 if n < 20 else ''},2.0" for n in range(1, 23)]
    path = tmp_path / "history.csv"
    path.write_text("\n".join(rows))
    here = Forecaster(serving.BUNDLES / "format-8-sales.bundle", trusted=True, threads=1)
    expected = [each.to_json() for each in here.forecast(path)]
    assert client.forecast("sales", path) == expected
    names, *cells = [row.split(",") for row in rows]
    columns = {name: [row[place] for row in cells] for place, name in enumerate(names)}
    assert client.forecast("sales", columns) == expected
    with pytest.raises(DrivetrainError, match="no column 'units'"):
        client.forecast("sales", {"day": ["2024-01-01"]})


def test_what_a_language_model_writes_comes_piece_by_piece(client: Client, running: Running) -> None:
    item = items_of("writer")[0]
    writer = Generator(serving.BUNDLES / "format-5-writer.bundle", trusted=True)
    expected = list(writer.stream(item, most=5))
    assert list(client.generate("writer", item, most=5)) == expected

    async def awaited() -> list[Any]:
        async with AsyncClient(running.url) as other:
            return [piece async for piece in other.generate("writer", item, most=5)]

    assert asyncio.run(awaited()) == expected
    with pytest.raises(DrivetrainError, match="temprature"):
        list(client.generate("writer", item, temprature=1))
    assert list(client.generate("writer", item, most=60)) == list(writer.stream(item, most=60))
    pieces = client.generate("writer", item, most=5)
    next(pieces)
    pieces.close()
    assert client.ready(), "a stream that was left is no connection that lies about"


def test_arrays_by_the_open_protocol(client: Client) -> None:
    feeds = {"area": np.float32([40, 250.5]), "town": np.int64([0, 1])}
    found = client.infer("houses", feeds)
    assert np.array_equal(found["price"], predictor("houses").session.run(feeds)["price"])
    assert found["price"].dtype == np.float32
    with pytest.raises(Refused):
        client.infer("houses", {"area": np.float32([1])})


def test_more_items_than_fit_in_a_request(few: Path) -> None:
    from drivetrain.serve.settings import Limits

    with up(few, limits=Limits(rows=7, body=2_000)) as small, Client(small.url) as client:
        items = [{"area": n, "town": "Ulm"} for n in range(60)]
        found = client.predict_many("houses", items, concurrency=3)
        assert [each.value for each in found] == [1000 + 12.5 * n for n in range(60)]  # type: ignore[union-attr]
        stream = client.stream("houses", iter(items))
        assert isinstance(next(stream), Answer)
        stream.close()
        large = io.BytesIO()
        Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(
            large, "PNG"
        )
        with pytest.raises(DataError, match="the server takes"):
            client.predict("pictures", large.getvalue())


def test_a_server_with_keys(few: Path) -> None:
    secret = "dt_" + "k" * 43
    with up(few, access=Access(keys=(Key("me", digest(secret)),))) as locked:
        with Client(locked.url) as nobody, pytest.raises(Refused) as caught:
            nobody.predict("houses", {"area": 1, "town": "Ulm"})
        assert caught.value.status == 401
        with Client(locked.url, key=secret) as me:
            assert me.predict("houses", {"area": 1, "town": "Ulm"}).value == 1012.5


def test_one_wants_one_item_and_many_want_many(client: Client) -> None:
    with pytest.raises(UsageError, match="one item, not many"):
        client.predict_many("houses", {"area": 1, "town": "Ulm"})


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("tls"), {"server": "/CN=server", "me": "/CN=me"})


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_over_tls_with_certificates_of_both_sides(few: Path, signed: Path, kind: str) -> None:
    access = Access(
        certificate=str(signed / "server.pem"), private_key=str(signed / "server.key"),
        client_authority=str(signed / "authority.pem"),
    )  # fmt: skip
    mine = (str(signed / "me.pem"), str(signed / "me.key"))
    authority = str(signed / "authority.pem")

    def asked(url: str, **options: Any) -> float:
        item = {"area": 1, "town": "Ulm"}
        if kind == "sync":
            with Client(url, **options) as client:
                return client.predict("houses", item).value

        async def awaited() -> float:
            async with AsyncClient(url, **options) as client:
                return (await client.predict("houses", item)).value

        return asyncio.run(awaited())

    with up(few, access=access) as secure:
        url = secure.url.replace("http:", "https:")
        assert asked(url, ca=authority, certificate=mine) == 1012.5
        with pytest.raises(DrivetrainError, match="not one to trust"):
            asked(url, certificate=mine)
        with pytest.raises(DrivetrainError):
            asked(url, ca=authority)
        with pytest.raises(DrivetrainError, match="no certificate that can be used"):
            asked(url, ca=str(signed / "none.pem"))


@pytest.mark.slow
def test_recommendations(tmp_path: Path) -> None:
    from tables import films

    import drivetrain as dt

    data = dt.recommendation.from_csv(films(tmp_path / "films.csv"), "user", "film", timestamp="when")
    learner = data.learner(out=tmp_path / "run", quiet=True, ridge=30.0)
    learner.fit()
    (tmp_path / "models" / "picks").mkdir(parents=True)
    bundle = learner.export(tmp_path / "models" / "picks" / "1.bundle")
    here = dt.Recommender(bundle)
    liked = ["Western 1", "Musical 1"]
    with up(tmp_path / "models") as found, Client(found.url) as client:
        assert client.recommend("picks", n=3, history=liked) == here.recommend(n=3, history=liked).to_json()
        assert client.model("picks").recommend("u1", 2) == here.recommend("u1", 2).to_json()
        with pytest.raises(DrivetrainError, match="novelty"):
            client.recommend("picks", n=3, history=liked, novelty=7)


def test_many_threads_share_few_connections(running: Running) -> None:
    with Client(running.url, connections=3) as client, ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda n: client.predict("houses", {"area": n, "town": "Ulm"}).value, range(200))
        )
    assert found == [1000 + 12.5 * n for n in range(200)]


def test_a_server_that_was_started_anew_is_asked_on(few: Path) -> None:
    with up(few) as first:
        client = Client(first.url)
        assert client.predict("houses", {"area": 1, "town": "Ulm"}).value == 1012.5
        port = first.port
    with pytest.raises(DrivetrainError, match="nobody answers there"):
        client.predict("houses", {"area": 1, "town": "Ulm"})
    with up(few, port=port):
        assert client.predict("houses", {"area": 2, "town": "Ulm"}).value == 1025
    client.close()
