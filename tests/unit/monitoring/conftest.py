from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.unit.monitoring.plugins import install

from trimtab.config import loading
from trimtab.monitoring import registry
from trimtab.monitoring.settings import MonitoringConfig

Offer = Callable[[str, Mapping[str, str]], None]


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Installs a package for one test: its source, and the classes that it offers by kind."""

    def offered(source: str, offers: Mapping[str, str]) -> None:
        # A module is imported once: each test has its own.
        site = install(tmp_path / "site", f"monitors_of_{abs(hash(tmp_path))}", source, offers)
        monkeypatch.syspath_prepend(str(site))
        _look_again()

    yield offered
    monkeypatch.undo()
    _look_again()


def _look_again() -> None:
    registry.discovered.cache_clear()
    MonitoringConfig.model_rebuild(force=True)
    loading._schema.cache_clear()
    loading._known.clear()
