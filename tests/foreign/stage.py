"""What one test plays on: processes on ports of their own, and an end that leaves nothing running."""

import collections
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

START_S = 60
STOP_S = 10


class Failure(AssertionError):
    """A test's expectation that does not hold, or a process that does not come up."""


class Skipped(Exception):
    """What a test needs is not here, and need not be."""


def eventually(what, holds, within_s):
    """Asks again and again until `holds` gives something; fails after `within_s` seconds, naming `what` was expected."""
    until = time.monotonic() + within_s
    while True:
        if result := holds():
            return result
        if time.monotonic() > until:
            raise Failure(f"{what}: not within {within_s} s")
        time.sleep(0.05)


class Port:
    """A free TCP port of the loopback, kept for us for as long as this lives.

    It is bound but not listened on: the system gives it to nobody else, connecting to it is refused, and a server that sets
    SO_REUSEADDR (Node's and Python's do) may listen on it, go away, and come back.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]

    def close(self):
        self._socket.close()


class Everything:
    """All that any test has running, to be ended at once."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="analytics-foreign-")
        self._lock = threading.Lock()
        self._is_over = False
        self._running = set()

    def start(self, command, **how):
        """As `subprocess.Popen`; fails once the end has come."""
        with self._lock:
            if self._is_over:
                raise Failure("the run is over")
            started = subprocess.Popen(until_we_die(command), **how)
            self._running.add(started)
            return started

    def forget(self, ended):
        with self._lock:
            self._running.discard(ended)

    def end(self):
        """Kills what runs and removes every file. Nothing can be started any more."""
        with self._lock:
            self._is_over = True
            for running in self._running:
                running.kill()
                running.wait()
        # Moved away first, so that nobody puts a file into what is being removed.
        gone = f"{self.directory}-gone"
        os.rename(self.directory, gone)
        shutil.rmtree(gone, ignore_errors=True)


EVERYTHING = Everything()


class Process:
    """A running program. Its output is kept, to be shown if the test fails."""

    def __init__(self, name, command, ready, cwd):
        self.name = name
        self.output = collections.deque(maxlen=2000)
        self._popen = EVERYTHING.start(
            command,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._ready = threading.Event()
        self.ready_line = None
        self._reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()
        if not self._ready.wait(START_S) or self.ready_line is None:
            self.stop()
            raise Failure(f"{name} does not start:\n{self.text()}")

    def _read(self, ready):
        for line in self._popen.stdout:
            self.output.append(line)
            if self.ready_line is None and ready in line:
                self.ready_line = line.strip()
                self._ready.set()
        # The end of its output is an end of waiting, too.
        self._ready.set()

    def text(self):
        return "".join(self.output)

    def stop(self):
        """Ends it, and gives its exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        try:
            code = self._popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        EVERYTHING.forget(self._popen)
        self._reader.join(STOP_S)
        return code


def until_we_die(command):
    """The same command, killed by the system should we be killed ourselves."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def environment():
    """Ours, without what would be settings of the product's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")}


class Stage(contextlib.ExitStack):
    """Everything that a test starts, stopped when it ends; a directory for its files."""

    def __init__(self):
        super().__init__()
        self.processes = []

    def __enter__(self):
        super().__enter__()
        self.directory = Path(self.enter_context(tempfile.TemporaryDirectory(dir=EVERYTHING.directory)))
        return self

    def port(self):
        return self.enter_context(contextlib.closing(Port())).number

    def start(self, name, command, ready):
        """Starts a program and waits until it prints a line with `ready` in it."""
        process = Process(name, [str(word) for word in command], ready, self.directory)
        self.processes.append(process)
        self.callback(process.stop)
        return process

    def output(self):
        """What every process said, for whoever has to find out why a test failed."""
        return "".join(f"--- {process.name}\n{process.text()}" for process in self.processes)
