"""Metrics whose number of label values is bounded, whoever counts with them."""

from bisect import bisect_left
from threading import Lock
from typing import Final, Generic, TypeVar

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

OTHER: Final = "other"
"""The label value of whatever lies outside a metric's bound."""

_M = TypeVar("_M", bound=MetricWrapperBase)


class Repeated(Histogram):
    """A histogram that takes the same amount many times over for the price of once."""

    def repeat(self, amount: float, times: int) -> None:
        """Observe an amount so many times, as `observe` does once; the library has no such call.

        Raises:
            AttributeError: It has labels: ask a child of theirs.

        """
        self._sum.inc(amount * times)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(times)


class Bounded(Generic[_M]):
    """A metric with labels whose children are kept, at most `most` of them.

    The cap makes the bound a property of this class, not of its callers: whatever comes after
    the first `most` different sets of values is counted under `other`.
    """

    def __init__(self, metric: _M, most: int) -> None:
        """Wrap a metric; `most` is inclusive and leaves room for one `other` child beside it."""
        self.metric = metric
        self._most = most
        self._children: dict[tuple[str, ...], _M] = {}
        self._adding = Lock()

    def labels(self, *values: str) -> _M:
        """Return the child of these label values, in the order of the metric's label names."""
        return self._children.get(values) or self._add(values)

    def _add(self, values: tuple[str, ...]) -> _M:
        with self._adding:  # handlers run in threads too: the cap must hold under a race
            if len(self._children) >= self._most and values not in self._children:
                return self.metric.labels(*(OTHER for _ in values))
            return self._children.setdefault(values, self.metric.labels(*values))
