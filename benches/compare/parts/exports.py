"""Files of the log, beside other software that writes the same rows (`benches/exports.rs`, `benches/exports_peers.py`)."""

import sys
from typing import Any

from bench import Bench
from programs import run_json
from rows import Measured


def measure(bench: Bench) -> None:
    """Each peer beside ours in a run of its own, so that one that is missing costs its own rows only."""
    plan = bench.plan
    directory = bench.scratch("exports")
    for ours, peer in (("csv", "duckdb"), ("csv", "sqlite3"), ("xlsx", "xlsxwriter")):
        command = [bench.programs.bench("exports"), "--json", "--only", f"{ours},{peer}", "--peers", sys.executable]
        sizes = ["--events", plan.export_events, "--xlsx-events", plan.xlsx_events, "--rounds", 3]
        try:
            found: dict[str, Any] = run_json([*command, *map(str, sizes), "--directory", str(directory)])
        except Exception as why:
            bench.missing[f"{ours}.{peer}"] = str(why)
            continue
        memory = (
            f"its peak is {max(found[peer]['peak_mib']):,.0f} MiB, ours {max(found[ours]['peak_mib']):,.0f} over idle"
        )
        bench.found[f"{ours}.{peer}"] = Measured(found[ours]["seconds"], found[peer]["seconds"], memory)
        bench.found[f"{ours}.memory"] = Measured(found[ours]["peak_mib"])
