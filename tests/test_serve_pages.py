"""The pages as files: what they are sent with, what they never do. What they do in a browser is in test_serve_browser.py."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from serving import a_server, ask, said, servable

from drivetrain.charts.chart import DARK, LIGHT
from drivetrain.codecs import Signature
from drivetrain.serve.protocols.pages import POLICY, ROUTES
from drivetrain.serve.routes import Routes

PAGES = Path(str(files("drivetrain.serve").joinpath("pages")))
NAMES = sorted(file.name for file in PAGES.iterdir() if file.suffix in (".html", ".js", ".css", ".svg"))


def server() -> Any:
    made = a_server(servable("houses"), routes=Routes(ROUTES))
    made.router.find = lambda asked: made.router.lease(asked).servable
    return made


@pytest.mark.parametrize("path", ["/", "/models/houses/page", *(f"/pages/{name}" for name in NAMES)])
def test_each_file_is_sent_with_a_policy_that_takes_nothing_from_elsewhere(path: str) -> None:
    response = ask(server(), "GET", path)
    assert response.status == 200
    headers = dict(response.headers)
    policy = headers["Content-Security-Policy"]
    assert policy == POLICY
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "camera=(self), microphone=(self)" in headers["Permissions-Policy"]
    assert response.type.partition(";")[0] in ("text/html", "text/javascript", "text/css", "image/svg+xml")


def test_what_the_browser_has_is_not_sent_again() -> None:
    tag = dict(ask(server(), "GET", "/pages/model.js").headers)["ETag"]
    again = ask(server(), "GET", "/pages/model.js", headers={"if-none-match": tag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "name", ["", "x.js", "..", "../server.py", "/etc/passwd", "__init__.py", "model.js/", "MODEL.JS"]
)
def test_there_are_no_other_files(name: str) -> None:
    assert ask(server(), "GET", f"/pages/{name}").status == 404


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".html")])
def test_no_page_has_script_or_style_in_it(name: str) -> None:
    text = (PAGES / name).read_text("utf-8")
    assert not re.findall(r"<script(?![^>]*\bsrc=)", text)
    assert not re.findall(r"\s(?:style|on[a-z]+)=|<style|javascript:", text)
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text)
    for label in re.findall(r'<label for="([^"]+)"', text):
        assert f'id="{label}"' in text


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_no_script_makes_html_or_code_of_a_text(name: str) -> None:
    text = (PAGES / name).read_text("utf-8")
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc|setTimeout\(['\"]",
        text,
    )
    assert not re.findall(r"https?://(?!www\.w3\.org/)", text.replace("https or on", "")), (
        "an address of somebody else"
    )


def test_the_colours_are_those_of_the_report() -> None:
    text = (PAGES / "style.css").read_text("utf-8")
    light, dark = re.findall(r":root\{[^}]*--surface[^}]*\}", text)
    for palette, block in ((LIGHT, light), (DARK, dark)):
        for name in ("surface", "ink", "muted", "grid", "accent", "soft", "warning"):
            assert f"--{name}:{getattr(palette, name)}" in block


def test_the_files_need_no_right_and_hold_no_data() -> None:
    rights = {route.pattern: route.right for route in ROUTES}
    assert rights["/"] == rights["/models/{model}/page"] == rights["/pages/{file}"] == "open"
    assert rights["/models/{model}/signature"] == "read"
    known, unknown = (ask(server(), "GET", f"/models/{name}/page") for name in ("houses", "nothing"))
    assert known.body == unknown.body


def test_a_signature_makes_the_codecs_that_a_bundle_has() -> None:
    told = said(ask(server(), "GET", "/models/houses/signature"))
    own = servable("houses").bundle
    assert Signature.from_json(told["signature"]) == own.signature
    assert (told["task"], told["hash"]) == (own.task, own.hash)
    assert ask(server(), "GET", "/models/nothing/signature").status == 404


def test_a_request_that_is_no_get_finds_no_page() -> None:
    assert ask(server(), "POST", "/").status == 405
