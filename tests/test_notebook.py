"""The snippets of the README as cells of a notebook: what is shown has a rich form with real content."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from pictures import class_folder, picture
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEARN = """
import drivetrain as dt
flowers = dt.image_classification.from_folder("flowers/", valid=0.2, seed=0)
learner = flowers.learner("cnn")
result = learner.fine_tune(epochs=2)
"""


class Notebook:
    """Cells run one after the other, as a notebook's kernel would run them."""

    def __init__(self) -> None:
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False

    def run(self, cell: str) -> Any:
        """The value of a cell's last line. A cell that raises is a test that fails."""
        with capture_output():
            done = self.shell.run_cell(cell, store_history=False)
        done.raise_error()
        return done.result

    def show(self, cell: str) -> dict[str, Any]:
        """What a notebook shows of that value: MIME type -> data, from the formatters that a kernel asks."""
        data, _ = self.shell.display_formatter.format(self.run(cell))
        return data


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("notebook")
    class_folder(folder / "flowers", {"daisy": 20, "rose": 20, "tulip": 19}, (48, 48), extension=".jpg")
    (folder / "flowers" / "tulip" / "copy.jpg").write_bytes(
        (folder / "flowers" / "tulip" / "003.jpg").read_bytes()
    )
    picture(2, (48, 48)).save(folder / "tulip.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DRIVETRAIN_CACHE", str(folder / "cache"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        notebook = Notebook()
        notebook.run(LEARN)
        yield notebook
        InteractiveShell.clear_instance()


def shown_picture(data: dict[str, Any]) -> Image.Image:
    """The PNG of what was shown, which must not be of one colour."""
    encoded = data["image/png"]
    image = Image.open(io.BytesIO(base64.b64decode(encoded) if isinstance(encoded, str) else encoded))
    colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 20
    return image


def test_a_dataset_shows_its_parts_as_a_table(notebook: Notebook) -> None:
    html = notebook.show("flowers")["text/html"]
    assert "<table" in html
    assert ">flowers<" in html
    for part, rows in (("train", 48), ("valid", 12)):
        assert f">{part}<" in html
        assert f">{rows}<" in html


def test_show_is_a_picture_of_the_batch(notebook: Notebook) -> None:
    data = notebook.show("flowers.show()")
    assert min(shown_picture(data).size) > 100
    assert any(
        f">{name}<" in data["text/html"] or name in data["text/html"] for name in ("daisy", "rose", "tulip")
    )


def test_the_report_of_check_shows_classes_and_faults(notebook: Notebook) -> None:
    html = notebook.show("flowers.check()")["text/html"]
    assert "60 pictures, 3 classes" in html
    assert "<table" in html
    assert "tulip/003.jpg" in html
    assert "tulip/copy.jpg" in html


def test_finding_a_learning_rate_shows_its_chart(notebook: Notebook) -> None:
    notebook.run("found = flowers.learner('cnn', quiet=True).find_lr(steps=30)")
    data = notebook.show("found")
    assert "<img" in data["text/html"] or "<svg" in data["text/html"]
    shown_picture(notebook.show("found.chart"))
    assert 1e-6 <= notebook.shell.user_ns["found"].suggestion <= 1


def test_an_interpretation_shows_confusion_and_mistakes(notebook: Notebook) -> None:
    html = notebook.show("learner.interpret()")["text/html"]
    assert "Highest losses" in html
    assert "onfusion" in html or "predicted" in html
    shown_picture(notebook.show("learner.interpret().top_losses(9)"))
    shown_picture(notebook.show("learner.interpret().confusion()"))


def test_the_way_ends_in_an_answer(notebook: Notebook) -> None:
    notebook.run('learner.export("flowers.bundle")')
    told = notebook.show('dt.Predictor("flowers.bundle").predict("tulip.jpg")')
    assert "tulip" in told.get("text/html", told["text/plain"])
    assert Path("flowers.bundle").is_file()
