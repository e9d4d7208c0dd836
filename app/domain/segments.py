"""A segment: a legal entity or business unit in which limits and exposure live."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

MAIN: Final = "main"
"""The segment of every account that names no other; it always exists."""

Mode = Literal["OFF", "SHADOW", "WARN", "ENFORCE"]


@dataclass(frozen=True, slots=True)
class Segment:
    """`currency` is that of accounts with none of their own; `time_zone` is an IANA name.

    `four_eyes`: who proposes a limit does not approve it. `version` rises with every change.
    `credit_horizon_days`: orders that ship later do not count yet; None: every order counts.
    `provisional_haircut_percent`: how much of PROVISIONAL money does not count, 0 to 100.
    `own_rule_set` false: the rule set follows the default for all segments. From
    `next_rule_set_at` on, inclusive, `next_rule_set_version` is in force.
    """

    segment_id: str
    name: str
    currency: str = "CNY"
    time_zone: str = "Asia/Shanghai"
    mode: Mode = "ENFORCE"
    four_eyes: bool = False
    rule_set_version: int = 1
    version: int = 1
    credit_horizon_days: int | None = None
    provisional_haircut_percent: int = 100
    own_rule_set: bool = False
    next_rule_set_version: int | None = None
    next_rule_set_at: datetime | None = None

    def rule_set_at(self, at: datetime) -> int:
        """Give the version of the rules that is in force at a moment from now on."""
        later, version = self.next_rule_set_at, self.next_rule_set_version
        if later is not None and version is not None and later <= at:
            return version
        return self.rule_set_version
