"""Refusals: one leaf a rule, each with a stable code; `api/problems.py` maps leaves to statuses.

An outcome (APPROVE, HOLD, REJECT) is a value, never an error. Anything else raised is a bug.
"""

from typing import ClassVar


class CreditError(Exception):
    """A refusal that the caller can act upon.

    `detail` is one clear sentence (it may name the caller's own values); `field` is the path of
    the offending field in the request (`order.version`), or None.
    """

    code: ClassVar[str] = "credit_error"
    title: ClassVar[str] = "Refused"

    def __init__(self, detail: str, field: str | None = None) -> None:
        """Keep the sentence and the field it speaks of."""
        super().__init__(detail)
        self.detail = detail
        self.field = field


class FieldError(CreditError):
    """A field breaks a rule."""

    code = "invalid_field"
    title = "A field is not valid"


class CustomerUnknownError(CreditError):
    """No such customer (or it lies outside what the caller may see)."""

    code = "customer_unknown"
    title = "Unknown customer"


class SegmentUnknownError(CreditError):
    """No such segment (or it lies outside what the caller may see)."""

    code = "segment_unknown"
    title = "Unknown segment"


class NotFoundError(CreditError):
    """No such thing."""

    code = "not_found"
    title = "Not found"


class NotScoredError(CreditError):
    """The customer has no score yet."""

    code = "not_scored"
    title = "Not scored"


class CurrencyFixedError(CreditError):
    """An account's currency cannot change while something is open."""

    code = "currency_fixed"
    title = "The account's currency is fixed"


class VersionStaleError(CreditError):
    """The record was changed since the caller read it (`If-Match`)."""

    code = "version_stale"
    title = "The record has changed"


class OrderVersionStaleError(CreditError):
    """A newer version of the order was already seen."""

    code = "order_version_stale"
    title = "A newer version of the order is known"


class OrderClosedError(CreditError):
    """The order was closed by a fact of this or a newer version."""

    code = "order_closed"
    title = "The order is closed"


class HoldNotOpenError(CreditError):
    """The order hold was already decided."""

    code = "hold_not_open"
    title = "The hold is not open"


class EventNotWaitingError(CreditError):
    """The event left the quarantine: applied, superseded or closed."""

    code = "event_not_waiting"
    title = "The event does not wait any more"


class LimitStateError(CreditError):
    """The limit is not in a state in which this can be done."""

    code = "limit_state"
    title = "The limit is not in that state"


class MergeConflictError(CreditError):
    """The two records cannot be joined."""

    code = "merge_conflict"
    title = "The records cannot be merged"


class AliasTakenError(CreditError):
    """Another customer already uses this id."""

    code = "alias_taken"
    title = "The id belongs to another customer"


class KeyRequiredError(CreditError):
    """The `Idempotency-Key` header is needed here."""

    code = "idempotency_key_required"
    title = "Idempotency-Key is required"


class KeyReusedError(CreditError):
    """The key was used before with another request."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key was used with another request"


class BadRequestError(CreditError):
    """Not JSON, duplicate keys, NaN, or a bad header."""

    code = "bad_request"
    title = "The request cannot be read"


class TooLargeError(CreditError):
    """The body is larger than this route takes."""

    code = "too_large"
    title = "The body is too large"


class UnauthenticatedError(CreditError):
    """No valid token."""

    code = "unauthenticated"
    title = "No valid token"


class ForbiddenError(CreditError):
    """The token lacks the scope."""

    code = "forbidden"
    title = "The scope is missing"


class BusyError(CreditError):
    """A lock, the queue or the database was out of reach; nothing was changed, try again."""

    code = "busy"
    title = "Busy, try again"


class SchemaOldError(CreditError):
    """The database's schema is not the one this program needs."""

    code = "schema_old"
    title = "The database schema is not current"


class FileRefusedError(CreditError):
    """An import file cannot be taken as a whole (missing column, wrong total, unreadable)."""

    code = "file_refused"
    title = "The file is refused"


class TooManyRequestsError(CreditError):
    """The client asks more often than it may; try again later."""

    code = "too_many_requests"
    title = "Too many requests"


class RateMissingError(CreditError):
    """No stored rate is fresh enough for a conversion that cannot wait."""

    code = "fx_rate_missing"
    title = "No exchange rate"


class RateImplausibleError(CreditError):
    """A rate is far from the one before, and nobody says that it is meant."""

    code = "rate_implausible"
    title = "An implausible exchange rate"


class FourEyesError(CreditError):
    """Who proposed may not approve, in a segment that asks for four eyes."""

    code = "four_eyes"
    title = "Somebody else must approve"


class AboveAuthorityError(CreditError):
    """The amount is more than the roles of the caller may release."""

    code = "above_authority"
    title = "The amount is above your authority"


class ProposalStateError(CreditError):
    """The hold's proposed release is not in a state in which this can be done."""

    code = "proposal_state"
    title = "The proposed release is not in that state"


class AuthorityInUseError(CreditError):
    """What is to be taken away is still referred to."""

    code = "authority_in_use"
    title = "It is still in use"


class AccountStoppedError(CreditError):
    """The account is stopped; the stop must be lifted first."""

    code = "account_stopped"
    title = "The account is stopped"


class SnapshotConflictError(CreditError):
    """The snapshot contradicts one of its source that was compared before."""

    code = "snapshot_conflict"
    title = "The snapshot contradicts an earlier one"


class DriftStateError(CreditError):
    """The drift can no longer be adjusted, or never could."""

    code = "drift_state"
    title = "The drift cannot be adjusted"


class AdjustmentStateError(CreditError):
    """The adjustment cannot be reversed."""

    code = "adjustment_state"
    title = "The adjustment cannot be reversed"
