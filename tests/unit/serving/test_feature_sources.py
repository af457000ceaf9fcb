from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import variant

from trimtab.core.enums import VariantRole
from trimtab.core.errors import ConfigError
from trimtab.serving.features.base import FeatureValue, Why
from trimtab.serving.features.cache import FeatureCache
from trimtab.serving.features.counts import FeatureCounts
from trimtab.serving.features.reading import Found, Reading
from trimtab.serving.spec import BatchingSpec, EndpointSpec, FeaturesSpec
from trimtab.testing import bundles
from trimtab.testing.bundles import TINY_FEATURES

WITHIN_S = 20
NEVER_S = 60.0

PLUGIN = """
from collections.abc import Mapping

from trimtab.serving.features.base import FeatureValue

opened = []


class Source:
    def __init__(self):
        self.is_closed = False
        opened.append(self)

    async def read(self, entities, names):
        return [
            {"age": FeatureValue(61), "chol": FeatureValue(310.5)} if entity == {"clinic": "b", "patient": "7"} else {}
            for entity in entities
        ]

    def close(self):
        self.is_closed = True


class Blunt(Source):
    async def read(self, entities, names):
        return [{"age": 61, "chol": 310.5} for _ in entities]


class Odd(Source):
    async def read(self, entities, names):
        return [{"age": FeatureValue([61]), "chol": FeatureValue(310.5, "yesterday")} for _ in entities]


class Loud(Source):
    async def read(self, entities, names):
        raise ValueError("no such table")

    def close(self):
        raise ValueError("closed twice")


def failing():
    raise OSError("no licence")


nothing = object
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package as pip leaves it, which offers feature sources; returns its module's name."""
    # A module is imported once: each test has its own.
    module = f"store_of_{abs(hash(tmp_path))}"
    site = tmp_path / "site"
    facts = site / f"{module}-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / f"{module}.py").write_text(PLUGIN)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name.lower()} = {module}:{name}" for name in ("Source", "Blunt", "Odd", "Loud", "failing", "nothing")]
    (facts / "entry_points.txt").write_text("\n".join(["[trimtab.feature_sources]", *lines, f"gone = {module}:x", ""]))
    monkeypatch.syspath_prepend(str(site))
    return module


def spec(state: Path, source: str, *, generation: int = 1, names: tuple[str, ...] = ("age", "chol")) -> EndpointSpec:
    return EndpointSpec(
        endpoint="heart",
        generation=generation,
        variants=(variant(state, "stable", "100"),),
        features=FeaturesSpec(source=source, entity_keys=("clinic", "patient"), names=names),
    )


ROW = {"sex": "male", "clinic": "b", "patient": 7}


def test_an_installed_package_can_be_the_source(bench: Bench, plugin: str, tmp_path: Path) -> None:
    assert bench.deploy(spec(tmp_path, "source")).error is None
    assert bench.ask("/predict", {"row": ROW}).status == 200
    (row,) = bench.recorded()
    assert row.values == (61.0, 310.5, "male")
    reply = bench.ask("/predict", {"row": {**ROW, "clinic": "a"}})
    assert (reply.status, "feature 'age' of clinic 'a', patient '7' is absent" in reply.json["error"]) == (424, True)


def test_the_source_of_a_generation_that_is_replaced_is_closed(bench: Bench, plugin: str, tmp_path: Path) -> None:
    bench.deploy(spec(tmp_path, "source"))
    bench.deploy(spec(tmp_path, "source", generation=2))
    first, second = __import__(plugin).opened
    assert (first.is_closed, second.is_closed) == (True, False)
    assert bench.ask("/predict", {"row": ROW}).status == 200


