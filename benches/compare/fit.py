"""Fits simple models to what `benches/growth.rs` has measured, for docs/SCALE.md: a table as Markdown; and makes one of what
`benches/shape.rs` has measured.

    python3 benches/compare/fit.py target/compare/full/growth.json [--update docs/SCALE.md]
    cargo bench --bench shape > shape.json; python3 benches/compare/fit.py --shape shape.json [--update docs/SCALE.md]

Totals (bytes, memory, time to open) are taken to grow as a + b * n, what one event costs as a + b * log2(n): trees deepen. The last
columns say by how much the model misses what was measured, at worst, and what it gives where nobody has measured: a guess that
holds as long as nothing new sets in, such as a file that memory no longer caches.
"""

import json
import sys
from collections.abc import Callable
from math import log2
from pathlib import Path
from statistics import linear_regression
from typing import Any

from rows import number
from table import machine, put_between

BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
FAR = (100_000_000, 1_000_000_000)


def linear(n: float) -> float:
    return n


FIGURES: list[tuple[str, str, str, Callable[[float], float]]] = [
    ("in_order_us", "CPU an event, in order", "us", log2),
    ("late_us", "CPU an event, late by up to 30 days", "us", log2),
    ("anywhere_us", "CPU an event, from anywhere in the past", "us", log2),
    ("file_bytes", "file", "bytes", linear),
    ("resident_mib", "memory", "MiB", linear),
    ("open_ms", "opening the file", "ms", linear),
]


SHAPE_BEGIN, SHAPE_END = "<!-- shape: begin -->", "<!-- shape: end -->"
READS = {
    "summary_30d": "30 days",
    "summary_half": "half",
    "team_30d": "a team, 30 days",
    "team_half": "a team, half",
    "by_user_half": "by user, half",
    "by_team_half": "by team, half",
}


def main() -> None:
    if "--shape" in sys.argv:
        lines = Path(sys.argv[sys.argv.index("--shape") + 1]).read_text().splitlines()
        return put(shapes([json.loads(line) for line in lines if line.startswith("{")]), SHAPE_BEGIN, SHAPE_END)
    lines: list[dict[str, Any]] = json.loads(Path(sys.argv[1]).read_text())
    tables = []
    for what, name in (("usage", "user-days, one event each"), ("log", "log events of 80 bytes")):
        grown = [line for line in lines if line["what"] == what]
        if len(grown) >= 2:
            measured_at = ", ".join(f"{line['size']:,}" for line in grown)
            tables.append(f"n: {name}; measured at {measured_at}; {machine()}.\n\n{table(grown)}\n")
    put("\n".join(tables), BEGIN, END)


def put(text: str, begin: str, end: str) -> None:
    if "--update" in sys.argv:
        put_between(Path(sys.argv[sys.argv.index("--update") + 1]), begin, end, text)
    else:
        print(text)


def shapes(lines: list[dict[str, Any]]) -> str:
    """A row a history: in what it differs from the first, and what it costs."""
    usual = lines[0]["shape"]
    heads = ["CPU an event", "bytes a user-day", "memory", *READS.values()]
    rows = [f"| history | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for line in lines:
        others = [f"{value:,} {name}" for name, value in line["shape"].items() if value != usual[name]]
        costs = [line["event_us"], line["file_bytes"] / line["user_days"], line["resident_mib"]]
        figures = [number(value) for value in costs + [line["reads_us"][read] for read in READS]]
        rows.append(f"| {', '.join(others) or 'usual'} | {' | '.join(figures)} |")
    names = ", ".join(f"{value:,} {name}" for name, value in usual.items())
    first = f"{lines[0]['user_days']:,} user-days of one event each; usual: {names}; microseconds, MiB; {machine()}."
    return f"{first}\n\n" + "\n".join(rows) + "\n"


def table(grown: list[dict[str, Any]]) -> str:
    far = " | ".join(f"at {n:,}" for n in FAR)
    head = f"| figure | first | last | model | missed by | {far} |\n|---|--:|--:|---|--:|{'--:|' * len(FAR)}"
    return "\n".join([head, *(cells(grown, *figure) for figure in FIGURES)])


def cells(grown: list[dict[str, Any]], key: str, name: str, unit: str, scale: Callable[[float], float]) -> str:
    # What is late adds to the file, too.
    sizes, values = [line["size" if scale is log2 else "held"] for line in grown], [line[key] for line in grown]
    slope, base = linear_regression([scale(size) for size in sizes], values)
    missed = max(abs(base + slope * scale(size) - value) / value for size, value in zip(sizes, values, strict=True))
    sign = "-" if slope < 0 else "+"
    model = f"{number(base)} {sign} {abs(slope):.3g} {'log2(n)' if scale is log2 else 'n'}"
    far = " | ".join(number(base + slope * scale(n)) for n in FAR)
    return f"| {name}, {unit} | {number(values[0])} | {number(values[-1])} | {model} | {100 * missed:.0f} % | {far} |"


if __name__ == "__main__":
    main()
