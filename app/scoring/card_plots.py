"""The plots of a model card as PNG bytes: English and symbols only, fonts for more may lack.

Nothing of the machine or the moment goes into a file, so that the same model gives the same bytes.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from app.scoring.card_slices import Effect, by_month, by_segment, by_size, effects
from app.scoring.metrics import lift, reliability, roc
from app.scoring.training_report import Evaluation, Period
from app.scoring.training_run import Trained

MODEL: Final = "#0b5fa5"
RULE: Final = "#c2571a"
GREY: Final = "#8a8f98"

_WIDE: Final = (6.4, 4.2)
_DPI: Final = 110
_STYLE: Final[dict[Any, object]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def plots(trained: Trained, found: Evaluation) -> dict[str, bytes]:
    """Draw all plots, by file name."""
    drawn: Mapping[str, Callable[[Axes], None]] = {
        "reliability.png": lambda axes: _reliability(axes, found),
        "roc.png": lambda axes: _roc(axes, found),
        "ks.png": lambda axes: _ks(axes, found),
        "lift.png": lambda axes: _lift(axes, found),
        "by_month.png": lambda axes: _slices(axes, by_month(found), "month of issue"),
        "by_segment.png": lambda axes: _slices(axes, by_segment(found), "segment"),
        "by_size.png": lambda axes: _slices(axes, by_size(found), "amount, quarter of the rows"),
    }
    with mpl.rc_context(_STYLE):
        files = {name: _png(draw) for name, draw in drawn.items()}
        return {**files, "effects.png": _effects(effects(trained, found))}


def _png(draw: Callable[[Axes], None]) -> bytes:
    figure = Figure(figsize=_WIDE, dpi=_DPI, layout="constrained")
    draw(figure.subplots())
    return _bytes(figure)


def _bytes(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _reliability(axes: Axes, found: Evaluation) -> None:
    for said, name, colour in ((found.rule, "rule", RULE), (found.predicted, "model", MODEL)):
        rows = reliability(found.test.labels, said)
        x, y = [row.predicted for row in rows], [row.observed for row in rows]
        axes.plot(x, y, "o-", color=colour, label=name, markersize=4.5)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="perfect")
    axes.set(xlabel="predicted PD (tenths of the rows)", ylabel="observed rate of late")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")


def _roc(axes: Axes, found: Evaluation) -> None:
    figures = ((found.rule, "rule", RULE), (found.predicted, "model", MODEL))
    areas = (found.rivals.rule_auc.value, found.rivals.auc.value)
    for (said, name, colour), area in zip(figures, areas, strict=True):
        curve = roc(found.test.labels, said)
        axes.plot(curve.x, curve.y, color=colour, label=f"{name}, AUC {area:.3f}")
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    axes.set(xlabel="punctual rows called late", ylabel="late rows called late")
    axes.legend(loc="lower right")


def _ks(axes: Axes, found: Evaluation) -> None:
    late = found.test.labels > 0
    parts = [np.sort(found.predicted[~late]), np.sort(found.predicted[late])]
    for part, name, colour in zip(parts, ("punctual", "late"), (MODEL, RULE), strict=True):
        axes.step(part, np.arange(1, len(part) + 1) / len(part), color=colour, label=name)
    at = np.unique(found.predicted)
    shares = [np.searchsorted(part, at, side="right") / len(part) for part in parts]
    widest = int(np.argmax(shares[0] - shares[1]))
    ends = (float(shares[1][widest]), float(shares[0][widest]))
    axes.vlines(float(at[widest]), *ends, color=GREY, linestyle="--")
    axes.annotate(
        f"KS {ends[1] - ends[0]:.3f}",
        (float(at[widest]), sum(ends) / 2),
        xytext=(6, 0),
        textcoords="offset points",
    )
    axes.set(xlabel="predicted PD", ylabel="share of rows at or below", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower right")


def _lift(axes: Axes, found: Evaluation) -> None:
    rows = lift(found.test.labels, found.predicted)
    axes.bar(range(1, len(rows) + 1), rows, color=MODEL, width=0.7)
    axes.axhline(1, color=GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="tenth of the rows, riskiest first", ylabel="rate of late ÷ mean rate")
    axes.set_xticks(range(1, len(rows) + 1))


def _slices(axes: Axes, rows: Sequence[Period], what: str) -> None:
    """Draw observed and predicted rates of late, and the number of rows, of each slice."""
    places = np.arange(len(rows))
    observed = [row.late / row.rows for row in rows]
    axes.bar(places, observed, color="#cfe0ef", width=0.65, label="observed")
    axes.plot(places, [row.predicted for row in rows], "o", color=MODEL, label="predicted")
    areas = [float("nan") if row.auc is None else row.auc for row in rows]
    axes.plot(places, areas, "D", color=RULE, markersize=4.5, label="AUC")
    axes.set_xticks(places, [f"{row.name}\nn={row.rows}" for row in rows], fontsize=8)
    axes.set(xlabel=what, ylabel="rate of late; AUC", ylim=(0, 1.02))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _effects(rows: Sequence[Effect]) -> bytes:
    figure = Figure(figsize=(9.6, 5.6), dpi=_DPI, layout="constrained")
    for place, one in enumerate(rows):
        axes = figure.add_subplot(2, 3, place + 1)
        axes.plot(one.values, one.mean, color=MODEL, drawstyle="steps-mid")
        if np.isfinite(one.missing):
            axes.axhline(one.missing, color=GREY, linestyle=":", linewidth=1)
        axes.set_xlabel(one.name)
        axes.set_ylabel("mean PD" if place % 3 == 0 else "")
        axes.set_ylim(0, max(0.05, min(1.0, 1.15 * float(np.max(one.mean)))))
    return _bytes(figure)
