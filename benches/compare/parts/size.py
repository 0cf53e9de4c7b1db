"""Memory, the binary, and bytes on disk."""

import os
import socket
import time

from bench import Bench
from rows import Measured
from server import Ephemeral, memory_mib

SETTLED_S = 1
CONNECTIONS = 500


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
    bench.found["memory.connection"] = Measured([_connection_kib(bench) for _ in range(bench.plan.rounds)])
    product = bench.product
    bench.found["memory.after"] = Measured([product.resident_mib_after_log])
    bench.found["bytes.log"] = Measured([product.log_bytes / bench.plan.events])
    bench.found["bytes.usage"] = Measured(
        [product.usage_bytes / product.user_days], note=f"{product.user_days:,} user-days"
    )


def _connection_kib(bench: Bench) -> float:
    """What one more kept-alive connection takes that has had an answer and asks for nothing now."""
    allowed = {
        "ANALYTICS_SERVER_CONNECTIONS_PER_PEER_MAX": str(CONNECTIONS),
        "ANALYTICS_SERVER_HEADER_TIMEOUT_S": "600",
    }
    server = Ephemeral(bench.programs, {**os.environ, **allowed})
    connections = []
    try:
        time.sleep(SETTLED_S)
        before = memory_mib(server.process.pid)["Rss"]
        host, port = server.url.removeprefix("http://").split(":")
        for _ in range(CONNECTIONS):
            connections.append(socket.create_connection((host, int(port))))
            connections[-1].sendall(f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            connections[-1].recv(4096)
        return (memory_mib(server.process.pid)["Rss"] - before) * 1024 / CONNECTIONS
    finally:
        for connection in connections:
            connection.close()
        server.stop()
