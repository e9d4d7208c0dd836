"""What one measurement counted, and what is computed from it."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Give the smallest of the ascending values that `percent` of all do not exceed; 0 of none.

    Nearest rank: never a value that was not seen.
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(slots=True)
class Tally:
    """Counts and seconds of one measurement, or of several rounds of it.

    `latencies_s` are of the requests sent (in an open loop: due) within the window, `items` those
    that were answered as wished within it. `done` are all items, what warmed up included, as is
    the CPU time. `odd` answers were not as wished, `shed` ones were 503.
    """

    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    seconds: float = 0.0
    items: int = 0
    done: int = 0
    odd: int = 0
    shed: int = 0
    load_s: float = 0.0
    service_s: float = 0.0
    database_s: float = 0.0
    rates: list[float] = field(default_factory=list)
    """Items a second of each round."""
    p99s_ms: list[float] = field(default_factory=list)
    """The 99th percentile of each round's latencies."""
    besides: list[float] = field(default_factory=list)
    """What the echo answered a second right beside each round, where it was asked."""

    def add(self, other: "Tally") -> None:
        """Take over another round of the same measurement."""
        self.latencies_s.extend(other.latencies_s)
        self.seconds += other.seconds
        self.items += other.items
        self.done += other.done
        self.odd += other.odd
        self.shed += other.shed
        self.load_s += other.load_s
        self.service_s += other.service_s
        self.database_s += other.database_s
        self.rates.append(other.rate)
        self.p99s_ms += other.percentiles_ms(99)
        self.besides += other.besides

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float | None:
        """The rate as a share of the echo's right beside it: of all rounds the middle one.

        None where the echo was not asked beside every round.
        """
        return self.over(self.besides)

    def over(self, others: Sequence[float]) -> float | None:
        """Compare each round's rate with another's in the same round: the middle of all ratios.

        None where they have not equally many, or none.
        """
        if not others or len(others) != len(self.rates) or not all(others):
            return None
        return median(one / other for one, other in zip(self.rates, others, strict=True))

    @property
    def spread(self) -> float:
        """How far its rounds lie apart: the fastest as a multiple of the slowest."""
        slowest = min(self.rates, default=0.0)
        return max(self.rates) / slowest if slowest else 1.0

    def percentiles_ms(self, *percents: float) -> list[float]:
        """Give percentiles of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return [percentile(ordered, percent) * 1000 for percent in percents]

    def each_us(self, cpu_s: float) -> float:
        """Share CPU seconds out over all items: microseconds each."""
        return cpu_s / self.done * 1e6 if self.done else 0.0
