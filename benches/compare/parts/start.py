"""From starting the process to the first 200 (`benches/start.rs`)."""

from pathlib import Path

from bench import Bench
from programs import run_json
from rows import Measured

ROUNDS = 30


def measure(bench: Bench) -> None:
    database = _large_file(bench)
    command = [bench.programs.bench("start"), "--program", str(bench.programs.analytics), "--rounds", str(ROUNDS)]
    found = run_json([*command, "--database", str(database)])
    bench.found["start.ephemeral"] = Measured(found["ephemeral"], found["true"])
    bench.found["start.file"] = Measured(found["file"], found["true"], note=f"{database.stat().st_size / 1e9:,.1f} GB")


def _large_file(bench: Bench) -> Path:
    """The log that growth has left, or else the product's database."""
    grown = bench.plan.scratch / "growth" / "growth-log.db"
    return grown if grown.exists() else bench.product.database
