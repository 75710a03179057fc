"""The pages in a real browser: fields of every kind, answers, the same by programs, the camera and the microphone, nothing from
elsewhere, nothing that a label could do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import bundle_examples as examples
import numpy as np
import pytest
import serving
from browser import Browser, Page
from loopback import Running
from loopback import serving as up
from onnx import TensorProto, helper
from PIL import Image as Pillow

from drivetrain.bundle import bundle_bytes
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.runtime.predictor import Predictor
from drivetrain.serve.access import digest
from drivetrain.serve.settings import Access, Key, ModelSettings
from drivetrain.sound.wav import to_wav

pytestmark = browser.needs_browser
MODELS = ("writer", "houses", "trees", "pictures", "sounds", "traces", "sales", "files", "said")
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
HOUSES = {
    "models": {
        "houses": ModelSettings(
            keep=2, labels={"champion": 1, "challenger": 2}, traffic={"champion": 0.9, "challenger": 0.1}
        )
    }
}


def evil_bundle() -> bytes:
    """One whose every name would like to be HTML."""
    signature = Signature(
        {EVIL: Number(center=0.0, spread=1.0), "town": Category(classes=(EVIL, "Bonn"))},
        {f"{EVIL} price": Number(center=0.0, spread=1.0)},
    )
    rows = [("one", "validation", {EVIL: 40, "town": EVIL})]

    def forward(batch: Any) -> dict[str, np.ndarray]:
        return {
            f"{EVIL} price": np.float64([1000, 3000])[batch["town"]] + batch[EVIL].astype(np.float64) * 12.5
        }

    cases = examples.make_cases(signature, rows, forward)
    quantiles = {
        str(level): float(value) for level, value in ((0.0, 1), (0.05, 2), (0.5, 5), (0.95, 8), (1.0, 9))
    }
    return bundle_bytes(
        **examples.arguments(
            name="evil", task="tabular", signature=signature, graph=examples.house_graph(), cases=cases,
            profile={EVIL: {"n": 9, "quantiles": quantiles}}, card=f"# {EVIL}",
        )
    )  # fmt: skip


def mixed_bundle() -> bytes:
    """A picture and a number -> the picture's mean plus the number."""
    signature = Signature(
        {"image": Image(size=8, channels=3), "it's": Number(center=0.0, spread=1.0)},
        {"sum": Number(center=0.0, spread=1.0)},
    )
    nodes = [
        helper.make_node("Cast", ["input_0"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "input_1"], ["output_0"]),
    ]
    graph = examples.model(
        nodes, {"axes": np.int64([1, 2, 3])},
        {"input_0": (TensorProto.UINT8, ["n", 8, 8, 3]), "input_1": (TensorProto.FLOAT, ["n"])},
        {"output_0": (TensorProto.FLOAT, ["n"])},
    )  # fmt: skip

    def forward(batch: Any) -> dict[str, np.ndarray]:
        return {"sum": batch["image"].mean(axis=(1, 2, 3)) + batch["it's"].astype(np.float64)}

    rows = [("one", "validation", {"image": examples.pictures(1)[0], "it's": 40})]
    cases = examples.make_cases(signature, rows, forward)
    return bundle_bytes(
        **examples.arguments(
            name="mixed", task="tabular", signature=signature, graph=graph, cases=cases, profile={}
        )
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = serving.a_repository(tmp_path_factory.mktemp("pages"), *MODELS)
    shutil.copytree(folder / "houses" / "1", folder / "houses" / "2")
    labels = Signature(
        {"image": Image(size=8, channels=3)}, {"label": Category(classes=(EVIL, "dog", "owl"))}
    )
    valid = [("one", "validation", {"image": examples.pictures(1)[0], "label": EVIL})]
    answers = bundle_bytes(
        **examples.arguments(
            signature=labels, cases=examples.make_cases(labels, valid, examples.image_forward)
        )
    )
    for name, data in (("evil", evil_bundle()), ("labels", answers), ("mixed", mixed_bundle())):
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.bundle").write_bytes(data)
    (folder / "torn" / "1").mkdir(parents=True)
    (folder / "torn" / "1" / "model.bundle").write_bytes(b"PK\3\4 nothing")
    return folder


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[Running]:
    with up(models, **HOUSES) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser.browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    found = Page(chromium)
    yield found
    found.close()


SHOWN = "document.querySelector('#told')?.hidden"
DONE = (
    "!document.querySelector('#answer').matches('.busy') &&"
    " !!document.querySelector('#answer .foot, #answer .problem')"
)
ASKABLE = "document.querySelector('#sides')?.hidden === false"


def open_model(page: Page, running: Running, name: str) -> None:
    page.open(f"{running.url}/models/{name}/page", ASKABLE)


def answer(page: Page) -> str:
    page.until(DONE)
    return page.run("document.querySelector('#answer').innerText")


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def write(page: Page, selector: str, text: str) -> None:
    page.run(
        f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.value = {json.dumps(text)};"
        " it.dispatchEvent(new Event('input')); it.dispatchEvent(new Event('change')); })()"
    )


def program(page: Page, language: str) -> str:
    click(page, f"#tab-{language}")
    return page.run("document.querySelector('#program').textContent")


def run_curl(text: str, folder: Path) -> Any:
    done = subprocess.run(
        ["sh", "-c", text.replace("curl ", "curl -sS --fail-with-body ", 1)],
        cwd=folder,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def run_python(text: str, folder: Path, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return eval(done.stdout, {"__builtins__": {}})  # noqa: S307 - what our own program printed.


def alone(page: Page, running: Running) -> None:
    """Nothing went wrong, and nobody else was asked."""
    assert page.noticed() == []
    own = (running.url, "blob:", "data:", "about:")
    assert [address for address in page.asked if not address.startswith(own)] == []
    assert page.asked


def test_the_list_has_each_model_with_its_versions_labels_and_states(page: Page, running: Running) -> None:
    page.open(running.url, SHOWN)
    text = page.run("document.body.innerText")
    for word in (*MODELS, "challenger", "90 % of requests", "failed", "this is not a bundle"):
        assert word in text
    assert page.run("document.querySelector('a[href=\"models/houses/page\"]').textContent") == "houses"
    alone(page, running)


def test_a_form_asks_and_its_programs_say_the_same(
    page: Page, running: Running, models: Path, tmp_path: Path
) -> None:
    open_model(page, running, "houses")
    write(page, "input[type=text]", "120.5")
    click(page, "#go")
    expected = Predictor(models / "houses" / "1" / "model.bundle", trusted=True).predict(
        {"area": 120.5, "town": "Ulm"}
    )
    assert expected.value == 2506.25
    assert "2,506.3" in answer(page)
    assert "version 1" in answer(page)
    curl = run_curl(program(page, "curl"), tmp_path)
    assert curl["answers"][0]["value"] == expected.value
    assert run_python(program(page, "Python"), tmp_path)["value"] == expected.value
    javascript = program(page, "JavaScript")
    page.run(f"(async () => {{ const console = {{ log: (it) => globalThis.logged = it }}; {javascript} }})()")
    found = page.run("logged")
    assert found["answers"][0]["value"] == expected.value
    alone(page, running)


def test_a_version_or_a_label_is_chosen(page: Page, running: Running, tmp_path: Path) -> None:
    open_model(page, running, "houses")
    options = page.run("[...document.querySelectorAll('#version option')].map((each) => each.textContent)")
    assert options == [
        "the server's choice", "champion → 1 (90 %)", "challenger → 2 (10 %)", "version 2", "version 1",
    ]  # fmt: skip
    write(page, "input[type=text]", "1")
    write(page, "#version", "2")
    page.until("document.querySelector('#program').textContent.includes('/labels/')")
    click(page, "#go")
    assert "version 2" in answer(page)
    assert "/models/houses/labels/challenger/predict" in program(page, "curl")
    assert run_curl(program(page, "curl"), tmp_path)["version"] == 2
    assert 'label="challenger"' in program(page, "Python")
    assert run_python(program(page, "Python"), tmp_path)["value"] == 1012.5
    alone(page, running)


def test_fields_begin_with_what_is_usual_and_say_the_range(page: Page, running: Running) -> None:
    open_model(page, running, "trees")
    text = page.run("document.querySelector('#fields').innerText")
    assert "29 to 50 in training" in text
    assert "2024-01-05" in text
    assert page.run("document.querySelector('input[type=date]').value")[:4] == "2024"
    click(page, "#go")
    assert "%" in answer(page)
    write(page, "input[inputmode=decimal]", "4000")
    click(page, "#go")
    page.until("document.querySelector('#answer .note') !== null")
    assert "far above the training range" in answer(page)
    alone(page, running)


def test_what_is_missing_is_said_and_has_the_focus(page: Page, running: Running) -> None:
    open_model(page, running, "houses")
    click(page, "#go")
    assert "area is empty" in answer(page)
    assert page.run("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.run("document.querySelector('#answer').getAttribute('aria-live')") == "polite"
    write(page, "input[type=text]", "abc")
    click(page, "#go")
    page.until("document.querySelector('#answer').innerText.includes('abc')")
    assert "is not a number" in answer(page)


def test_a_picture_is_chosen_dropped_and_pasted(
    page: Page, running: Running, models: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    Pillow.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "it's a cat.png")
    expected = Predictor(models / "pictures" / "1" / "model.bundle", trusted=True).predict(
        tmp_path / "it's a cat.png"
    )
    open_model(page, running, "pictures")
    page.give_file("input[type=file]", tmp_path / "it's a cat.png")
    assert expected.label in answer(page)
    assert page.run("document.querySelector('.preview img').naturalWidth") == 50
    curl = program(page, "curl")
    assert run_curl(curl, tmp_path)["answers"][0]["probabilities"] == expected.probabilities
    assert run_python(program(page, "Python"), tmp_path)["probabilities"] == expected.probabilities
    given = """(async (kind) => {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 9;
        const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
        const data = new DataTransfer();
        data.items.add(new File([blob], 'given.png', { type: 'image/png' }));
        const event = kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        document.querySelector('.drop').dispatchEvent(event);
        return document.querySelector('.preview').innerText;
    })"""
    assert "given.png" in page.run(f"{given}('drop')")
    page.run("document.querySelector('.preview').replaceChildren()")
    assert "given.png" in page.run(f"{given}('paste')")
    answer(page)
    alone(page, running)


def test_the_camera(page: Page, running: Running) -> None:
    open_model(page, running, "pictures")
    click(page, ".open-camera")
    page.until("document.querySelector('video')?.videoWidth > 0")
    click(page, ".shoot")
    text = answer(page)
    assert "%" in text
    assert "camera.png" in page.run("document.querySelector('.preview').innerText")
    assert page.run("document.querySelector('video')") is None, "the camera is let go"
    alone(page, running)


def test_the_microphone_is_recorded_to_wav(page: Page, running: Running) -> None:
    open_model(page, running, "sounds")
    page.run(
        "(() => { const made = URL.createObjectURL;"
        " URL.createObjectURL = (it) => { globalThis.kept = it; return made.call(URL, it) } })()"
    )
    click(page, ".record")
    page.until("document.querySelector('.record').getAttribute('aria-pressed') === 'true'")
    page.until("parseFloat(document.querySelector('.capture [role=status]').textContent) > 0.3")
    click(page, ".record")
    assert "%" in answer(page)
    assert "recording.wav" in page.run("document.querySelector('.preview').innerText")
    head = page.run(
        "kept.arrayBuffer().then((it) => String.fromCharCode(...new Uint8Array(it.slice(0, 16))))"
    )
    assert (head[:4], head[8:16]) == ("RIFF", "WAVEfmt ")


def test_a_sound_file(page: Page, running: Running, tmp_path: Path) -> None:
    tone = np.sin(np.arange(8000) * 2 * np.pi * 600 / 8000).astype(np.float32)
    (tmp_path / "tone.wav").write_bytes(to_wav(tone, 8000))
    open_model(page, running, "sounds")
    page.give_file("input[type=file]", tmp_path / "tone.wav")
    text = answer(page)
    found = run_curl(program(page, "curl"), tmp_path)["answers"][0]
    assert found["label"] in text
    assert run_python(program(page, "Python"), tmp_path)["label"] == found["label"]


def test_a_long_question_goes_in_a_file(page: Page, running: Running, tmp_path: Path) -> None:
    text = "it was not good " * 200
    open_model(page, running, "said")
    write(page, "textarea", text)
    click(page, "#go")
    label = page.until(f"({DONE}) && document.querySelector('#answer .lead strong').textContent")
    assert "@item.json" in program(page, "curl")
    (tmp_path / "item.json").write_text(json.dumps({"text": text}))
    assert run_curl(program(page, "curl"), tmp_path)["answers"][0]["label"] == label
    assert run_python(program(page, "Python"), tmp_path)["label"] == label
    alone(page, running)


def test_a_picture_with_cells_beside_it(page: Page, running: Running, tmp_path: Path) -> None:
    Pillow.new("RGB", (9, 9), (30, 30, 30)).save(tmp_path / 'the "grey" one.png')
    open_model(page, running, "mixed")
    page.give_file("input[type=file]", tmp_path / 'the "grey" one.png')
    write(page, "input[type=text]", "1.5")
    click(page, "#go")
    assert "31.5" in answer(page)
    assert run_curl(program(page, "curl"), tmp_path)["answers"][0]["value"] == 31.5
    assert run_python(program(page, "Python"), tmp_path)["value"] == 31.5
    alone(page, running)


def test_a_drawing(page: Page, running: Running, tmp_path: Path) -> None:
    open_model(page, running, "traces")
    page.run(
        """(() => { const pad = document.querySelector('canvas'); const box = pad.getBoundingClientRect();
        const say = (kind, n) => pad.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: box.left + 20 + 9 * n,
            clientY: box.top + 60 + (n % 2 ? 30 : 0) }));
        pad.setPointerCapture = () => {}; globalThis.say = say; say('pointerdown', 0); })()"""
    )
    for n in range(1, 12):
        page.run(f"say('pointermove', {n})")
    page.run("say('pointerup', 11)")
    click(page, "#go")
    assert "%" in answer(page)
    assert run_python(program(page, "Python"), tmp_path)["label"] in ("circle", "zigzag")


def test_a_history_is_foretold_and_drawn(page: Page, running: Running, tmp_path: Path) -> None:
    rows = ["day,store,region,units,price"]
    rows += [f"2024-01-{n:02d},a,north,{50 + n % 7 if n < 20 else ''},2.0" for n in range(1, 23)]
    open_model(page, running, "sales")
    write(page, "textarea", "\n".join(rows))
    click(page, "#go")
    assert "2024-01-20" in answer(page)
    assert page.run("document.querySelectorAll('.chart .told').length") >= 1
    assert page.run(
        "[...document.querySelectorAll('.chart .past')].some((each) => each.getAttribute('d').length > 40)"
    )
    found = run_curl(program(page, "curl"), tmp_path)
    told = run_python(program(page, "Python"), tmp_path)
    assert told["forecasts"] == (found.get("forecasts") or found["answers"][0]["forecasts"])
    alone(page, running)


def test_what_a_language_model_writes_comes_as_it_is_written(
    page: Page, running: Running, tmp_path: Path
) -> None:
    open_model(page, running, "writer")
    write(page, "textarea", "1 2 3")
    write(page, "input[type=number]", "7")
    click(page, "#go")
    page.until("/^7 tokens in/.test(document.querySelector('#answer .foot')?.textContent || '')")
    shown = page.run("document.querySelector('#answer .written').textContent")
    found = subprocess.run(
        [sys.executable, "-c", program(page, "Python")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout == shown
    streamed = subprocess.run(
        ["sh", "-c", program(page, "curl").replace("curl ", "curl -sS ", 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    events = [json.loads(line[5:]) for line in streamed.stdout.splitlines() if line.startswith("data:")]
    assert "".join(event["text"] for event in events if "token" in event) == shown
    assert events[-1]["done"]
    alone(page, running)


def test_no_name_becomes_html(page: Page, running: Running, tmp_path: Path) -> None:
    page.open(running.url, SHOWN)
    open_model(page, running, "evil")
    assert EVIL in page.run("document.querySelector('#fields').textContent")
    write(page, "input[type=text]", "3")
    click(page, "#go")
    answer(page)
    assert EVIL in page.run("document.querySelector('#answer').textContent")
    time.sleep(0.1)
    for language in ("curl", "Python", "JavaScript"):
        assert "onerror" in program(page, language)
    assert run_curl(program(page, "curl"), tmp_path)["answers"][0]["value"] == 1037.5
    assert run_python(program(page, "Python"), tmp_path)["value"] == 1037.5
    name = tmp_path / "<img src=x onerror=\"document.title='taken'\">.png"
    Pillow.new("RGB", (9, 9)).save(name)
    assert page.run("document.title") == "evil"
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    open_model(page, running, "labels")
    page.give_file("input[type=file]", name)
    answer(page)
    assert EVIL in page.run("document.querySelector('.bars').textContent")
    assert name.name in page.run("document.querySelector('.preview').textContent")
    assert run_curl(program(page, "curl"), tmp_path)["answers"][0]["label"] in (EVIL, "dog", "owl")
    assert page.run("document.querySelectorAll('#answer img, main script').length") == 0
    assert page.run("document.title") == "labels"
    alone(page, running)


def test_even_a_script_that_is_put_into_a_page_does_not_run(page: Page, running: Running) -> None:
    open_model(page, running, "houses")
    page.run(
        "(() => { const it = document.createElement('script'); try { it.text = 'document.title = 1' } catch {}"
        " document.body.append(it) })()"
    )
    with pytest.raises(AssertionError, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<b>x</b>'")
    assert page.run("document.title") == "houses"


def test_all_can_be_done_by_keyboard(page: Page, running: Running) -> None:
    open_model(page, running, "houses")
    met = []
    for _ in range(5):
        page.press("Tab", 9)
        met.append(
            page.run(
                "document.activeElement.id || document.activeElement.textContent.trim() || document.activeElement.type"
            )
        )
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none", met
    assert met[0] == "All models"
    assert met[1] == "version"
    assert met.index("go") == 4
    labelled = page.run(
        "[...document.querySelectorAll('input, select, textarea, button')].filter((it) => it.offsetParent).every((it) =>"
        " it.labels?.length || it.getAttribute('aria-label') || it.textContent.trim())"
    )
    assert labelled
    page.run("document.querySelector('#tab-curl')?.focus()")
    write(page, "input[type=text]", "1")
    page.run("document.querySelector('#tab-curl').focus()")
    page.send(
        "Input.dispatchKeyEvent",
        type="keyDown",
        key="ArrowRight",
        code="ArrowRight",
        windowsVirtualKeyCode=39,
    )
    assert page.run("document.activeElement.id") == "tab-Python"
    page.run("document.querySelector('input[type=text]').focus()")
    page.send(
        "Input.dispatchKeyEvent",
        type="keyDown",
        key="Enter",
        code="Enter",
        windowsVirtualKeyCode=13,
        text="\r",
    )
    assert "1,012.5" in answer(page)


@pytest.mark.parametrize("name", ["", "houses", "trees", "pictures", "sounds", "sales", "evil"])
def test_nothing_is_wider_than_a_phone(page: Page, running: Running, name: str) -> None:
    page.look(360, 800)
    page.open(f"{running.url}/models/{name}/page" if name else running.url, SHOWN)
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_light_and_dark_follow_the_reader(page: Page, running: Running, tmp_path: Path) -> None:
    shades = []
    for dark in (False, True):
        page.look(900, 900, dark)
        open_model(page, running, "houses")
        with Pillow.open(page.picture(tmp_path / "page.png")) as picture:
            shades.append(float(np.asarray(picture.convert("L")).mean()))
    assert shades[0] > 200
    assert shades[1] < 70


def test_a_server_with_keys_asks_for_one(chromium: Browser, models: Path, tmp_path: Path) -> None:
    secret = "dt_" + "a" * 43
    page = Page(chromium)
    with up(models, access=Access(keys=(Key("me", digest(secret)),)), **HOUSES) as locked:
        page.open(f"{locked.url}/models/houses/page", "document.querySelector('#door')?.hidden === false")
        assert page.run("document.activeElement.id") == "key"
        for given, then in (
            ("wrong", "document.querySelector('#door-told').textContent.includes('not one')"),
            (secret, ASKABLE),
        ):
            write(page, "#key", given)
            click(page, "#door button")
            page.until(then)
        write(page, "input[type=text]", "1")
        click(page, "#go")
        assert "1,012.5" in answer(page)
        assert secret not in program(page, "curl") + program(page, "Python")
        found = run_python(program(page, "Python"), tmp_path, DRIVETRAIN_KEY=secret)
        assert found["value"] == 1012.5
    page.close()
