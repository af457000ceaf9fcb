"""Whatever becomes of readings on their way, each request that a server counted is taken once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trimtab.rollout.block import Block, Tally
from trimtab.rollout.draws_reader import CountCursor, block_between
from trimtab.serving.draws import DrawCounts, DrawLedger, DrawsReading, kept_of
from trimtab.serving.spec import EndpointSpec, VariantSpec

WORKERS = 2
WEIGHTS = (10, 25, 50, 100)


def spec(generation: int) -> EndpointSpec:
    weight = WEIGHTS[generation % len(WEIGHTS)]
    live = tuple(
        VariantSpec(
            name=name, model="m", model_version=number, bundle_path="", bundle_digest="", weight_pct=Decimal(share)
        )
        for number, (name, share) in enumerate({"v1": 100 - weight, "v2": weight}.items(), start=1)
    )
    return EndpointSpec(endpoint="heart", generation=generation, variants=live)


@dataclass
class Server:
    """Two workers that count, restart, and go from one generation to the next."""

    generation: int = 1
    lives: list[int] = field(default_factory=lambda: [0] * WORKERS)
    ledgers: dict[tuple[int, int, int], DrawLedger] = field(default_factory=dict)
    dead: tuple[DrawCounts, ...] = ()

    def restart(self, worker: int) -> None:
        """Have a worker die; its supervisor keeps what it counted."""
        for place in [place for place in self.ledgers if place[0] == worker]:
            self.dead = kept_of(self.dead, self.ledgers.pop(place).counts())
        self.lives[worker] += 1

    def ask(self, worker: int, key: int | None, draw: bool, status: int) -> None:
        place = (worker, self.lives[worker], self.generation)
        if place not in self.ledgers:
            series = f"{worker}.{self.lives[worker]}"
            self.ledgers[place] = DrawLedger(spec(self.generation), series, worker=worker, workers=WORKERS)
        is_candidate = draw if key is None else key % 3 == 0
        hashed = None if key is None else f"{key:016x}"
        self.ledgers[place].settle("v2" if is_candidate else "v1", hashed, status, 1_000 * status, 900)

    def counts(self) -> tuple[DrawCounts, ...]:
        return (*self.dead, *(one for ledger in self.ledgers.values() for one in ledger.counts()))


def summed(tallies: Iterable[Tally | DrawCounts]) -> dict[str, object]:
    """Return the sum of each number; of buckets by bucket."""
    found: dict[str, object] = {}
    for one in fields(Tally):
        values = [getattr(tally, one.name) for tally in tallies]
        if all(isinstance(value, int) for value in values):
            found[one.name] = sum(values)
            continue
        buckets: dict[int, int] = {}
        for bucket, count in (pair for value in values for pair in value):
            buckets[bucket] = buckets.get(bucket, 0) + count
        found[one.name] = buckets
    return found


requests = st.tuples(
    st.just("ask"),
    st.integers(0, WORKERS - 1),
    st.none() | st.integers(0, 11),
    st.booleans(),
    st.sampled_from((200, 200, 404, 500)),
)
actions = st.lists(
    requests
    | st.tuples(st.just("restart"), st.integers(0, WORKERS - 1))
    | st.tuples(st.sampled_from(("step", "read"))),
    max_size=60,
)


def run(taken: list[tuple[object, ...]]) -> tuple[Server, list[tuple[DrawCounts, ...]]]:
    server, readings = Server(), []
    for name, *how in taken:
        if name == "ask":
            server.ask(*how)  # type: ignore[arg-type]
        elif name == "restart":
            server.restart(int(str(how[0])))
        elif name == "step":
            server.generation = min(server.generation + 1, 4)
        else:
            readings.append(server.counts())
    return server, readings


def blocks_of(readings: Iterable[tuple[DrawCounts, ...]], cursor: CountCursor) -> tuple[CountCursor, list[Block]]:
    taken: list[Block] = []
    for counts in readings:
        told = DrawsReading(endpoint="heart", at_us=0, generation=1, counts=counts)
        cursor, blocks = block_between(cursor, told, candidate="v2", stable="v1")
        cursor = CountCursor.from_json(cursor.to_json())
        taken.extend(blocks)
    return cursor, taken


@given(taken=actions, data=st.data())
def test_lost_late_repeated_and_partial_readings_lose_and_double_nothing(
    taken: list[tuple[object, ...]], data: st.DataObject
) -> None:
    server, readings = run(taken)
    some = data.draw(st.lists(st.sampled_from(readings), max_size=8)) if readings else []
    silent = [data.draw(st.sets(st.integers(0, WORKERS - 1))) for _ in some]
    partial = [
        tuple(one for one in reading if one.worker not in workers)
        for reading, workers in zip(some, silent, strict=True)
    ]
    cursor, blocks = blocks_of([*partial, server.counts(), *partial], CountCursor(after_generation=0))
    for variant, name in (("v2", "candidate"), ("v1", "stable")):
        counted = [one for one in server.counts() if one.variant == variant]
        assert summed([getattr(block, name) for block in blocks]) == summed(counted)
    for block in blocks:
        numbers = [value for name in ("candidate", "stable") for value in summed([getattr(block, name)]).values()]
        assert all(value >= 0 for value in numbers if isinstance(value, int))
        assert block.probability == WEIGHTS[block.generation % len(WEIGHTS)] / 100
    for generation in range(1, 5):
        asked = sum(one.requests for one in server.counts() if (one.variant, one.generation) == ("v2", generation))
        assert cursor.tally_of("v2", generation).requests == asked


@given(taken=actions, data=st.data())
def test_no_key_counts_twice_within_a_segment(taken: list[tuple[object, ...]], data: st.DataObject) -> None:
    keyed = [action for action in taken if action[0] != "ask" or action[2] is not None]
    server, readings = run(keyed)
    some = data.draw(st.lists(st.sampled_from(readings), max_size=8)) if readings else []
    _, blocks = blocks_of([*some, server.counts()], CountCursor(after_generation=0))
    for segment in {block.segment for block in blocks}:
        of_it = [block for block in blocks if block.segment == segment]
        assert all(block.sticky for block in of_it)
        assert len({block.generation for block in of_it}) == 1
        assert sum(block.candidate.drawn for block in of_it) <= 4, "of keys 0..11 a third belongs to the candidate"
        assert sum(block.stable.drawn for block in of_it) <= 8


@given(taken=actions, data=st.data())
def test_lives_without_keys_that_are_kept_as_one_let_no_key_count_twice(
    taken: list[tuple[object, ...]], data: st.DataObject
) -> None:
    failing = [(*act[:4], 200 if act[2] is None else 500) if act[0] == "ask" else act for act in taken]
    server, readings = run(failing)
    some = data.draw(st.lists(st.sampled_from(readings), max_size=8)) if readings else []
    _, blocks = blocks_of([*some, server.counts()], CountCursor(after_generation=0))
    for segment in {block.segment for block in blocks}:
        of_it = [block for block in blocks if block.segment == segment]
        assert sum(block.candidate.failed for block in of_it) <= 4
        assert sum(block.stable.failed for block in of_it) <= 8


def test_a_late_reading_of_a_life_that_another_series_holds_by_now_is_not_taken_again() -> None:
    server = Server()
    for _life in range(2):
        server.ask(0, None, draw=True, status=200)
        late = server.counts()
        server.restart(0)
    _, blocks = blocks_of([late, server.counts(), late], CountCursor(after_generation=0))
    assert sum(block.candidate.requests for block in blocks) == 2


def test_lives_that_are_kept_as_one_leave_the_number_of_a_later_life_as_it_is() -> None:
    server, cursor, taken = Server(), CountCursor(after_generation=0), list[Block]()
    for life, key in enumerate((None, None, 0, 0)):
        server.ask(0, key, draw=True, status=200 if key is None else 500)
        # In its third life it is told of while nothing of the dead can be read.
        told = [one for one in server.counts() if life != 2 or one not in server.dead]
        cursor, blocks = blocks_of([tuple(told)], cursor)
        taken += blocks
        server.restart(0)
    failed = {block.segment: block.candidate.failed for block in taken if block.candidate.failed}
    assert list(failed.values()) == [1, 1], "one key, once in each of two lives"


def test_what_is_remembered_of_a_worker_that_dies_over_and_over_does_not_grow_with_its_counts() -> None:
    server, cursor, taken = Server(), CountCursor(after_generation=0), 0
    for _life in range(30):
        server.ask(0, None, draw=True, status=200)
        cursor, blocks = blocks_of([server.counts()], cursor)
        taken += sum(block.candidate.requests for block in blocks)
        server.restart(0)
    cursor, _ = blocks_of([server.counts()], cursor)
    assert (taken, len(cursor.seen), cursor.tally_of("v2", 1).requests) == (30, 2, 30)


@given(taken=actions)
def test_what_was_there_before_the_rollout_is_left_out(taken: list[tuple[object, ...]]) -> None:
    server, _ = run(taken)
    _, blocks = blocks_of([server.counts()], CountCursor(after_generation=2))
    assert all(block.generation > 2 for block in blocks)
    later = [one for one in server.counts() if one.generation > 2 and one.variant == "v2"]
    assert sum(block.candidate.requests for block in blocks) == sum(one.requests for one in later)


def test_generations_that_are_long_over_are_forgotten_and_never_read_again() -> None:
    server, cursor, taken = Server(), CountCursor(after_generation=0), 0
    for generation in range(1, 12):
        server.generation = generation
        server.ask(0, None, draw=True, status=200)
        cursor, blocks = blocks_of([server.counts()], cursor)
        taken += sum(block.candidate.requests for block in blocks)
    assert taken == 11
    assert len({one.generation for one in cursor.seen}) == 4
    assert blocks_of([server.counts()], cursor) == (cursor, [])
