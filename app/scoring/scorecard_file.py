"""The scorecard that is shipped, a JSON file of this package."""

import json
from importlib import resources

from app.domain.scorecard import Scorecard
from app.domain.scorecard_json import scorecard_from_json


def standard_scorecard() -> Scorecard:
    """Read the expert scorecard that is shipped, the one in use until another is activated."""
    file = resources.files("app.scoring").joinpath("standard_scorecard.json")
    return scorecard_from_json(json.loads(file.read_text(encoding="utf-8")))
