"""Refusals of models and of overridden scores; the root and the manner are in `errors`."""

from app.domain.errors import CreditError


class ModelRefusedError(CreditError):
    """A model's package failed a check; `field` says which: `model.size`, `model.sha256`, …."""

    code = "model_refused"
    title = "The model is refused"

    @property
    def check(self) -> str:
        """The check that failed, by one word."""
        return (self.field or "").removeprefix("model.")


class TrainingRefusedError(CreditError):
    """There is too little to learn from, or too little to test on."""

    code = "training_refused"
    title = "No model can be trained"


class ModelStateError(CreditError):
    """The version is not in a state in which this can be done."""

    code = "model_state"
    title = "The model is not in that state"


class OverrideStateError(CreditError):
    """The override, or the one it replaces, is not in a state in which this can be done."""

    code = "override_state"
    title = "The override is not in that state"
