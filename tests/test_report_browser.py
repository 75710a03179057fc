"""The report page in a real browser: it fits a phone, it is dark when the reader wants it dark, it needs no network."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import resuming
from PIL import Image

from drivetrain.learn.learner import Learner

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
WIDTH_PROBE = """<!doctype html><meta charset="utf-8">
<style>html,body{{margin:0}}iframe{{width:{width}px;height:4000px;border:0}}</style>
<iframe id="page" src="report.html"></iframe><pre id="told"></pre><script>
onload = () => {{ const d = page.contentDocument.documentElement; told.textContent = `wide=${{d.scrollWidth}}`; }}
</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("report") / "run"
    Learner(resuming.dataset(), resuming.module(), augment=None, out=run, quiet=True).fit(2)
    return run / "report.html"


def chromium(folder: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


def brightness(report: Path, folder: Path, *arguments: str) -> float:
    picture = folder / "page.png"
    chromium(folder, "--window-size=800,900", f"--screenshot={picture}", *arguments, report.as_uri())
    return float(np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("L")).mean())


def test_light_and_dark_follow_the_reader(report: Path, tmp_path: Path) -> None:
    light = brightness(report, tmp_path)
    dark = brightness(report, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light > 200
    assert dark < 70


@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_window(report: Path, tmp_path: Path, width: int) -> None:
    probe = report.with_name(f"probe-{width}.html")
    probe.write_text(WIDTH_PROBE.format(width=width))
    page = chromium(
        tmp_path, "--allow-file-access-from-files", "--window-size=1200,900", "--dump-dom", probe.as_uri()
    )
    assert f"wide={width}<" in page
