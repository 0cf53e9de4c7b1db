"""What was read against what went in."""

from stage import Failure

SHOWN_CHARS_MAX = 60


def same_header(who, header, expected):
    if tuple(header) != tuple(expected):
        raise Failure(f"{who} finds the columns {header}, not {expected}")


def same_rows(who, rows, expected):
    """Fails naming the first cells that differ, if any does or a row is missing or too many."""
    differing = [(i, row, sent) for i, (row, sent) in enumerate(zip(rows, expected)) if tuple(row) != tuple(sent)]
    if differing:
        cells = "; ".join(_cells(*difference) for difference in differing[:3])
        raise Failure(f"{who} reads {len(differing)} of {len(rows)} rows otherwise: {cells}")
    if len(rows) != len(expected):
        raise Failure(f"{who} reads {len(rows)} rows, not {len(expected)}")


def _cells(i, row, sent):
    if len(row) != len(sent):
        return f"row {i} has {len(row)} cells, not {len(sent)}"
    cells = [f"{_short(cell)} for {_short(other)}" for cell, other in zip(row, sent) if cell != other]
    return f"row {i}: {', '.join(cells)}"


def _short(value):
    text = repr(value)
    if len(text) <= SHOWN_CHARS_MAX:
        return text
    return f"{text[:SHOWN_CHARS_MAX]}.. ({len(value)} characters)"
