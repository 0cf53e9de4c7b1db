"""What readers feel beside ingest and an export (`benches/mixed.rs`), on a copy of the database: it grows."""

import histories
from bench import Bench
from programs import run_json
from rows import Measured
from server import Server


def measure(bench: Bench) -> None:
    plan = bench.plan
    database = histories.copy(bench.product.database, bench.scratch("mixed"))
    with Server(bench.programs, database) as server:
        command = [bench.programs.bench("mixed"), "--url", server.url, "--key", server.key]
        turns = run_json([*command, "--rounds", str(plan.rounds), "--seconds", "3" if plan.quick else "10"])
    for read in ("summary", "page"):
        busy, idle = ([turn[state][read]["p99"] for turn in turns] for state in ("busy", "idle"))
        slowest = max(turn["busy"][read]["max"] for turn in turns)
        bench.found[f"mixed.{read}"] = Measured(busy, idle, note=f"slowest of all {slowest / 1e3:,.1f} ms")
    refused = sum(turn["busy"]["batches_refused"] for turn in turns)
    rate = [turn["busy"]["events_per_s"] for turn in turns]
    bench.found["mixed.rate"] = Measured(rate, note=f"{refused} batches refused" if refused else "")
