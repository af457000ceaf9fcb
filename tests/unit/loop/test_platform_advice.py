from __future__ import annotations

from typing import Any

import pytest

from trimtab.loop.platform_advice import Advice, advice_about_platform
from trimtab.loop.standing import Undelivered
from trimtab.records.hindrance import JournalHealth


def about_platform(
    control: bool, serving: bool, shipper: bool = True, found: Undelivered | None = None, hindered: str | None = None
) -> list[Advice]:
    processes: list[dict[str, Any]] = [
        {"process": "control-plane", "pid": 1, "alive": control},
        {"process": "inference-server", "pid": None, "alive": serving},
        {"process": "shipper", "pid": None, "alive": shipper},
    ]
    return advice_about_platform(
        processes=processes,
        found=found or Undelivered(),
        hindered=hindered,
        serves_something=True,
        logs="/a b/logs",
    )


def test_nothing_is_said_of_a_platform_that_runs() -> None:
    assert about_platform(True, True) == []


def test_predictions_that_cannot_be_recorded_are_told_and_so_are_those_that_could_not() -> None:
    def said(*recording: JournalHealth) -> list[str]:
        found = advice_about_platform(
            processes=[{"process": name, "alive": True} for name in ("control-plane", "inference-server", "shipper")],
            found=Undelivered(),
            hindered=None,
            serves_something=True,
            logs="/logs",
            recording=recording,
        )
        return [one.why for one in found]

    fine = JournalHealth(pid=1, start_ticks=1)
    assert said(fine, fine) == []
    [now] = said(fine, JournalHealth(pid=2, start_ticks=1, hindered="no room", rows_refused=7))
    assert now.startswith("the inference server cannot record predictions (no room): 7 rows were refused")
    [before] = said(fine, JournalHealth(pid=2, start_ticks=1, rows_shed=9))
    assert "9 were answered without a record; it records again" in before


@pytest.mark.parametrize(
    ("control", "serving", "shipper", "why", "command"),
    [
        (True, False, True, "the inference server is down", "tail '/a b/logs/inference-server.log'"),
        (True, True, False, "the shipper is down", "tail '/a b/logs/shipper.log'"),
        (False, True, True, "the control plane is down", "trimtab up"),
        (False, False, False, "nothing runs: no prediction is answered", "trimtab up"),
    ],
)
def test_a_process_that_is_down_is_named(control: bool, serving: bool, shipper: bool, why: str, command: str) -> None:
    (advice,) = about_platform(control, serving, shipper)
    assert advice.why.startswith(why)
    assert advice.command == command


def test_a_shipper_that_is_hindered_is_told_with_its_cause() -> None:
    (advice,) = about_platform(True, True, hindered="[Errno 28] No space left on device: '/in'")
    assert advice.why.startswith("recorded predictions do not reach the lake")
    assert advice.why.endswith("No space left on device: '/in'")


def test_what_could_not_be_delivered_is_told_with_its_cause() -> None:
    found = Undelivered(dead=2, unsent=1, held={"projection": "connection refused"})
    told = [advice.why for advice in about_platform(True, True, found=found)]
    assert told[0].startswith("MLflow cannot be told of versions")
    assert "connection refused" in told[0]
    assert told[1].startswith("2 events were given up")
    assert told[2].startswith("1 message could not be sent to people")
