"""The policy as a spreadsheet: taken out, looked at when it comes back, and drafted from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.domain.callers import Caller
from app.domain.rules import read_rule_set
from app.domain.rules_diff import RulesDiff, diff_rules
from app.domain.rules_write import rule_set_to_json
from app.sheets.apart import read_rules_apart, write_rules_apart
from app.store.database import Database
from app.store.trials import Period
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed
from app.usecases.rules import DraftRuleSet, Linted, ReadRuleSets, inspect, readable
from app.usecases.rules_views import Render
from app.usecases.trials import Tried, TryRuleSet


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be another than in the version in force; `tried` None: on nothing."""

    base_version: int
    diff: RulesDiff
    linted: Linted
    tried: Tried | None


@dataclass(frozen=True, slots=True)
class RuleSheets:
    """Workbooks of rule sets."""

    read: ReadRuleSets
    draft: DraftRuleSet
    trial: TryRuleSet

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime]) -> Self:
        """Make it on one database."""
        return cls(
            ReadRuleSets(database, now), DraftRuleSet(database, now), TryRuleSet(database, now)
        )

    def export(self, caller: Caller, version: int) -> bytes:
        """Write a version as a workbook.

        Raises:
            NotFoundError: There is no such version.
            FileRefusedError: No workbook can hold it; names the cell.

        """
        _, data = self.read.one(caller, version)
        return write_rules_apart(rule_set_to_json(read_rule_set(version, data)))

    def preview(
        self, caller: Caller, workbook: bytes, segment_id: str, period: Period | None
    ) -> Preview:
        """Compare a workbook with what is in force in a segment, and try it; nothing is stored.

        Raises:
            FileRefusedError: It is no workbook of a policy without a fault.
            ForbiddenError: With a period, the caller may not read what decisions rest on.
            NotFoundError: The segment is out of sight.
            FieldError: The period is empty, or has too many decisions.
            BusyError: The database was out of reach.

        """
        return self.compare(caller, read_rules_apart(workbook), segment_id, period)

    def compare(
        self, caller: Caller, data: Mapping[str, Any], segment_id: str, period: Period | None
    ) -> Preview:
        """Do the same with a policy that was read already."""
        policy = readable(0, data)
        view, stored = self.read.active(caller, segment_id)
        version = view.stored.life.version
        before = rule_set_to_json(read_rule_set(version, stored))
        diff = diff_rules(before, rule_set_to_json(policy))
        tried = None if period is None else self.trial.of(caller, policy, period)
        return Preview(version, diff, inspect(policy), tried)

    def save(self, keyed: Keyed, workbook: bytes, note: str | None, show: Render) -> Answer:
        """Store a workbook as a draft.

        Raises:
            FileRefusedError: It is no workbook of a policy without a fault.
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        return self.draft(keyed, read_rules_apart(workbook), note, show)
