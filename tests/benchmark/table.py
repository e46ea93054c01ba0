"""A run for people: the whole table, and the short one for the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .figures import MEASURES, SHORT_TABLE, Figure, Measure
from .judgement import Spread, spread
from .results import DIRECT, OURS, Results

__all__ = ["markdown", "text"]

_LARGEST_REASON = 300
_LEGEND = (
    "In brackets: the least and the largest of the rounds. Of direct, CPU and memory are those of the stand-in behind it. "
    "Not measured: -"
)


def text(results: Results) -> str:
    """Each figure's median and range, with the goal for ours, and below each measure what went wrong in it."""
    names = [DIRECT, *(name for name in results.targets if name != DIRECT)]
    rows: list[list[str] | str] = [["", "goal", *names]]
    for measure in MEASURES.values():
        figures = [figure for figure in measure.figures if _cells(results, names, measure, figure)]
        trouble = list(_trouble(results, names, measure))
        if not figures and not trouble:
            continue
        rows += ["", measure.title]
        for figure in figures:
            cells = _cells(results, names, measure, figure)
            rows.append([f"  {figure.title}", figure.goal_text, *(cells.get(name, "-") for name in names)])
        rows += trouble
    widths = [max(len(row[place]) for row in rows if isinstance(row, list)) for place in range(2 + len(names))]
    lines = [
        row if isinstance(row, str) else "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    yardstick = spread(results.yardstick)
    assert yardstick is not None
    said = f"yardstick: a fixed computation took {_range(yardstick, 1)} ms of CPU"
    return "\n".join([_caption(results), said, "", *lines, "", _LEGEND])


def markdown(results: Results) -> str:
    """Medians alone, for the README."""
    names = [DIRECT, *(name for name in results.targets if name != DIRECT)]
    shown = {DIRECT: "without a proxy", OURS: "this proxy"}
    lines = ["| | " + " | ".join(shown.get(name, name) for name in names) + " |", "| --- |" + " --- |" * len(names)]
    for title, figures in SHORT_TABLE:
        cells = [", ".join(_median(results, name, *place) for place in figures) for name in names]
        if any(cell.strip("-, ") for cell in cells):
            lines.append(f"| {title} | " + " | ".join("-" if not cell.strip("-, ") else cell for cell in cells) + " |")
    return "\n".join([*lines, "", _caption(results)])


def _cells(results: Results, names: list[str], measure: Measure, figure: Figure) -> dict[str, str]:
    cells = {}
    for name in names:
        found = spread(results.values(name, measure.name, figure.name))
        if found is not None:
            cells[name] = _range(found, figure.digits) + _goal(figure, found, name) + _count(results, found)
    return cells


def _range(found: Spread, digits: int) -> str:
    middle, low, high = (f"{value:.{digits}f}" for value in found[:3])
    return middle if low == high else f"{middle} ({low}-{high})"


def _goal(figure: Figure, found: Spread, name: str) -> str:
    is_met = figure.is_met(found.median) if name == OURS else None
    return "" if is_met is None else " met" if is_met else " MISSED"


def _count(results: Results, found: Spread) -> str:
    return "" if found.rounds == results.rounds else f" [{found.rounds} of {results.rounds} rounds]"


def _median(results: Results, name: str, measure: str, figure: str) -> str:
    known = MEASURES[measure].figure(figure)
    found = spread(results.values(name, measure, figure))
    if found is None or (name == DIRECT and known.is_of_process):
        return "-"
    return f"{found.median:,.{known.digits}f}"


def _trouble(results: Results, names: list[str], measure: Measure) -> Iterator[str]:
    for name in names:
        failures = [reason for reason in results.failures.get(name, {}).get(measure.name, []) if reason]
        for reason, count in Counter(reason[:_LARGEST_REASON] for reason in failures).items():
            yield f"  ! {name} failed in {count} of {results.rounds} rounds: {reason}"
        kinds: Counter[str] = sum(results.errors.get(name, {}).get(measure.name, []), Counter())
        if kinds:
            yield f"  ! {name} had errors: {', '.join(f'{count} x {kind}' for kind, count in kinds.most_common())}"


def _caption(results: Results) -> str:
    about = results.about
    rounds = f"{results.rounds} round{'s' * (results.rounds != 1)}"
    effort = "" if about["effort"] == "full" else f", effort: {about['effort']}"
    return (
        f"Medians of {rounds} on {about['cores']} x {about['cpu']} ({about['system']}, Python {about['python']}), "
        f"{about['date'][:10]}, vespa_client {about['version']} at {about['commit']}{effort}."
    )
