"""Identifiers that carry check digits, verified before anything is stored."""

import re
from typing import Final

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from app.domain.errors import FieldError
from app.domain.money import DIGITS

# GB 32100-2015: authority, kind, six digits of the region, nine of the organisation, check digit.
# Authority and kind may be letters (N2: rural collectives), which stdnum's own `validate` refuses.
_LETTERS: Final = "0-9A-HJ-NPQRTUWXY"
_USCC: Final = re.compile(rf"[{_LETTERS}]{{2}}[0-9]{{6}}[{_LETTERS}]{{10}}", re.ASCII)
_LEI: Final = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)


def check_uscc(number: str) -> None:
    """Insist on a 统一社会信用代码 as it is printed: 18 capitals and digits, no blanks.

    Raises:
        FieldError: Another form, or the check digit is wrong.

    """
    if not _USCC.fullmatch(number):
        raise FieldError(f"{number[:40]!r} has not the form of a USCC (GB 32100-2015)", "uscc")
    if uscc.calc_check_digit(number) != number[-1]:
        raise FieldError(f"the check digit of {number!r} is wrong (GB 32100-2015)", "uscc")


def check_lei(number: str) -> None:
    """Insist on a Legal Entity Identifier: 20 capitals and digits, the last two check the rest.

    Raises:
        FieldError: Another form, or the check digits are wrong.

    """
    if not _LEI.fullmatch(number):
        raise FieldError(f"{number[:40]!r} has not the form of an LEI (ISO 17442)", "lei")
    try:
        mod_97_10.validate(number)
    except ValidationError:
        raise FieldError(f"the check digits of {number!r} are wrong (ISO 17442)", "lei") from None


def check_country(code: str) -> None:
    """Insist on the form of an ISO 3166-1 alpha-2 code; which of them exist is not tested.

    Raises:
        FieldError: Not two capitals.

    """
    if not _COUNTRY.fullmatch(code):
        raise FieldError(f"{code[:40]!r} is not two capitals as in ISO 3166-1", "country")


def check_currency(code: str, field: str) -> None:
    """Insist on an ISO 4217 currency in circulation.

    Raises:
        FieldError: There is no such currency.

    """
    if code not in DIGITS:
        raise FieldError(f"{code[:40]!r} is not an ISO 4217 currency in circulation", field)
