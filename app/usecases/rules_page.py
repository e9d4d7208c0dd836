"""A rule set as a page to read, in Chinese or English: clause by clause, rule by rule."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from app.domain.rules import Row, RuleSet
from app.domain.rules_names import ATTRIBUTE, NAMES
from app.domain.rules_reach import DIMENSIONS, Scope
from app.domain.rules_write import row_to_json
from app.texts import TEXTS, text

Language = Literal["zh", "en"]

_AFTER: Final = {"zh": "：", "en": ": "}


def policy_page(rules: RuleSet, language: Language) -> str:
    """Write the page as Markdown."""
    page = _Page(rules, language)
    return "\n".join(page.lines()) + "\n"


class _Page:
    """One page in one language."""

    def __init__(self, rules: RuleSet, language: Language) -> None:
        self.rules = rules
        self.language = language

    def say(self, code: str, **values: str) -> str:
        """Fill a sentence in the page's language."""
        said = text(code, values)
        return said.zh if self.language == "zh" else said.en

    def lines(self) -> Iterator[str]:
        """Write the whole page, line by line."""
        rules = self.rules
        yield f"# {self.say('POLICY_TITLE')}{_AFTER[self.language]}{rules.name}"
        yield ""
        yield self.say("POLICY_INTRO", name=f"`{rules.name}`")
        yield ""
        yield self.say("POLICY_TOLERANCE", percent=str(rules.tolerance_percent))
        for clause, (zh, en) in rules.clauses.items():
            yield from ("", f"## {clause}", "", zh if self.language == "zh" else en)
            for row in rules.rows:
                if row.clause == clause:
                    yield from self._row(row)
        bare = [row for row in rules.rows if row.clause not in rules.clauses]
        if bare:
            yield from ("", f"## {self.say('POLICY_NO_CLAUSE')}")
        for row in bare:
            yield from self._row(row)
        yield from self._terms()
        yield from self._names()
        yield from self._examples()

    def _row(self, row: Row) -> Iterator[str]:
        data = row_to_json(row)
        yield from ("", f"### {data[self.language]} (`{row.rule_id}`)", "")
        yield self._item("POLICY_CONDITION", f"`{row.when}`")
        told = ", ".join(f"`{name}` = {_shown(one)}" for name, one in row.parameters.items())
        yield from self._optional("POLICY_PARAMETERS", told)
        yield self._item("POLICY_OUTCOME", self.say(f"POLICY_DID_{row.outcome}"))
        yield self._item("POLICY_REASON", f"`{row.reason}`{self._reason(row)}")
        yield from self._optional(
            "POLICY_LIFTS", ", ".join(f"`{one}`" for one in sorted(row.lifts))
        )
        points = sorted(row.check_points or ())
        yield from self._optional("POLICY_CHECK_POINTS", ", ".join(f"`{one}`" for one in points))
        yield from self._optional("POLICY_SCOPE", _scope(row.reach.scope))
        yield from self._optional("POLICY_EXCEPT", _scope(row.reach.excepted))
        yield self._item("POLICY_MISSING", self.say(f"POLICY_DID_{row.on_missing}"))
        yield from self._optional("POLICY_ACTION", f"`{row.action}`" if row.action else "")
        yield from self._optional("POLICY_OWNER", row.owner or "")
        if row.scope == "path":
            yield f"- {self.say('POLICY_PATH')}"
        if not row.auto_release:
            yield f"- {self.say('POLICY_BY_HAND')}"

    def _item(self, code: str, told: str) -> str:
        return f"- {self.say(code)}{_AFTER[self.language]}{told}"

    def _optional(self, code: str, told: str) -> Iterator[str]:
        if told:
            yield self._item(code, told)

    def _reason(self, row: Row) -> str:
        known = TEXTS.get(row.reason)
        said = row.says or (None if known is None else (known.zh, known.en))
        if said is None:
            return ""
        return f"{_AFTER[self.language]}{said[0] if self.language == 'zh' else said[1]}"

    def _terms(self) -> Iterator[str]:
        if self.rules.terms:
            yield from ("", f"## {self.say('POLICY_TERMS')}", "")
        for risk_class, terms in sorted(self.rules.terms.items()):
            told = self.say(
                "POLICY_TERMS_ROW",
                risk_class=risk_class,
                days=str(terms.days),
                late_interest_percent=str(terms.late_interest_percent),
                prepay_percent=str(terms.prepay_percent),
            )
            yield f"- {told}"

    def _names(self) -> Iterator[str]:
        used = sorted({name for row in self.rules.rows for name in row.shown()})
        yield from ("", f"## {self.say('POLICY_NAMES')}", "")
        yield self._table_head("POLICY_NAME", "POLICY_UNIT", "POLICY_MEANING")
        yield "|---|---|---|"
        for name in used:
            unit = NAMES[name].unit if name in NAMES else ""
            meaning = "attribute" if name.startswith(ATTRIBUTE) else name
            yield f"| `{name}` | {unit or '–'} | {self.say(f'RULE_NAME_{meaning}')} |"

    def _table_head(self, *codes: str) -> str:
        return "| " + " | ".join(self.say(code) for code in codes) + " |"

    def _examples(self) -> Iterator[str]:
        if not self.rules.examples:
            return
        yield from ("", f"## {self.say('POLICY_EXAMPLES')}", "")
        yield self._table_head(
            "POLICY_EXAMPLE", "POLICY_CHANGES", "POLICY_OUTCOME", "POLICY_REASON"
        )
        yield "|---|---|---|---|"
        for example in self.rules.examples:
            yield (
                f"| {example.get('name', '')} | {_changes(example)} | `{example['outcome']}` |"
                f" {', '.join(f'`{one}`' for one in example['reasons']) or '–'} |"
            )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"


def _scope(scope: Scope) -> str:
    found = [
        f"{one} {', '.join(f'`{value}`' for value in sorted(getattr(scope, one)))}"
        for one in DIMENSIONS
        if getattr(scope, one)
    ]
    return "; ".join(found)


def _changes(example: Mapping[str, Any]) -> str:
    told = [f"`{name}` = `{_literal(one)}`" for name, one in example.get("context", {}).items()]
    told += [f"`{name}` ?" for name in example.get("missing", ())]
    return ", ".join(told) or "–"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
