"""Runs every test, one line each; exits 1 if one fails. Arguments: words that a test's name must hold, all of them."""

import inspect
import signal
import sys
import time
import traceback

import authlib_tests
import embedded_issuer_tests
import oidc_provider_tests
from stage import Stage

SUITES = [oidc_provider_tests, authlib_tests, embedded_issuer_tests]


def tests(words):
    """Every public function of a suite that is written in it, in order."""
    for suite in SUITES:
        for name, test in vars(suite).items():
            full_name = f"{suite.NAME} {name}"
            is_test = inspect.isfunction(test) and test.__module__ == suite.__name__ and not name.startswith("_")
            if is_test and all(word in full_name for word in words):
                yield full_name, test


def passes(name, test):
    """Runs one test on a stage of its own."""
    begun = time.monotonic()
    stage = Stage()
    try:
        with stage:
            test(stage)
    except Exception:
        print(f"{name}: FAILED\n{traceback.format_exc()}{stage.output()}", flush=True)
        return False
    print(f"{name}: ok ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def end(number, _frame):
    # As an exception, so that what runs is stopped on the way out; a second signal must not cut that short.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    results = [passes(name, test) for name, test in tests(sys.argv[1:])]
    print(f"{sum(results)} of {len(results)} tests with foreign software pass")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
