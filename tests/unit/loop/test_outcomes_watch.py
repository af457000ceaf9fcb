"""Work that is done beside the looks."""

from __future__ import annotations

import threading

from trimtab.loop.outcomes_watch import OneAtATime


def test_work_is_done_one_after_another_while_nobody_waits_for_it() -> None:
    may_end, all_done = threading.Event(), threading.Event()
    beside, done = OneAtATime(), list[str]()

    def first() -> None:
        assert may_end.wait(60)
        done.append("first")

    def second() -> None:
        done.append("second")
        all_done.set()

    beside(first)
    beside(second)
    assert done == []
    may_end.set()
    assert all_done.wait(60)
    assert done == ["first", "second"]


def test_there_is_a_thread_only_while_there_is_work() -> None:
    beside, threads = OneAtATime(), list[threading.Thread]()
    for _ in range(3):
        ended = threading.Event()

        def work(ended: threading.Event = ended) -> None:
            threads.append(threading.current_thread())
            ended.set()

        beside(work)
        assert ended.wait(60)
        threads[-1].join(60)
        assert not threads[-1].is_alive()
    assert len(threads) == 3
