"""Memory, the binary, and bytes on disk."""

import time

from bench import Bench
from rows import Measured
from server import Ephemeral, memory_mib

SETTLED_S = 1


def measure(bench: Bench) -> None:
    bench.found["binary"] = Measured([bench.programs.analytics.stat().st_size / 1e6])
    for _ in range(bench.plan.rounds):
        server = Ephemeral(bench.programs)
        try:
            time.sleep(SETTLED_S)
            memory = memory_mib(server.process.pid)
        finally:
            server.stop()
        bench.found.setdefault("memory.idle", Measured([])).ours.append(memory["Rss"])
        bench.found.setdefault("memory.idle.own", Measured([])).ours.append(memory["Anonymous"])
    product = bench.product
    bench.found["memory.after"] = Measured([product.resident_mib_after_log])
    bench.found["bytes.log"] = Measured([product.log_bytes / bench.plan.events])
    bench.found["bytes.usage"] = Measured([product.usage_bytes / product.user_days], note=f"{product.user_days:,} user-days")
