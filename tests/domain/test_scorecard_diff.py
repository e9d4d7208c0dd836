"""What another scorecard would change is told by its parts and by the customers it rates."""

from dataclasses import replace
from typing import Any

from app.domain.features import Features
from app.domain.scorecard import rate
from app.domain.scorecard_diff import CharacteristicChange, ScorecardTrial, diff_scorecards
from app.domain.scores import RiskClass
from app.scoring.scorecard_file import standard_scorecard

CARD = standard_scorecard()
LATE = Features("CNY", 0.5, 20.0, 40, 0.0, 0.0, 0, 0, 0.2, 900, 1.0, 20, 20, 0.0)


def stored(features: Features) -> dict[str, Any]:
    score = rate(features, CARD)
    return {
        "score": score.score,
        "risk_class": score.risk_class.value,
        "traffic_light": score.traffic_light.value,
    }


def test_a_diff_names_characteristics_and_settings() -> None:
    first, second, *rest = CARD.characteristics
    other = replace(second, missing_points=second.missing_points - 1)
    new = replace(CARD, version=9, late_days=45, characteristics=(other, *rest))
    found = diff_scorecards(CARD, new)
    assert found.characteristics == (
        CharacteristicChange("REMOVED", first.feature),
        CharacteristicChange("CHANGED", second.feature, ("missing_points",)),
    )
    assert found.parts == ("late_days",)
    back = diff_scorecards(new, CARD).characteristics
    assert back[0] == CharacteristicChange("ADDED", first.feature)
    assert diff_scorecards(CARD, replace(CARD, version=9)) == diff_scorecards(CARD, CARD)
    assert not diff_scorecards(CARD, CARD).characteristics


def test_a_trial_counts_who_would_be_rated_otherwise() -> None:
    same, harsher = ScorecardTrial(CARD), ScorecardTrial(replace(CARD, start_points=500))
    newcomer = replace(LATE, invoices_known=0)
    for features in (LATE, newcomer):
        same.add(stored(features), features)
        harsher.add(stored(features), features)
    assert (same.customers, same.other_score, same.other_class, same.other_light) == (2, 0, 0, 0)
    before = rate(LATE, CARD).risk_class
    assert before is not RiskClass.E
    assert dict(harsher.moves) == {(before, RiskClass.E): 1}
    assert (harsher.customers, harsher.other_score, harsher.other_light) == (2, 1, 1)
