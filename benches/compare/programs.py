"""Building the product and the benches, and running them."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plan import REPOSITORY

BENCHES = ["exports", "generate", "growth", "ingest", "mixed", "reports", "start", "wire"]


class Failed(Exception):
    """A program did not do what was asked of it; the message is for whoever reads the table."""


@dataclass(frozen=True)
class Programs:
    analytics: Path
    benches: dict[str, Path]

    def bench(self, name: str) -> str:
        return str(self.benches[name])


def build(analytics: Path | None, home: Path) -> Programs:
    """The release binary, unless another one is given, and the benches."""
    names = [argument for name in BENCHES for argument in ("--bench", name)]
    benches = _executables(["cargo", "bench", "--no-run", "--locked", *names])
    if analytics is None:
        # A copy: cargo puts the binary of the benches' profile, which is not what people run, under the same name.
        built = _executables(["cargo", "build", "--release", "--locked", "--bin", "analytics"])["analytics"]
        analytics = home / "analytics"
        shutil.copy2(built, analytics)
    return Programs(analytics.resolve(), benches)


def _executables(command: list[str]) -> dict[str, Path]:
    """Name and path of everything that cargo has built."""
    command = [*command, "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command[:2])} failed")
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    built = [message for message in messages if message.get("executable")]
    return {message["target"]["name"]: Path(message["executable"]) for message in built}


def run(command: Sequence[str | Path], **options: Any) -> str:
    """What it says on standard output; fails with the end of what it said on standard error."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        panics = [nth for nth, line in enumerate(lines) if "panicked at" in line]
        said = " ".join(lines[panics[0] :][:2] if panics else lines[-3:])
        raise Failed(f"{Path(str(command[0])).name}: {said[-400:]}")
    return str(done.stdout)


def on_one_core() -> None:
    """For a process that is about to start: it and all that it starts share one core, the last one. Who waits for whom is then
    the same for all, wherever the kernel would have put them: an answer from another core takes three times as long where that core
    has to be woken first."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def run_json(command: Sequence[str | Path], **options: Any) -> Any:
    return json.loads(run(command, **options))
