"""Fits simple models to what `benches/growth.rs` has measured, for docs/SCALE.md: a table as Markdown.

    python3 benches/compare/fit.py target/compare/full/growth.json [--update docs/SCALE.md]

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


def main() -> None:
    lines: list[dict[str, Any]] = json.loads(Path(sys.argv[1]).read_text())
    tables = []
    for what, name in (("usage", "user-days, one event each"), ("log", "log events of 80 bytes")):
        grown = [line for line in lines if line["what"] == what]
        if len(grown) >= 2:
            measured_at = ", ".join(f"{line['size']:,}" for line in grown)
            tables.append(f"n: {name}; measured at {measured_at}; {machine()}.\n\n{table(grown)}\n")
    if "--update" in sys.argv:
        put_between(Path(sys.argv[sys.argv.index("--update") + 1]), BEGIN, END, "\n".join(tables))
    else:
        print("\n".join(tables))


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
