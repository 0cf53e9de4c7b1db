"""What an event costs as the file grows, and the model that docs/SCALE.md is written from (`benches/growth.rs`, `fit.py`)."""

import json
from typing import Any

from bench import Bench
from programs import run
from rows import Measured

Line = dict[str, Any]


def measure(bench: Bench) -> None:
    lines: list[Line] = []
    for what, sizes in (("usage", bench.plan.growth_usage), ("log", bench.plan.growth_log)):
        grown = _grow(bench, what, sizes)
        lines += grown
        (bench.plan.home / "growth.json").write_text(json.dumps(lines, indent=1))
        _tell_growth(bench, what, grown)
    usage, log = (next(line for line in lines if line["what"] == what) for what in ("usage", "log"))
    bench.found["cpu.day.order"] = Measured([usage["in_order_us"]], [usage["bare_us"]])
    bench.found["cpu.day.late"] = Measured([usage["late_us"]], [usage["bare_us"]])
    bench.found["cpu.log"] = Measured([log["in_order_us"]], [log["bare_us"]])


def _grow(bench: Bench, what: str, sizes: list[int]) -> list[Line]:
    """The log's file stays until the end of the run: it is the large one that a server is started on."""
    directory = bench.scratch("growth")
    command = [bench.programs.bench("growth"), "--what", what, "--sizes", ",".join(map(str, sizes))]
    said = run([*command, "--sample", str(bench.plan.growth_sample), "--directory", str(directory)])
    if what == "usage":
        (directory / "growth-usage.db").unlink()
    return [json.loads(line) for line in said.splitlines()]


def _tell_growth(bench: Bench, what: str, grown: list[Line]) -> None:
    first, last = grown[0], grown[-1]
    figures = {"order": "in_order_us", "late": "late_us", "memory": "resident_mib", "open": "open_ms"}
    for name, figure in figures.items():
        bench.found[f"growth.{what}.{name}"] = Measured([last[figure]], [first[figure]])
    bench.found[
        f"growth.{what}.late"
    ].note = f"from anywhere: {first['anywhere_us']:.1f} us, then {last['anywhere_us']:.1f}"
