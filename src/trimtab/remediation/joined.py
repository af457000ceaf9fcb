"""What a case is about: its signals, how checks change them, and how many of others' alerts it keeps one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.canonical import digest_of
from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.family import FROM_OUTSIDE
from trimtab.remediation.signals import SignalKey, key_of

__all__ = ["MOST_FROM_OUTSIDE", "Joined", "Signal", "joined", "mark_of", "opened_again"]

MOST_FROM_OUTSIDE = 200
"""So many alerts of others a case keeps one by one, the worst: a case is read, judged and told as a whole each time."""

_MARK_CHARS = 16


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that breached. ``check`` is its newest breach.

    ``recovered_us`` ends the window that was OK again, and ``ok_since_us`` begins it. ``past``: it had recovered before
    the case was opened again, and has not breached since: it belongs to the case's history.
    """

    first_us: int
    check: Check
    recovered_us: int | None = None
    ok_since_us: int | None = None
    past: bool = False

    @property
    def key(self) -> SignalKey:
        """What it is about."""
        return key_of(self.check)

    @property
    def right_since_us(self) -> int | None:
        """From when on what was measured is known to be right; None while it is not known to be right at all.

        That is the beginning of the window that was OK, and not before the end that the breach's causes name: a long
        window is OK, too, with a few wrong rows at its beginning. An alert from outside is right from its end on.
        """
        if self.recovered_us is None:
            return None
        if self.check.kind == FROM_OUTSIDE or self.ok_since_us is None:
            return self.recovered_us
        causes = self.check.detail.get("causes", ())
        ends = (self.check.window.end_us if one.get("until_us") is None else one["until_us"] for one in causes)
        return max(self.ok_since_us, *ends) if causes else self.ok_since_us


@dataclass(frozen=True, slots=True)
class Joined:
    """The signals of a case, and the marks (`mark_of`) of alerts that fire beyond those that it keeps one by one."""

    signals: tuple[Signal, ...] = ()
    beyond: frozenset[str] = frozenset()

    @property
    def recovered(self) -> bool:
        """Whether all is well again."""
        return not self.beyond and all(signal.recovered_us is not None for signal in self.signals)


def mark_of(key: SignalKey) -> str:
    """Return a short text that tells ``key`` from any other.

    >>> mark_of(SignalKey("Slow", "alert", "f1")) == mark_of(SignalKey("Slow", "alert", "f2"))
    False
    """
    return digest_of(list(key))[:_MARK_CHARS]


def joined(before: Joined, news: Mapping[SignalKey, Check]) -> Joined:
    """Return what a case is about after ``news``: signals in their order of appearance, then what has joined.

    Beyond `MOST_FROM_OUTSIDE` alerts of others, those that recovered are let go first, then the least severe that came
    last; one that still fires leaves its mark, until its end is told. Joining the same again changes nothing.
    """
    known, beyond = {signal.key for signal in before.signals}, set(before.beyond)
    signals = [_after(signal, news.get(signal.key)) for signal in before.signals]
    for key, check in news.items():
        if key in known:
            continue
        mark = mark_of(key) if check.kind == FROM_OUTSIDE else ""
        if check.verdict is Verdict.BREACH and mark not in beyond:
            signals.append(Signal(first_us=check.window.start_us, check=check))
        elif check.verdict is Verdict.OK:
            beyond.discard(mark)
    return _bounded(signals, beyond)


def opened_again(before: Joined, breaches: Mapping[SignalKey, Check]) -> Joined:
    """Return what a case is about that ``breaches`` open again: what they do not name is past, what they name is new.

    What had recovered may have been said of a version that serves no more.
    """
    past = tuple(dataclasses.replace(signal, past=True) for signal in before.signals if signal.key not in breaches)
    again = tuple(signal.key for signal in before.signals if signal.key in breaches)
    ordered = {key: breaches[key] for key in (*again, *breaches)}
    return joined(Joined(past, before.beyond), ordered)


def _after(signal: Signal, check: Check | None) -> Signal:
    if check is None or check.window.end_us <= max(signal.check.window.end_us, signal.recovered_us or 0):
        return signal
    if check.verdict is Verdict.BREACH:
        return Signal(first_us=check.window.start_us if signal.past else signal.first_us, check=check)
    if check.verdict is Verdict.OK and signal.recovered_us is None:
        return dataclasses.replace(signal, recovered_us=check.window.end_us, ok_since_us=check.window.start_us)
    return signal


def _bounded(signals: Sequence[Signal], beyond: set[str]) -> Joined:
    outside = [place for place, signal in enumerate(signals) if signal.check.kind == FROM_OUTSIDE]
    excess = len(outside) - MOST_FROM_OUTSIDE
    if excess <= 0:
        return Joined(tuple(signals), frozenset(beyond))
    dropped = set(sorted(outside, key=lambda place: _worth(signals[place], place))[:excess])
    beyond |= {mark_of(signals[place].key) for place in dropped if signals[place].recovered_us is None}
    return Joined(tuple(one for place, one in enumerate(signals) if place not in dropped), frozenset(beyond))


def _worth(signal: Signal, place: int) -> tuple[bool, int, int]:
    is_over = signal.recovered_us is not None
    return not is_over, 0 if is_over else signal.check.severity.rank, place if is_over else -place
