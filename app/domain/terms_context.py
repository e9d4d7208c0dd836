"""What an order asks in payment terms, held against what its payer's class may have."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from app.domain.decisions import Figures, Question, Situation
from app.domain.terms import MOST_DAYS, TERMS_NAMES, TermsTable

_WHOLE: Final = 100

_NO_TERMS: Final[Mapping[str, int]] = {
    **dict.fromkeys(TERMS_NAMES, 0),
    "terms_allowed_days": MOST_DAYS,
}


def terms_context(
    table: TermsTable, question: Question, situation: Situation, payer: Figures
) -> Mapping[str, int]:
    """Fill the names of terms; `payer` is the payer's account as the order meets it.

    An order that says nothing has the terms agreed with the payer, else those of its class. What
    is open on orders and delivered must be prepaid by the class's share all together, so that no
    prepayment counts twice; an order that is prepaid in full has no terms. Once billed it counts no
    more: the payment settles the invoice then. A class that the table leaves out leaves the names
    out: rules then say MISSING_INPUT.
    """
    if not table:
        return _NO_TERMS
    found = table.get(class_of(situation))
    if found is None or payer.fx_missing:
        return {}
    asked = question.payment_terms_days
    if asked is None:
        asked = situation.inputs.more.get("payment_terms_days")
    use = payer.bare.use
    paid, ordered = use.prepayment, use.authorized + use.open_delivery + payer.needed
    share = Fraction(found.prepay_percent) / _WHOLE
    required = -(-ordered * share.numerator // share.denominator)
    days = found.days if asked is None else int(asked)
    prepaid = 0 < ordered <= paid
    return {
        "terms_asked_days": days,
        "terms_allowed_days": found.days,
        "terms_excess_days": 0 if prepaid else max(0, days - found.days),
        "prepay_paid_minor": paid,
        "prepay_required_minor": required,
        "prepay_missing_minor": max(0, required - paid),
    }


def class_of(situation: Situation) -> str:
    """Give the payer's class; who was never scored has too little history: N."""
    score = situation.inputs.score
    return "N" if score is None else str(score["risk_class"])
