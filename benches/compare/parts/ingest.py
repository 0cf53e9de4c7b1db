"""Durable ingest over HTTP beside an empty POST and beside bare inserts (`benches/ingest`), and imports beside HTTP."""

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
ONE, BATCH = "64", "8"


def measure(bench: Bench) -> None:
    rates = _over_http(bench)
    pairs = {
        "ingest.one": ((ONE, "usage"), (ONE, "empty batch")),
        "ingest.one.log": ((ONE, "log"), (ONE, "empty batch")),
        "ingest.usage": ((BATCH, "usage"), (BATCH, "bare usage table")),
        "ingest.log": ((BATCH, "log"), (BATCH, "bare log table")),
    }
    for key, (ours, reference) in pairs.items():
        bench.found[key] = Measured(rates[ours], rates[reference], is_paired=False)
    for kind, name, file in (("usage", "usage", "usage.ndjson"), ("events", "log", "events.ndjson")):
        imported = [_import(bench, kind, bench.plan.data / file) for _ in range(bench.plan.rounds)]
        bench.found[f"import.{name}"] = Measured(imported, rates[BATCH, name], is_paired=False)


def _over_http(bench: Bench) -> dict[tuple[str, str], list[float]]:
    """Lowest, median and highest rate of each row."""
    file = bench.scratch("ingest") / "ingest.json"
    command = [
        bench.programs.bench("ingest"),
        "--only",
        "single,batch",
        "--rounds",
        str(bench.plan.rounds),
        "--json",
        str(file),
    ]
    if bench.plan.quick:
        command += ["--requests", "4000", "--batches", "40"]
    run([*command, "--directory", str(file.parent)])
    rows: list[dict[str, Any]] = json.loads(file.read_text())
    return {(row["group"].split()[0], row["name"]): row["per_second"] for row in rows}


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
