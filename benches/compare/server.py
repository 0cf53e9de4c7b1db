"""The product as its users run it: the release binary, durable, with the limits raised out of the way but counted."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from programs import Failed, Programs

PATIENCE_S = 120
SETTINGS = {
    "ANALYTICS_SERVER_LISTEN": "127.0.0.1:0",
    "ANALYTICS_LIMITS_REQUESTS_PER_MINUTE": "1000000",
    "ANALYTICS_LIMITS_INGEST_REQUESTS_PER_MINUTE": "100000000",
    "ANALYTICS_LIMITS_EXPORTS_PER_DAY": "0",
    # The log that is measured is to hold what was imported, and no more.
    "ANALYTICS_AUDIT_EVENTS": "false",
}
SCOPES = ["read:analytics", "read:metrics", "write:events", "admin"]


class Server:
    """Serves a database while it is entered; the key holds every scope. Requests are authorised and counted against the highest
    limit that there is, a million a minute of each key: whoever asks faster takes several keys."""

    def __init__(self, programs: Programs, database: Path, before_start: Callable[[], None] | None = None) -> None:
        self.program = str(programs.analytics)
        self.database = str(database)
        self.environment = {**os.environ, **SETTINGS}
        self.before_start = before_start

    def __enter__(self) -> "Server":
        self.said = open(f"{self.database}.said", "w+b")
        command = [self.program, "serve", "--database", self.database]
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=self.said,
            preexec_fn=self.before_start,
        )
        try:
            self.url = self._url()
            self.key = self.make_key()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.said.close()
        Path(self.said.name).unlink(missing_ok=True)

    def make_key(self) -> str:
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        command = [self.program, "key", "create", "--owner", "compare", "--role", "report_admin", *scopes]
        made = subprocess.run(
            [*command, "--database", self.database], capture_output=True, text=True, env=self.environment
        )
        if made.returncode != 0:
            raise Failed(f"no key: {made.stderr.strip()[-300:]}")
        return made.stdout.strip().splitlines()[-1]

    def memory_mib(self) -> dict[str, float]:
        return memory_mib(self.process.pid)

    def _url(self) -> str:
        """It says on standard error where it listens."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            said = Path(self.said.name).read_text(errors="replace")
            for word in said.split():
                if word.startswith("http://127.0.0.1:"):
                    url = word.rstrip(".,;/")
                    if _is_ready(url):
                        return url
            time.sleep(0.01)
        raise Failed(f"the server did not come up: {Path(self.said.name).read_text(errors='replace').strip()[-300:]}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def memory_mib(pid: int) -> dict[str, float]:
    """Rss (all that is resident), Pss (shared pages in part), Anonymous (without pages of files), by the kernel."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in fields}


class Ephemeral:
    """`serve --ephemeral`, as a test suite would start it."""

    def __init__(self, programs: Programs, environment: dict[str, str] | None = None) -> None:
        command = [str(programs.analytics), "serve", "--ephemeral"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        self.url = json.loads(self.process.stdout.readline())["url"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)
