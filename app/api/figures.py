"""What several processes counted, added up as if one process had."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from app.telemetry import gauge_rules

Place = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""

_ADD: Final = "sum"


class AddedUp(Collector):
    """The registry of this process, and the files in which its children count.

    A gauge says itself how its values meet (`multiprocess_mode`). Where the newest counts, the
    children's wins: this process keeps no times.
    """

    def __init__(self, own: CollectorRegistry, folder: str) -> None:
        """Take `folder`, the children's `PROMETHEUS_MULTIPROC_DIR`; it must be there."""
        self._own = own
        self._files = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call] # theirs

    def collect(self) -> Iterable[Metric]:
        """Read everything anew."""
        families = {family.name: family for family in self._own.collect()}
        for theirs in self._files.collect():  # type: ignore[no-untyped-call] # theirs
            own = families.get(theirs.name)
            families[theirs.name] = theirs if own is None else _together(own, theirs)
        return families.values()


def _together(own: Metric, theirs: Metric) -> Metric:
    rule = gauge_rules().get(own.name, _ADD)
    found: dict[Place, Sample] = {_place(sample): sample for sample in own.samples}
    for sample in theirs.samples:
        before = found.get(_place(sample))
        value = sample.value if before is None else _meet(rule, before.value, sample.value)
        found[_place(sample)] = Sample(sample.name, sample.labels, value)
    own.samples = list(found.values())
    return own


def _place(sample: Sample) -> Place:
    return sample.name, tuple(sorted(sample.labels.items()))


def _meet(rule: str, own: float, theirs: float) -> float:
    match rule:
        case "max":
            return max(own, theirs)
        case "min":
            return min(own, theirs)
        case "mostrecent":
            return theirs
        case _:
            return own + theirs
