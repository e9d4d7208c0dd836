"""A company's financial statements: their lines, and the ratios analysts read from them.

The ratios are the 64 of Tomczak's data on bankrupt Polish companies (UCI 365, CC BY 4.0), which
cover what the literature uses: `attribute` is the number there. "Gross profit" is profit before
tax, as in that source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

ITEMS: Final[tuple[str, ...]] = (
    "sales",
    "cost_of_sales",
    "operating_expenses",
    "total_costs",
    "profit_on_sales",
    "operating_profit",
    "ebit",
    "gross_profit",
    "net_profit",
    "financial_expenses",
    "interest",
    "extraordinary_items",
    "depreciation",
    "total_assets",
    "fixed_assets",
    "current_assets",
    "inventory",
    "receivables",
    "cash",
    "short_term_securities",
    "total_liabilities",
    "short_term_liabilities",
    "long_term_liabilities",
    "equity",
    "share_capital",
    "retained_earnings",
)
"""Lines of a statement; amounts in one currency, in whichever unit: ratios have none."""

MOST_DIGITS: Final = 15
"""Digits before the point of a figure or ratio, at most."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of a year that ended on `period_end`, since the end of the day `known_on`.

    `figures` by line and `ratios` by name are decimals as text; a ratio that is given wins over one
    computed from the lines. `currency` None: the figures are in whichever, all in the same.
    """

    period_end: date
    known_on: date
    currency: str | None
    figures: Mapping[str, str]
    ratios: Mapping[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement as kept, and when it was added."""

    statement: Statement
    created_at: datetime


PREVIOUS_SALES: Final = "previous_sales"
"""Sales of the statement a year before, as a term of a ratio."""

GROSS_PROFIT_3Y: Final = "gross_profit_3y"
"""Profit before tax of three years together, as a term of a ratio."""

YEAR_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Ratio:
    """`factor` × the sum of `top` ÷ the sum of `bottom`; without a bottom, the top alone.

    A term is a line's name, with a minus where it is taken off. Missing where a line is missing or
    the bottom is 0. `common_log` takes the logarithm to base 10 of the top, missing unless above 0.
    """

    attribute: int
    name: str
    reason: str | None
    top: tuple[str, ...]
    bottom: tuple[str, ...] = ()
    factor: float = 1.0
    common_log: bool = False


PROFIT: Final = "FINANCIALS_PROFIT"
DEBT: Final = "FINANCIALS_DEBT"
LIQUIDITY: Final = "FINANCIALS_LIQUIDITY"
TURNOVER: Final = "FINANCIALS_TURNOVER"
GROWTH: Final = "FINANCIALS_GROWTH"


def _ratio(attribute: int, name: str, reason: str | None, formula: str, factor: float = 1) -> Ratio:
    top, _, bottom = formula.partition(" / ")
    return Ratio(attribute, name, reason, tuple(top.split()), tuple(bottom.split()), factor)


