"""Monitors come from installed packages as well; a package that is broken harms none but those who name it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.monitoring.conftest import Offer
from tests.unit.monitoring.plugins import DOCUMENTED, install
from tests.unit.monitoring.windows import checks_of, patients, window_of

from trimtab.config.loading import parse_yaml
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError
from trimtab.monitoring.registry import monitor_of
from trimtab.monitoring.run import run_monitors
from trimtab.monitoring.settings import MonitoringConfig

ROOT = Path(__file__).parents[3]


def config(*monitors: dict[str, object]) -> MonitoringConfig:
    return MonitoringConfig.model_validate({"window": "1d", "profile_period": "1m", "monitors": monitors})


def test_the_documented_monitor_takes_thirty_lines_and_one_entry_point(offer: Offer) -> None:
    assert len([line for line in DOCUMENTED.splitlines() if line.strip() and "import" not in line]) <= 30
    offer(DOCUMENTED, {"volume_drop": "VolumeDrop"})
    watched = config({"type": "volume_drop", "max_drop": 0.4}, {"type": "data_quality"})
    [first, _] = run_monitors(watched, window_of(patients(60, seed=1)))
    assert [check.verdict for check in first.checks] == [Verdict.INCONCLUSIVE]
    assert first.state == {"usual": 60}
    [second, _] = run_monitors(watched, window_of(patients(30, seed=1)), states={"volume_drop": first.state})
    assert [(check.verdict, check.value) for check in second.checks] == [(Verdict.BREACH, 0.5)]
    assert "VolumeDropSettings" in MonitoringConfig.model_json_schema()["$defs"]


def test_its_settings_are_checked_as_all_others_are(offer: Offer) -> None:
    offer(DOCUMENTED, {"volume_drop": "VolumeDrop"})
    for wrong, said in (("max_drp: 0.4", "did you mean 'max_drop'"), ("max_drop: 4", "less than 1")):
        with pytest.raises(ConfigError, match=said):
            parse_yaml(f"window: 1d\nmonitors: [{{type: volume_drop, {wrong}}}]".encode(), MonitoringConfig, source="x")


@pytest.mark.parametrize(
    ("source", "offers", "said"),
    [
        ("import nowhere_to_be_found", {"broken": "Any"}, "ModuleNotFoundError"),
        ("class Other: ...", {"broken": "Gone"}, "AttributeError"),
        (DOCUMENTED, {"broken": "VolumeDrop"}, "expected a class with check, kind = 'broken'"),
        (DOCUMENTED, {"broken": "VolumeDropSettings"}, "expected a class with check"),
    ],
)
def test_a_broken_package_is_told_to_those_who_name_it_and_to_nobody_else(
    offer: Offer, source: str, offers: dict[str, str], said: str
) -> None:
    offer(source, offers)
    assert checks_of(config({"type": "data_quality"}), window_of(patients(60, seed=1)))
    with pytest.raises(ConfigError, match="monitor type 'broken' cannot be used") as refused:
        parse_yaml(b"window: 1d\nmonitors: [{type: broken}]", MonitoringConfig, source="monitoring_config.yaml")
    assert said in str(refused.value)


def test_no_package_takes_the_place_of_a_built_in_monitor(offer: Offer) -> None:
    offer(DOCUMENTED.replace("volume_drop", "latency"), {"latency": "VolumeDrop"})
    with pytest.raises(ConfigError, match="there is one of this kind already"):
        parse_yaml(b"window: 1d\nmonitors: [{type: latency, p95_ms: 5}]", MonitoringConfig, source="x")


def test_a_discovered_monitor_is_put_through_the_conformance_test(tmp_path: Path) -> None:
    site = install(tmp_path, "volume_drop", DOCUMENTED, {"volume_drop": "VolumeDrop"})
    suite = "tests/unit/monitoring/test_conformance.py"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite, "-k", "volume_drop or put_through"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout


HANGS = """
import threading
from dataclasses import dataclass
from typing import ClassVar, Literal
from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.settings import MonitorSettings

go_on, begun = threading.Event(), []

class HangsSettings(MonitorSettings):
    type: Literal["hangs"] = "hangs"

@dataclass(frozen=True)
class Hangs:
    kind: ClassVar[str] = "hangs"
    settings_type: ClassVar[type[MonitorSettings]] = HangsSettings
    settings: HangsSettings

    def check(self, data):
        begun.append(threading.current_thread())
        go_on.wait()
        return Judged((check_of(self.settings, data, Finding(Verdict.OK, "at last")),))
"""


def test_a_monitor_that_hangs_is_inconclusive_once_its_time_is_over_and_is_not_begun_twice(offer: Offer) -> None:
    offer(HANGS, {"hangs": "Hangs"})
    watched = config({"type": "hangs", "time_limit": "50ms"}, {"type": "data_quality"})
    data = replace(window_of(patients(60, seed=1)), endpoint="hanging")
    first, second = checks_of(watched, data), checks_of(watched, data)
    for checks, said in ((first, "no answer within 0.05 s"), (second, "an earlier look is still running")):
        assert (checks[0].kind, checks[0].verdict) == ("hangs", Verdict.INCONCLUSIVE)
        assert said in checks[0].explanation
        assert any(check.verdict is Verdict.OK for check in checks[1:]), "the others go on"
    module = sys.modules[type(monitor_of(watched.monitors[0])).__module__]
    [thread] = module.begun
    module.go_on.set()
    thread.join()
    assert checks_of(watched, data)[0].explanation == "at last"


_SLOPPY = """
from dataclasses import dataclass
from typing import ClassVar, Literal
from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.settings import MonitorSettings

class SloppySettings(MonitorSettings):
    type: Literal["sloppy"] = "sloppy"

@dataclass(frozen=True)
class Sloppy:
    kind: ClassVar[str] = "sloppy"
    settings_type: ClassVar[type[MonitorSettings]] = SloppySettings
    settings: SloppySettings

    def check(self, data):
        ok = check_of(self.settings, data, Finding(Verdict.OK, "fine", column="age"))
        return ANSWER
"""


@pytest.mark.parametrize(
    "answer",
    [
        "Judged(())",
        "Judged((ok, ok))",
        "Judged((ok,), {'mean': float('nan')})",
        "Judged((ok,), {'seen': {1, 2}})",
        "(ok,)",
        "None",
        "1 / 0",
        "exit(1)",
    ],
)
def test_what_could_not_be_stored_with_the_checks_of_the_others_is_inconclusive(offer: Offer, answer: str) -> None:
    offer(_SLOPPY.replace("ANSWER", answer), {"sloppy": "Sloppy"})
    [sloppy, sound] = run_monitors(config({"type": "sloppy"}, {"type": "data_quality"}), window_of({}))
    assert ([check.verdict for check in sloppy.checks], sloppy.state) == ([Verdict.INCONCLUSIVE], None)
    assert "monitor 'sloppy' failed" in sloppy.checks[0].explanation
    assert sound.checks
