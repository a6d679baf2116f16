"""Compiled code of the tests goes to a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("NEURODEPLOY_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
