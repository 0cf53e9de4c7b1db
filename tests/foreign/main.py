"""Runs every test, a few at a time, one line each; exits 1 if one fails. Arguments: words that a test's name must hold."""

import inspect
import os
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import authlib_tests
import embedded_issuer_tests
import export_csv_tests
import export_large_tests
import export_real_data_tests
import export_xlsx_tests
import oidc_provider_tests
from stage import EVERYTHING, Skipped, Stage

# The long ones first: the others find room beside them.
SUITES = [
    export_large_tests,
    export_real_data_tests,
    export_csv_tests,
    export_xlsx_tests,
    oidc_provider_tests,
    authlib_tests,
    embedded_issuer_tests,
]
# They wait more than they work.
AT_ONCE = 4


def tests(words):
    """Every public function of a suite that is written in it, in order."""
    for suite in SUITES:
        for name, test in vars(suite).items():
            full_name = f"{suite.NAME} {name}"
            is_test = inspect.isfunction(test) and test.__module__ == suite.__name__ and not name.startswith("_")
            if is_test and all(word in full_name for word in words):
                yield full_name, test


def passes(name, test):
    """Runs one test on a stage of its own; None if it was skipped."""
    begun = time.monotonic()
    stage = Stage()
    try:
        with stage:
            test(stage)
    except Skipped as why:
        print(f"{name}: skipped: {why}\n", end="", flush=True)
        return None
    except Exception:
        print(f"{name}: FAILED\n{traceback.format_exc()}{stage.output()}", end="", flush=True)
        return False
    print(f"{name}: ok ({time.monotonic() - begun:.1f} s)\n", end="", flush=True)
    return True


def end(number, _frame):
    # Threads cannot be interrupted: what they have started is ended, and they end with us.
    EVERYTHING.end()
    os._exit(128 + number)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(passes, name, test) for name, test in tests(sys.argv[1:])]
    EVERYTHING.end()
    results = [result for test in running if (result := test.result()) is not None]
    print(f"{sum(results)} of {len(results)} tests with foreign software pass")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
