"""The real data that the other tests use, too: outside the repository, in `ANALYTICS_TEST_DATA` or `../shared/data`."""

import gzip
import json
import os
import threading
from datetime import datetime
from pathlib import Path

from exports import import_files
from stage import EVERYTHING, Failure, Skipped

_LOCK = threading.Lock()


def directory():
    """Where the data are. A lone clone has none: the test is skipped then, but not where they must be there."""
    named = os.environ.get("ANALYTICS_TEST_DATA")
    found = Path(named or Path(__file__).parents[2] / "../shared/data").resolve()
    if (found / "system_events.ndjson.gz").is_file():
        return found
    if named or "CI" in os.environ:
        raise Failure(f"no real data in {found}; name their directory with ANALYTICS_TEST_DATA")
    raise Skipped(f"no real data in {found}")


def database():
    """A database that holds all of it, made once for all tests; to be copied."""
    source, made = directory(), Path(EVERYTHING.directory) / "real.db"
    with _LOCK:
        if not made.exists():
            import_files(
                made,
                events=source / "system_events.ndjson.gz",
                users=source / "users.ndjson.gz",
                usage=source / "usage_events.ndjson.gz",
            )
    return made


def event_rows():
    """The system events as rows of an export, oldest first, those of one instant as they came; with instants."""
    with gzip.open(directory() / "system_events.ndjson.gz", "rt") as lines:
        events = [json.loads(line) for line in lines]
    rows = [(instant(e["timestamp"]), e["severity"], e.get("service", ""), e["message"], "") for e in events]
    return sorted(rows, key=lambda row: row[0])


def instant(text):
    return datetime.fromisoformat(text)
