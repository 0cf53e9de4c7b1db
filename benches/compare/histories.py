"""Data to measure on: NDJSON files and the peers' databases are kept between runs, the product's database is made by each."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plan import REPOSITORY, SEED, Plan
from programs import Programs, run
from server import Server

FILES = ["users.ndjson", "usage.ndjson", "events.ndjson"]


@dataclass(frozen=True)
class Product:
    """The product's database with all data, and what was found while it was made."""

    database: Path
    user_days: int
    usage_bytes: int
    log_bytes: int
    resident_mib_after_log: float


def make_files(plan: Plan, programs: Programs) -> None:
    if all((plan.data / name).exists() for name in FILES):
        return
    tell(f"makes {plan.sessions:,} sessions and {plan.events:,} log events in {plan.data}")
    draft = plan.data.with_suffix(f".draft-{os.getpid()}")
    sizes = ["--users", plan.users, "--sessions", plan.sessions, "--events", plan.events, "--seed", SEED]
    run([programs.bench("generate"), "--out", draft, *map(str, sizes)])
    plan.data.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (draft / name).rename(plan.data / name)
    draft.rmdir()


def make_peers(plan: Plan) -> None:
    tell("makes the peers' databases where they are missing")
    script = Path(__file__).with_name("peers.py")
    subprocess.run([sys.executable, script, "make", plan.data], check=False)


def product(plan: Plan, programs: Programs, anew: bool) -> Product:
    """Made where it is missing, where the schema is another one, and where it is wanted anew."""
    schema = hashlib.sha256((REPOSITORY / "schema.sql").read_bytes()).hexdigest()[:16]
    database, about = plan.data / "product" / "analytics.db", plan.data / "product" / "about.json"
    known: dict[str, Any] = json.loads(about.read_text()) if about.exists() else {}
    if anew or known.pop("schema", None) != schema:
        shutil.rmtree(database.parent, ignore_errors=True)
        database.parent.mkdir(parents=True)
        known = _import_all(plan, programs, database)
        about.write_text(json.dumps({**known, "schema": schema}))
    return Product(database, **known)


def _import_all(plan: Plan, programs: Programs, database: Path) -> dict[str, Any]:
    tell("imports everything into the product's database")
    for kind in ("users", "usage"):
        run([str(programs.analytics), "import", kind, str(plan.data / f"{kind}.ndjson"), "--database", str(database)])
    usage_bytes = database.stat().st_size
    # A server takes the log in, through its local socket, and tells what it holds in memory then.
    with Server(programs, database) as server:
        run(
            [str(programs.analytics), "import", "events", str(plan.data / "events.ndjson"), "--database", str(database)]
        )
        time.sleep(2)  # What is tidied up behind the last commit belongs to it.
        resident_mib = server.memory_mib()["Rss"]
    log_bytes = database.stat().st_size - usage_bytes
    return {
        "user_days": _user_days(plan),
        "usage_bytes": usage_bytes,
        "log_bytes": log_bytes,
        "resident_mib_after_log": resident_mib,
    }


def _user_days(plan: Plan) -> int:
    """Distinct (day, user) of the usage events, counted by another engine than ours where it is there, and else by hand."""
    try:
        import duckdb

        connection = duckdb.connect(str(plan.data / "peers.duckdb"), read_only=True)
        rows = connection.execute('select count(*) from (select distinct day, "user" from activity)').fetchall()
        return int(rows[0][0])
    except Exception as why:
        tell(f"counts user-days by hand, since DuckDB cannot: {why}")
    seen: set[tuple[str, str]] = set()
    with open(plan.data / "usage.ndjson") as lines:
        for event in map(json.loads, lines):
            seen.add((event["user_id"], event["timestamp"][:10]))
    return len(seen)


def copy(database: Path, to: Path) -> Path:
    """For whoever writes to it; of a database that nobody holds."""
    to.mkdir(parents=True, exist_ok=True)
    target = to / database.name
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(database), str(target)], check=True)
    return target


def tell(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr, flush=True)