def test_what_a_package_returns_or_raises_is_told_as_the_sources_fault(
    bench: Bench, plugin: str, tmp_path: Path
) -> None:
    for generation, source in enumerate(("blunt", "odd"), start=1):
        bench.deploy(spec(tmp_path, source, generation=generation))
        reply = bench.ask("/predict", {"row": {**ROW, "age": 50}})
        assert reply.json["features"] == [{"name": "chol", "why": "unfit", "rows": [0]}]
        assert bench.ask("/predict", {"row": ROW}).status == 424
    bench.deploy(spec(tmp_path, "loud", generation=3))
    reply = bench.ask("/predict", {"row": {**ROW, "age": 50}})
    assert reply.json["features"] == [{"name": "chol", "why": "unavailable", "rows": [0]}]
    assert bench.ask("/predict", {"row": ROW}).status == 503
    # Even when it cannot be closed, the next generation comes.
    assert bench.deploy(spec(tmp_path, "source", generation=4)).error is None


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "elsewhere",
            "features.source 'elsewhere': no entry point of group trimtab.feature_sources, expected a URL or",
        ),
        ("failing", "features.source 'failing': fails to open (OSError: no licence)"),
        ("gone", "features.source 'gone': fails to open (AttributeError"),
        ("nothing", "features.source 'nothing': opens a object, expected a FeatureSource with read and close"),
        ("ftp://host/x", "features.source 'ftp://host/x': expected http://HOST:PORT/PATH"),
        ("http://me:secret@host/x", "features.source 'http://host/x': expected http://HOST:PORT/PATH"),
        ("http://host:99999/x", "features.source 'http://host:99999/x': expected"),
        ("http://ho st/x?token=secret", "features.source 'http://ho st/x': expected"),
        ("http:///x", "features.source 'http:///x': expected"),
        (
            "http://host/x?table=a&access_token=secret",
            "features.source 'http://host/x': its query holds 'access_token', which looks like a key",
        ),
        ("http://host/x?key=secret", "features.source 'http://host/x': its query holds 'key', which looks like a key"),
    ],
)
def test_a_source_that_cannot_be_opened_leaves_the_old_generation_serving(
    bench: Bench, plugin: str, tmp_path: Path, source: str, sentence: str
) -> None:
    bench.deploy(spec(tmp_path, "source"))
    status = bench.deploy(spec(tmp_path, source, generation=2))
    assert status.error is not None
    assert status.error.startswith(sentence)
    assert "secret" not in status.error
    if "secret" in source:
        assert "features.key_env" in status.error
    assert status.generation == 1
    assert bench.ask("/predict", {"row": ROW}).status == 200


def test_only_features_of_the_models_can_come_from_the_source(bench: Bench, plugin: str, tmp_path: Path) -> None:
    status = bench.deploy(spec(tmp_path, "source", names=("age", "weight")))
    assert status.error is not None
    assert (
        "features.names holds 'weight', which is no feature of its models; expected only age, chol, sex" in status.error
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"entity_keys": []},
        {"names": []},
        {"names": ["a", "a"]},
        {"names": ["k"]},
        {"timeout_ms": 0},
        {"max_age_s": -1},
        {"on_missing": "guess"},
        {"cache_s": 0},
        {"cache_entities": 0},
    ],
)
def test_a_spec_that_asks_for_nothing_or_nonsense_is_refused(wrong: dict[str, object]) -> None:
    content = {"source": "store", "entity_keys": ["k"], "names": ["a"], **wrong}
    with pytest.raises((msgspec.ValidationError, ConfigError)):
        msgspec.json.decode(msgspec.json.encode(content), type=FeaturesSpec)


