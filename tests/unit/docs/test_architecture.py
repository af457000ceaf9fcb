"""The architecture page is drawn of all there is, and refuses to draw a loop with a gap."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.generators.architecture import _loop, architecture_page

from trimtab.loop.subscriptions import SUBSCRIPTIONS

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_shows_every_room_every_event_and_every_subscriber() -> None:
    page = architecture_page(ROOT)
    package = ROOT / "src" / "trimtab"
    rooms = [path.parent.name for path in package.glob("*/__init__.py")] + ["bootstrap"]
    for room in rooms:
        assert f"        {room}\n" in page
    for kind, subscribers in SUBSCRIPTIONS.items():
        assert f"([{kind}])" in page
        for name in subscribers:
            assert f"{kind.replace('.', '_')} --> {name}_hears[{name}]" in page


def test_an_event_that_nobody_tells_of_is_found(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(
        'def work(outbox: Outbox) -> None:\n    outbox.publish(c, "alert.raised", "a")\n'
    )
    with pytest.raises(LookupError, match=r"job\.finished"):
        _loop(tmp_path)
