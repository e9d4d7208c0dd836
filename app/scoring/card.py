"""The card of a model, for who decides whether to use it: HTML in a language, plots inside.

Texts come from outside (`say`), so that both languages are data. Every value is escaped.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from app.domain.manifests import ModelKind
from app.scoring.card_slices import by_month
from app.scoring.metrics import calibration_error, ks
from app.scoring.training_report import Evaluation, Period, Verdict, rivals
from app.scoring.training_run import Trained

Say = Callable[[str, Mapping[str, str]], str]
"""Fills the text of a code in one language."""

SUSPICIOUS: Final = 0.90
"""An AUC above this is a leak until shown otherwise."""

_PLOTS: Final = (
    ("CARD_RELIABILITY", "reliability.png"),
    ("CARD_ROC", "roc.png"),
    ("CARD_KS", "ks.png"),
    ("CARD_LIFT", "lift.png"),
    ("CARD_EFFECTS", "effects.png"),
    ("CARD_BY_MONTH", "by_month.png"),
    ("CARD_BY_SEGMENT", "by_segment.png"),
    ("CARD_BY_SIZE", "by_size.png"),
)
_VERDICTS: Final = {
    Verdict.BETTER: ("CARD_BETTER", "good"),
    Verdict.NO_BETTER: ("CARD_NO_BETTER", "warn"),
    Verdict.WORSE: ("CARD_WORSE", "bad"),
}
_STYLE: Final = """
body{font:15px/1.6 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
color:#1d2329;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.verdict{border-left:.4rem solid;padding:.6rem 1rem;margin:1rem 0;background:#f5f7f9}
.verdict p:first-child{font-weight:600}
.good{border-color:#1a7f4b}.warn{border-color:#c98a00}.bad{border-color:#b3261e}
table{border-collapse:collapse}td,th{padding:.25rem .8rem;border-bottom:1px solid #e3e6ea}
td+td,th+th{text-align:right;font-variant-numeric:tabular-nums}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem}
figure{margin:0}figcaption{font-weight:600}img{max-width:100%;height:auto}
.wide{grid-column:1/-1}code{overflow-wrap:anywhere}
"""


def card_html(
    trained: Trained, found: Evaluation, plots: Mapping[str, bytes], language: str, say: Say
) -> bytes:
    """Write the card in a language (`zh` or `en`), a file of its own that needs no other."""
    title = say("CARD_TITLE", {"name": trained.wish.card.name})
    parts = (
        f"<h1>{escape(title)}</h1>",
        *(_paragraph(line) for line in _head(trained, say)),
        _verdict(found, say),
        _section(say, "CARD_FIGURES", _figures(found, say), *_sureness(found, say)),
        f'<div class="plots">{"".join(_plot(say, *row, plots) for row in _PLOTS)}</div>',
        _section(
            say, "CARD_BACKTEST", _periods(found.backtest, say), say("CARD_BACKTEST_NOTE", {})
        ),
        _section(say, "CARD_BY_MONTH", _periods(by_month(found), say)),
        _section(say, "CARD_DATA", "", *_data(trained, found, say)),
        _section(say, "CARD_LIMITS", "", say("CARD_LIMITS_NOTE", {})),
        _paragraph(say("CARD_REPEAT", _repeat(trained))),
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    page = (
        f'<!doctype html>\n<html lang="{language}"><head>{head}</head>',
        f"<body>{''.join(parts)}</body></html>",
    )
    return ("\n".join(page) + "\n").encode()


def _head(trained: Trained, say: Say) -> Sequence[str]:
    target = trained.wish.target
    days = {"late_days": str(target.late_days), "horizon_days": str(target.horizon_days)}
    trees = trained.wish.kind is ModelKind.LIGHTGBM
    kind = "CARD_KIND_LIGHTGBM" if trees else "CARD_KIND_SCORECARD"
    return say("CARD_TARGET", days), say(kind, {"trees": str(trained.model.trees)})


def _verdict(found: Evaluation, say: Say) -> str:
    code, look = _VERDICTS[found.verdict]
    lines = [say(code, {}), say("CARD_RULE", {})]
    if found.rivals.auc.value > SUSPICIOUS:
        lines.append(say("CARD_LEAK", {}))
    return f'<div class="verdict {look}">{"".join(map(_paragraph, lines))}</div>'


def _figures(found: Evaluation, say: Say) -> str:
    ours = {
        "auc": found.rivals.auc.value,
        "brier": found.rivals.brier.value,
        "rows": len(found.test),
    }
    rows = [(say("CARD_MODEL", {}), ours)]
    rows += [(say(f"CARD_RIVAL_{name.upper()}", {}), row) for name, row in rivals(found).items()]
    return _table(
        (say("CARD_WHO", {}), "AUC", "Brier", say("CARD_ROWS", {})),
        [(name, _three(row["auc"]), _three(row["brier"]), str(row["rows"])) for name, row in rows],
    )


def _sureness(found: Evaluation, say: Say) -> Sequence[str]:
    sure, labels = found.rivals, found.test.labels
    values = {
        "auc_low": sure.auc.lower,
        "auc_high": sure.auc.upper,
        "gain": sure.auc_gain.value,
        "gain_low": sure.auc_gain.lower,
        "gain_high": sure.auc_gain.upper,
        "brier_gain": sure.brier_gain.value,
        "brier_low": sure.brier_gain.lower,
        "brier_high": sure.brier_gain.upper,
    }
    more = {
        "ks": _three(ks(labels, found.predicted)),
        "ece": _three(calibration_error(labels, found.predicted)),
        "as_such": "–" if found.auc_as_such is None else _three(found.auc_as_such),
    }
    told = {name: _three(value) for name, value in values.items()}
    return say("CARD_SCORECARD_NOTE", {}), say("CARD_INTERVALS", told), say("CARD_MORE", more)


def _periods(rows: Sequence[Period], say: Say) -> str:
    names = ("CARD_PERIOD", "CARD_ROWS", "CARD_LATE", "CARD_OBSERVED", "CARD_PREDICTED")
    return _table(
        (*(say(name, {}) for name in names), "AUC", "Brier"),
        [
            (
                row.name,
                str(row.rows),
                str(row.late),
                _three(row.late / row.rows),
                _three(row.predicted),
                "–" if row.auc is None else _three(row.auc),
                _three(row.brier),
            )
            for row in rows
        ],
    )


def _data(trained: Trained, found: Evaluation, say: Say) -> Sequence[str]:
    learn, left_out = trained.learn, trained.observed.left_out
    numbers = {
        "n_train": len(learn),
        "late_train": int(np.sum(learn.labels)),
        "from": np.min(learn.days),
        "until": np.max(learn.days),
        "n_test": len(found.test),
        "test_from": trained.test_from,
        "customers": len(np.unique(found.test.customers)),
        "known_until": trained.observed.until,
    }
    lost = {**left_out, "unscored": found.unscored}
    gains = trained.model.gains
    used = sorted((name for name in gains if gains[name] > 0), key=lambda name: -gains[name])
    same = [name for name, why in trained.dropped.items() if why == "constant"]
    lines = [
        say("CARD_DATA_NOTE", _strings(numbers)),
        say("CARD_LEFT_OUT", _strings(lost)),
        say("CARD_FEATURES", {"names": ", ".join(used)}),
        say("CARD_ABSENT", {"count": str(len(trained.dropped) - len(same))}),
    ]
    return [*lines, *([say("CARD_CONSTANT", {"names": ", ".join(same)})] if same else [])]


def _repeat(trained: Trained) -> Mapping[str, str]:
    return {
        "seed": str(trained.wish.seed),
        "sha256": trained.learn.keep(trained.names).digest(),
        "libraries": ", ".join(f"{name} {held}" for name, held in trained.libraries.items()),
    }


def _strings(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _three(value: float) -> str:
    return f"{value:.3f}"


def _paragraph(line: str) -> str:
    return f"<p>{escape(line)}</p>"


def _section(say: Say, title: str, body: str, *lines: str) -> str:
    return f"<h2>{escape(say(title, {}))}</h2>{body}{''.join(map(_paragraph, lines))}"


def _plot(say: Say, title: str, name: str, plots: Mapping[str, bytes]) -> str:
    wide = ' class="wide"' if name == "effects.png" else ""
    caption = escape(say(title, {}))
    data = base64.b64encode(plots[name]).decode()
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure{wide}><figcaption>{caption}</figcaption>{image}</figure>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rest = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{first}</tr>{rest}</table>"
