"""What the reader reads is executed: the blocks of README and guides, their tables, their links, the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import docs
from docs import PAGES, ROOT, Block, Reader
from drivetrain import extensions

EVERY_PAGE = [
    *PAGES,
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
RUNNABLE = [block for page in PAGES for block in docs.runnable(page)]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TERM = re.compile(r"^\*\*([^*]+)\*\*", re.MULTILINE)


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Reader]]:
    """A reader for each page, who remembers between the tests how far they are."""
    found = {}
    for page in PAGES:
        found[page] = Reader(page, tmp_path_factory.mktemp(page.stem))
        docs.prepare(found[page].folder)
    yield found
    for reader in found.values():
        reader.close()
    extensions.forget()  # A page may have registered one.


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.name)
def test_a_block_runs(
    block: Block,
    readers: dict[Path, Reader],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "skip" in block.marks:
        pytest.skip(block.marks["skip"])
    reader = readers[block.page]
    if reader.failed:
        pytest.skip(f"{reader.failed} has failed")
    monkeypatch.chdir(reader.folder)
    monkeypatch.syspath_prepend(reader.folder)  # As it is in a notebook.
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read when it was imported
    reader.read_to(block)


def test_there_is_something_to_run_on_every_page() -> None:
    assert {block.page for block in RUNNABLE} == set(PAGES)
    assert len(PAGES) >= 4


def test_a_block_that_fails_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nx = 1\n```\n\n```python\nassert x == 1\nassert x == 2\n```\n")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    reader = Reader(page, tmp_path)
    with pytest.raises(AssertionError) as caught:
        reader.read_to(docs.runnable(page)[-1])
    assert caught.traceback[-1].lineno == 8  # counted from 0: the page's line 9
    assert reader.failed == "page.md:8"


@pytest.mark.parametrize("text", ["$ drivetrain predikt\n", "$ ls\n"])
def test_a_command_that_fails_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{text}```\n")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"page\.md:2"):
        Reader(page, tmp_path).read_to(docs.runnable(page)[0])


def test_a_skip_needs_its_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console skip\n$ drivetrain\n```\n")
    with pytest.raises(ValueError, match="skip=REASON"):
        docs.blocks(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_made_tables_are_as_the_parser_and_the_measurements_say(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs.made(page), "run: python tests/docs.py"


def test_the_tables_that_are_made_are_somewhere() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {match[2] for match in docs.MADE.finditer(text)} == set(docs.MAKERS)


def test_every_command_shown_can_be_parsed() -> None:
    shown = [command[1:] for block in RUNNABLE for command in block.commands if command[0] == "drivetrain"]
    assert {command[0] for command in shown} == set(docs.parsers())
    for command in shown:
        docs.build_parser().parse_args(command)


def test_every_option_named_in_the_text_exists() -> None:
    options = [name for verb in docs.parsers() for name in docs.options(verb)]
    known = {part.split()[0] for name in options for part in name.split("` or `")} | {"--help", "--version"}
    for page in EVERY_PAGE:
        for code in re.findall(r"`([^`\n]+)`", docs.FENCE.sub("", page.read_text(encoding="utf-8"))):
            if code.startswith(("--", "drivetrain ")):
                named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code))
                assert named <= known, f"{page.name}: {code}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    terms = TERM.findall((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    assert len(terms) > 30
    assert terms == sorted(set(terms), key=str.lower)


def test_pictures_in_the_documentation_are_small() -> None:
    for path in (ROOT / "docs" / "images").glob("*"):
        assert path.stat().st_size < 150_000, path.name
