"""Foreign positions of an account as JSON, as they are stored."""

from collections.abc import Mapping
from decimal import Decimal

from app.domain.accounts import CATEGORIES, ForeignUse, Use
from app.domain.money import Rate


def foreign_to_json(foreign: Mapping[str, ForeignUse]) -> dict[str, object] | None:
    """Write foreign positions as they are stored; None where there are none."""
    if not foreign:
        return None
    return {
        code: {
            **{name: getattr(held.use, name) for name in CATEGORIES if getattr(held.use, name)},
            "rate": [
                held.rate.base,
                held.rate.quote,
                str(held.rate.rate),
                held.rate.rate_date,
                held.rate.source,
            ],
        }
        for code, held in sorted(foreign.items())
    }


def foreign_from_json(data: Mapping[str, dict[str, object]] | None) -> dict[str, ForeignUse]:
    """Read what `foreign_to_json` wrote."""
    found = {}
    for code, held in (data or {}).items():
        amounts = {name: int(str(held.get(name, 0))) for name in CATEGORIES}
        parts = held["rate"]
        if not isinstance(parts, list):
            message = f"foreign position {code} has no rate"
            raise TypeError(message)
        base, quote, rate, rate_date, source = map(str, parts)
        found[code] = ForeignUse(
            Use(**amounts), Rate(base, quote, Decimal(rate), rate_date, source)
        )
    return found