RATIOS: Final[tuple[Ratio, ...]] = (
    _ratio(1, "net_profit_to_assets", PROFIT, "net_profit / total_assets"),
    _ratio(2, "liabilities_to_assets", DEBT, "total_liabilities / total_assets"),
    _ratio(
        3,
        "working_capital_to_assets",
        LIQUIDITY,
        "current_assets -short_term_liabilities / total_assets",
    ),
    _ratio(4, "current_ratio", LIQUIDITY, "current_assets / short_term_liabilities"),
    _ratio(
        5,
        "defensive_days",
        LIQUIDITY,
        "cash short_term_securities receivables -short_term_liabilities"
        " / operating_expenses -depreciation",
        YEAR_DAYS,
    ),
    _ratio(6, "retained_to_assets", PROFIT, "retained_earnings / total_assets"),
    _ratio(7, "ebit_to_assets", PROFIT, "ebit / total_assets"),
    _ratio(8, "equity_to_liabilities", DEBT, "equity / total_liabilities"),
    _ratio(9, "sales_to_assets", TURNOVER, "sales / total_assets"),
    _ratio(10, "equity_to_assets", DEBT, "equity / total_assets"),
    _ratio(
        11,
        "profit_and_interest_to_assets",
        PROFIT,
        "gross_profit extraordinary_items financial_expenses / total_assets",
    ),
    _ratio(12, "gross_profit_to_short_debt", PROFIT, "gross_profit / short_term_liabilities"),
    _ratio(13, "gross_cash_margin", PROFIT, "gross_profit depreciation / sales"),
    _ratio(14, "gross_profit_interest_to_assets", PROFIT, "gross_profit interest / total_assets"),
    _ratio(
        15,
        "debt_payback_days",
        DEBT,
        "total_liabilities / gross_profit depreciation",
        YEAR_DAYS,
    ),
    _ratio(16, "cash_profit_to_debt", DEBT, "gross_profit depreciation / total_liabilities"),
    _ratio(17, "assets_to_liabilities", DEBT, "total_assets / total_liabilities"),
    _ratio(18, "gross_profit_to_assets", PROFIT, "gross_profit / total_assets"),
    _ratio(19, "gross_margin", PROFIT, "gross_profit / sales"),
    _ratio(20, "inventory_days", TURNOVER, "inventory / sales", YEAR_DAYS),
    _ratio(21, "sales_growth", GROWTH, f"sales / {PREVIOUS_SALES}"),
    _ratio(22, "operating_profit_to_assets", PROFIT, "operating_profit / total_assets"),
    _ratio(23, "net_margin", PROFIT, "net_profit / sales"),
    _ratio(24, "gross_profit_3y_to_assets", PROFIT, f"{GROSS_PROFIT_3Y} / total_assets"),
    _ratio(25, "reserves_to_assets", DEBT, "equity -share_capital / total_assets"),
    _ratio(26, "net_cash_to_debt", DEBT, "net_profit depreciation / total_liabilities"),
    _ratio(27, "interest_cover", DEBT, "operating_profit / financial_expenses"),
    _ratio(
        28,
        "working_capital_to_fixed",
        LIQUIDITY,
        "current_assets -short_term_liabilities / fixed_assets",
    ),
    Ratio(29, "log_assets", None, ("total_assets",), common_log=True),
    _ratio(30, "net_debt_to_sales", DEBT, "total_liabilities -cash / sales"),
    _ratio(31, "gross_profit_interest_margin", PROFIT, "gross_profit interest / sales"),
    _ratio(
        32,
        "current_debt_days",
        TURNOVER,
        "short_term_liabilities / cost_of_sales",
        YEAR_DAYS,
    ),
    _ratio(33, "expenses_to_short_debt", DEBT, "operating_expenses / short_term_liabilities"),
    _ratio(34, "expenses_to_debt", DEBT, "operating_expenses / total_liabilities"),
    _ratio(35, "profit_on_sales_to_assets", PROFIT, "profit_on_sales / total_assets"),
    _ratio(36, "total_sales_to_assets", TURNOVER, "sales / total_assets"),
    _ratio(
        37, "quick_to_long_debt", LIQUIDITY, "current_assets -inventory / long_term_liabilities"
    ),
    _ratio(38, "constant_capital_to_assets", DEBT, "equity long_term_liabilities / total_assets"),
    _ratio(39, "sales_margin", PROFIT, "profit_on_sales / sales"),
    _ratio(
        40,
        "cash_ratio",
        LIQUIDITY,
        "current_assets -inventory -receivables / short_term_liabilities",
    ),
    _ratio(
        41,
        "debt_to_monthly_cash",
        DEBT,
        "total_liabilities / operating_profit depreciation",
        12 / YEAR_DAYS,
    ),
    _ratio(42, "operating_margin", PROFIT, "operating_profit / sales"),
    _ratio(43, "cycle_days", TURNOVER, "receivables inventory / sales", YEAR_DAYS),
    _ratio(44, "receivable_days", TURNOVER, "receivables / sales", YEAR_DAYS),
    _ratio(45, "net_profit_to_inventory", PROFIT, "net_profit / inventory"),
    _ratio(46, "quick_ratio", LIQUIDITY, "current_assets -inventory / short_term_liabilities"),
    _ratio(47, "inventory_cost_days", TURNOVER, "inventory / cost_of_sales", YEAR_DAYS),
    _ratio(48, "ebitda_to_assets", PROFIT, "operating_profit -depreciation / total_assets"),
    _ratio(49, "ebitda_margin", PROFIT, "operating_profit -depreciation / sales"),
    _ratio(50, "current_assets_to_debt", LIQUIDITY, "current_assets / total_liabilities"),
    _ratio(51, "short_debt_to_assets", DEBT, "short_term_liabilities / total_assets"),
    _ratio(
        52,
        "short_debt_cost_years",
        TURNOVER,
        "short_term_liabilities / cost_of_sales",
    ),
    _ratio(53, "equity_to_fixed", DEBT, "equity / fixed_assets"),
    _ratio(54, "constant_capital_to_fixed", DEBT, "equity long_term_liabilities / fixed_assets"),
    _ratio(55, "working_capital", LIQUIDITY, "current_assets -short_term_liabilities"),
    _ratio(56, "cost_margin", PROFIT, "sales -cost_of_sales / sales"),
    _ratio(
        57,
        "quick_surplus_to_costs",
        LIQUIDITY,
        "current_assets -inventory -short_term_liabilities / sales -gross_profit -depreciation",
    ),
    _ratio(58, "costs_to_sales", PROFIT, "total_costs / sales"),
    _ratio(59, "long_debt_to_equity", DEBT, "long_term_liabilities / equity"),
    _ratio(60, "inventory_turns", TURNOVER, "sales / inventory"),
    _ratio(61, "receivable_turns", TURNOVER, "sales / receivables"),
    _ratio(62, "short_debt_days", TURNOVER, "short_term_liabilities / sales", YEAR_DAYS),
    _ratio(63, "sales_to_short_debt", TURNOVER, "sales / short_term_liabilities"),
    _ratio(64, "fixed_asset_turns", TURNOVER, "sales / fixed_assets"),
)
"""In the order of their attributes there, 1 to 64."""

RATIO_NAMES: Final[tuple[str, ...]] = tuple(one.name for one in RATIOS)
