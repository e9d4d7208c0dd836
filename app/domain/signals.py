"""What registries know of a company, as kinds of events and the role it played in them."""

from enum import StrEnum
from typing import Final


class SignalKind(StrEnum):
    """Kinds of risk events; a registry's own names are mapped to these."""

    DISHONEST_DEBTOR = "DISHONEST_DEBTOR"
    ABNORMAL_OPERATION = "ABNORMAL_OPERATION"
    SERIOUS_ILLEGAL = "SERIOUS_ILLEGAL"
    LITIGATION = "LITIGATION"
    ADMIN_PENALTY = "ADMIN_PENALTY"
    EQUITY_FREEZE = "EQUITY_FREEZE"
    CONSUMPTION_LIMIT = "CONSUMPTION_LIMIT"
    TAX_ARREARS = "TAX_ARREARS"
    LIQUIDATION = "LIQUIDATION"
    DEREGISTRATION = "DEREGISTRATION"


class SignalRole(StrEnum):
    """Which part the company has in an event; a plaintiff is owed something, which is no fault."""

    SUBJECT = "SUBJECT"
    DEFENDANT = "DEFENDANT"
    PLAINTIFF = "PLAINTIFF"
    OTHER = "OTHER"


COUNTED_KINDS: Final[tuple[str, ...]] = tuple(kind.value for kind in SignalKind)
"""Each kind is a feature of its own: its adverse events that are not over."""
