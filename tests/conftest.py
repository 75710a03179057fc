"""Tests keep what they encode and what they note in folders of their own, not in the user's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivetrain import extensions


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("DRIVETRAIN_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_extensions_of_other_tests() -> None:
    """What another file's tests had installed is forgotten: its kinds would be guessed here too."""
    extensions.forget()
