"""Refusals of the credit policy; the root and the manner are in `errors`."""

from collections.abc import Sequence

from app.domain.errors import CreditError


class RuleSetStateError(CreditError):
    """The rule set is not in a state in which this can be done."""

    code = "rule_set_state"
    title = "The rule set is not in that state"


class RuleSetRefusedError(CreditError):
    """The rule set is none, or does not pass its lint or its own examples; `faults` say where.

    Each fault is a field path and a sentence.
    """

    code = "rule_set_refused"
    title = "The rule set is refused"

    def __init__(
        self, detail: str, field: str | None = None, faults: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Keep what is wrong, in the order of the rule set."""
        super().__init__(detail, field)
        self.faults = tuple(faults)
