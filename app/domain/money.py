"""Money as integer minor units and a currency, and exact conversion between currencies.

Minor units follow ISO 4217 (JPY 0 digits, CNY 2, BHD 3). Nothing here knows floating point.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from app.domain.errors import FieldError
from app.domain.values import quick

MAX_MINOR: Final = 10**15
"""The largest amount, in minor units, inclusive: the bound of a database column too."""

_TWO_DIGITS: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD"
    " CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD"
    " GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD"
    " MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP"
    " PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS"
    " TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
)
_NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"

DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}
"""Fraction digits by ISO 4217 currency code (national currencies in circulation)."""

_AMOUNT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,9})?", re.ASCII)


@quick
@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (may be negative) of one currency."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """Read as people write it: `12500.00 CNY`."""
        return f"{self.text} {self.currency}"

    @property
    def text(self) -> str:
        """The amount as the wire's decimal string, with all the digits of its currency."""
        return minor_to_text(self.minor, self.currency)


@lru_cache(
    maxsize=4096
)  # an answer writes six amounts: the limit, nothing at all, one of them twice
def minor_to_text(minor: int, currency: str) -> str:
    """Write minor units as a decimal string: 1250000 CNY is `12500.00`, 500 JPY is `500`."""
    digits = DIGITS[currency]
    if not digits:
        return str(minor)
    figures = str(minor)
    if minor >= 0 and len(figures) > digits:  # nearly all
        return figures[:-digits] + "." + figures[-digits:]
    figures = str(abs(minor)).zfill(digits + 1)
    sign = "-" if minor < 0 else ""
    return f"{sign}{figures[:-digits]}.{figures[-digits:]}"


@lru_cache(maxsize=1024)  # a request's amount is read twice: when it is checked and when it is used
def parse_money(amount: str, currency: str, *, field: str = "amount") -> Money:
    """Read a decimal string; the sign is kept, bounds of use are the caller's.

    Raises:
        FieldError: Unknown currency, not a plain decimal, more fraction digits than the currency
            has, or beyond 10^15 minor units.

    """
    digits = DIGITS.get(currency)
    if digits is None:
        raise FieldError(
            f"{currency!r} is not an ISO 4217 currency in circulation", f"{field}.currency"
        )
    if not _AMOUNT.fullmatch(amount):
        raise FieldError(
            f"{amount[:40]!r} is not a decimal such as 12500.00 (no exponent, sign plus or blanks)",
            f"{field}.amount",
        )
    whole, _, fraction = amount.lstrip("-").partition(".")
    if len(fraction) > digits:
        raise FieldError(
            f"{amount} has {len(fraction)} fraction digits, {currency} has {digits}",
            f"{field}.amount",
        )
    minor = int(whole) * 10**digits + int(fraction.ljust(digits, "0") or "0")
    if minor > MAX_MINOR:
        raise FieldError(f"{amount} is more than 10^15 minor units", f"{field}.amount")
    return Money(-minor if amount.startswith("-") else minor, currency)


@dataclass(frozen=True, slots=True)
class Rate:
    """How one currency is worth another: 1 `base` = `rate` `quote`, in major units."""

    base: str
    quote: str
    rate: Decimal
    rate_date: str
    source: str

    def factor(self, source: str, target: str) -> Fraction:
        """Minor units of `target` for one minor unit of `source`, exactly; direct or inverse."""
        direct = Fraction(self.rate)
        factor = direct if (source, target) == (self.base, self.quote) else 1 / direct
        return factor * Fraction(10) ** (DIGITS[target] - DIGITS[source])


RateFinder = Callable[[str, str], Rate | None]
"""Finds the rate between two currencies (from, to) that a conversion of today takes."""


def convert(minor: int, factor: Fraction, *, up: bool) -> int:
    """Convert minor units exactly, rounding to a whole minor unit towards +∞ (`up`) or −∞.

    What uses credit is rounded up, what gives credit is rounded down: never a cent too generous.
    """
    product = minor * factor.numerator
    if up:
        return -(-product // factor.denominator)
    return product // factor.denominator
