"""Durable ingest over HTTP beside an empty POST and beside bare inserts, its CPU in process beside the same
(`benches/ingest`), and imports beside HTTP."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

from bench import Bench
from programs import run
from rows import Measured

# An import is measured on so many lines of the generated files.
IMPORT_LINES = 1_000_000
QUICK_IMPORT_LINES = 200_000


# Rows of benches/ingest: how many connections their group begins with, and their name.
ONE, BATCH, CPU = "64", "8", "2,000"


def measure(bench: Bench) -> None:
    rows = _rows(bench)
    rates = {key: row["per_second"] for key, row in rows.items()}
    pairs = {
        "ingest.one": ((ONE, "usage"), (ONE, "empty batch")),
        "ingest.one.log": ((ONE, "log"), (ONE, "empty batch")),
        "ingest.usage": ((BATCH, "usage"), (BATCH, "bare usage table")),
        "ingest.log": ((BATCH, "log"), (BATCH, "bare log table")),
    }
    for key, (ours, reference) in pairs.items():
        bench.found[key] = Measured(rates[ours], rates[reference], is_paired=False)
    for key, name in {"cpu.order": "in order", "cpu.late": "late by days"}.items():
        bench.found[key] = Measured(rows[CPU, name]["cpu_us"], rows[CPU, "bare table"]["cpu_us"], is_paired=False)
    for kind, name, file in (("usage", "usage", "usage.ndjson"), ("events", "log", "events.ndjson")):
        imported = [_import(bench, kind, bench.plan.data / file) for _ in range(bench.plan.rounds)]
        bench.found[f"import.{name}"] = Measured(imported, rates[BATCH, name], is_paired=False)


def _rows(bench: Bench) -> dict[tuple[str, str], dict[str, Any]]:
    """Lowest, median and highest rate and CPU of each row."""
    file = bench.scratch("ingest") / "ingest.json"
    command = [
        bench.programs.bench("ingest"),
        "--only",
        "single,batch,cpu",
        "--rounds",
        str(bench.plan.rounds),
        "--json",
        str(file),
    ]
    if bench.plan.quick:
        command += ["--requests", "4000", "--batches", "40", "--events", "50000", "--history", "50000"]
    run([*command, "--directory", str(file.parent)])
    rows: list[dict[str, Any]] = json.loads(file.read_text())
    return {(row["group"].split()[0], row["name"]): row for row in rows}


def _import(bench: Bench, kind: str, file: Path) -> float:
    """Items a second, the program's start and end included, into a file of its own."""
    lines = QUICK_IMPORT_LINES if bench.plan.quick else IMPORT_LINES
    directory = bench.scratch("ingest")
    cut = directory / f"{lines}-{file.name}"
    if not cut.exists():
        with open(file, "rb") as source, open(cut, "wb") as target:
            target.writelines(itertools.islice(source, lines))
    for left in directory.glob("import.db*"):
        left.unlink()
    begun = time.monotonic()
    run([str(bench.programs.analytics), "import", kind, str(cut), "--database", str(directory / "import.db")])
    return lines / (time.monotonic() - begun)