def test_shadows_get_the_rows_as_they_were_completed(
    bench: Bench, plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that knows more categories reads the rows anew.
    *numbers, sex = TINY_FEATURES
    wider = msgspec.structs.replace(sex, categories=(*sex.categories, "none"))
    with monkeypatch.context() as while_written:
        while_written.setattr(bundles, "TINY_FEATURES", (*numbers, wider))
        shadow = msgspec.structs.replace(variant(tmp_path, "next", "100", version=2), role=VariantRole.SHADOW)
    both = spec(tmp_path, "source")
    bench.deploy(msgspec.structs.replace(both, variants=(*both.variants, shadow)))
    assert bench.ask("/predict", {"row": ROW}).status == 200
    bench.shadows.close()
    outcomes = bench.metrics.variant("heart", "next", 2).shadow.outcomes()
    assert outcomes == {"same": 1, "different": 0, "failed": 0, "dropped": 0}


def test_rows_that_were_completed_are_batched(bench: Bench, plugin: str, tmp_path: Path) -> None:
    bench.deploy(msgspec.structs.replace(spec(tmp_path, "source"), batching=BatchingSpec()))
    assert bench.ask("/predict", {"row": ROW}).status == 200
    (row,) = bench.recorded()
    assert row.values == (61.0, 310.5, "male")
    assert bench.table.get("heart").in_flight == 0


def test_an_endpoint_without_a_source_answers_in_one_go(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(msgspec.structs.replace(spec(tmp_path, "source"), features=None))
    assert bench.table.get("heart").is_plain


class Held:
    """A source that answers when it may."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.may = asyncio.Event()
        self.fails = False

    async def read(
        self, entities: Sequence[Mapping[str, str]], names: Sequence[str]
    ) -> Sequence[Mapping[str, FeatureValue]]:
        self.asked.append([entity["k"] for entity in entities])
        await self.may.wait()
        if self.fails:
            raise ConfigError("broken")
        return [{name: FeatureValue(entity["k"]) for name in names} for entity in entities]

    def close(self) -> None:
        """Keep nothing."""


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reading(source: Held, counts: FeatureCounts, clock: Clock, timeout_s: float = NEVER_S) -> Reading:
    return Reading(source, endpoint="e", keys=("k",), names=("a",), timeout_s=timeout_s, counts=counts, now_s=clock)


def test_what_is_asked_while_four_calls_run_shares_the_next_and_each_gets_its_own() -> None:
    async def ask() -> tuple[list[list[Found]], Held]:
        source = Held()
        one = reading(source, FeatureCounts(), Clock())
        tasks = [asyncio.create_task(one.read([(str(number % 9),)])) for number in range(13)]
        while len(source.asked) < 4:
            await asyncio.sleep(0)
        gone = asyncio.create_task(one.read([("nobody",)]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        source.may.set()
        return await asyncio.wait_for(asyncio.gather(*tasks), WITHIN_S), source

    answers, source = asyncio.run(ask())
    assert answers == [[{"a": FeatureValue(str(number % 9))}] for number in range(13)]
    # Nobody is asked for twice in a call, nor for whom nobody waits.
    assert source.asked == [["0"], ["1"], ["2"], ["3"], ["4", "5", "6", "7", "8", "0", "1", "2", "3"]]


def test_what_was_read_a_moment_ago_is_not_asked_for_again_and_only_so_many_are_kept() -> None:
    async def ask() -> None:
        source, counts, clock = Held(), FeatureCounts(), Clock()
        source.may.set()
        cache = FeatureCache(10, 2, now_s=clock)
        one = Reading(
            source, endpoint="e", keys=("k",), names=("a",), timeout_s=NEVER_S, counts=counts, cache=cache, now_s=clock
        )
        x, y, z = ({"a": FeatureValue(name)} for name in "xyz")
        assert await one.read([("x",), ("y",)]) == [x, y]
        assert await one.read([("y",), ("x",)]) == [y, x]
        assert await one.read([("x",), ("z",)]) == [x, z]
        # Of three, the one that was not asked for the longest has gone.
        assert await one.read([("x",), ("y",)]) == [x, y]
        assert source.asked == [["x", "y"], ["z"], ["y"]]
        assert (counts.cached.value, len(cache)) == (4, 2)
        # Not even a source that fails is missed meanwhile, and no failure is kept.
        source.fails = True
        assert await one.read([("x",), ("new",)]) == [x, Why.UNAVAILABLE]
        clock.now_s += 10
        assert await one.read([("x",)]) == [Why.UNAVAILABLE]
        source.fails = False
        assert await one.read([("x",), ("new",)]) == [x, {"a": FeatureValue("new")}]
        long = "x" * 5_000
        for _ in range(2):
            assert await one.read([(long,)]) == [{"a": FeatureValue(long)}]
        assert source.asked[-2:] == [[long], [long]]

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))


def test_a_source_that_fails_five_times_in_a_row_rests_for_a_second() -> None:
    async def ask() -> None:
        source, counts, clock = Held(), FeatureCounts(), Clock()
        source.may.set()
        source.fails = True
        one = reading(source, counts, clock)
        for _ in range(7):
            assert await one.read([("x",), ("y",)]) == [Why.UNAVAILABLE] * 2
        assert len(source.asked) == 5
        clock.now_s += 1.01
        # One failure more is enough now, and one success for all to be well.
        for _ in range(2):
            assert await one.read([("x",)]) == [Why.UNAVAILABLE]
        assert len(source.asked) == 6
        clock.now_s += 1.01
        source.fails = False
        assert await one.read([("x",)]) == [{"a": FeatureValue("x")}]
        source.fails = True
        for _ in range(4):
            await one.read([("x",)])
        assert len(source.asked) == 11
        assert {name: count.value for name, count in counts.calls.items()} == {
            "answered": 1,
            "timeout": 0,
            "failed": 10,
            "held_back": 3,
        }

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))


def test_nobody_waits_longer_than_the_time_even_for_a_call_that_has_not_begun() -> None:
    async def ask() -> None:
        source, counts = Held(), FeatureCounts()
        one = reading(source, counts, Clock(), timeout_s=0.05)
        answers = await asyncio.gather(*(one.read([(str(number),)]) for number in range(30)))
        assert answers == [[Why.TIMEOUT]] * 30
        assert len(source.asked) <= 5
        one.close()

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))


def test_nothing_that_is_asked_just_when_all_calls_end_is_forgotten() -> None:
    async def ask() -> None:
        source = Held()
        one = reading(source, FeatureCounts(), Clock())
        first = [asyncio.create_task(one.read([(str(number),)])) for number in range(4)]
        while len(source.asked) < 4:
            await asyncio.sleep(0)

        async def late() -> list[Found]:
            # It goes on in the same turn of the loop as the calls, behind them.
            await source.may.wait()
            return await one.read([("late",)])

        last = asyncio.create_task(late())
        await asyncio.sleep(0)
        source.may.set()
        assert await last == [{"a": FeatureValue("late")}]
        await asyncio.gather(*first)

    asyncio.run(asyncio.wait_for(ask(), WITHIN_S))
