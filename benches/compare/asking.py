"""Questions to a process that answers them line by line: the product's `reports --ask`, and `peers.py`."""

import json
import subprocess
from types import TracebackType
from typing import Any

from programs import Failed

Question = dict[str, Any]


class Asked:
    """A process that holds one engine, warm. Its times are its own: what goes through the pipe is not measured."""

    def __init__(self, command: list[str]) -> None:
        self.name = command[1] if command[0].endswith("python") else command[0]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, question: Question) -> tuple[float, Any]:
        """Microseconds, and the answer."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name} has ended") from None
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended at {json.dumps(question)}")
        found = json.loads(line)
        if "failed" in found:
            raise Failed(found["failed"])
        return found["micros"], found["answer"]

    def __enter__(self) -> "Asked":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait(timeout=120)
