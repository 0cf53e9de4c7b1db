"""`analytics` itself: the binary with a settings file of the test's, over HTTP."""

import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import requests

from stage import Failure, environment

BINARY = Path(os.environ["ANALYTICS_BINARY"])
REPORT = "/reports/usage-summary?start_date=2025-01-01&end_date=2025-01-31"
TIMEOUT_S = 30

# Nothing here is about limits, and a test that waits for something asks often.
SETTINGS = """\
[server]
listen = "127.0.0.1:0"
[limits]
requests_per_minute = 0
exports_per_day = 0
failures_per_minute = 1000000
tokens_per_minute = 0
tokens_per_hour = 0
"""


class Analytics:
    """A server of the test's own, on a free port; with a copy of `database` if one is given."""

    def __init__(self, stage, *tables, database=None):
        self.stage = stage
        self.directory = Path(tempfile.mkdtemp(dir=stage.directory))
        self.settings = self.directory / "analytics.toml"
        self.settings.write_text(SETTINGS + "\n".join(tables))
        issuers = tomllib.loads(self.settings.read_text()).get("trusted_issuers", [])
        self.credentials = {issuer.get("introspection_client_secret") for issuer in issuers} - {None}
        self.database = self.directory / "analytics.db"
        if database:
            shutil.copyfile(database, self.database)
        command = [BINARY, "serve", "--config", self.settings, "--database", self.database]
        self.process = stage.start("analytics", command, "listening on http://")
        self.url = self.process.ready_line.split("listening on ")[1].split(",")[0]
        stage.callback(self.check_that_nothing_leaked)

    def get(self, path, token):
        self.credentials.add(token)
        return requests.get(self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)

    def status(self, token):
        """The status of a report asked for with a token."""
        return self.get(REPORT, token).status_code

    def expect(self, status, token, word=""):
        """Asks for a report; fails unless the answer has the status, the house's shape, and the word in its message."""
        answer = self.get(REPORT, token)
        body = answer.json()
        shape = {"total_users", "active_users", "total_sessions"} if status == 200 else {"error", "message"}
        if answer.status_code != status or set(body) != shape or word not in body.get("message", ""):
            raise Failure(f"expected {status} {word}, but the answer is {answer.status_code} {answer.text}")
        if status == 401 and "WWW-Authenticate" not in answer.headers:
            raise Failure("a 401 without WWW-Authenticate")
        return answer

    def who_is(self, token):
        """What `GET /auth/whoami` says."""
        answer = self.get("/auth/whoami", token)
        if answer.status_code != 200:
            raise Failure(f"whoami answers {answer.status_code} {answer.text}")
        return answer.json()

    def run(self, *arguments, stdin=""):
        """Runs a command of `analytics` on the database while the server runs; gives what it prints."""
        command = [BINARY, *arguments, "--config", self.settings, "--database", self.database]
        ended = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment(), timeout=TIMEOUT_S
        )
        if ended.returncode != 0:
            raise Failure(f"analytics {' '.join(arguments)} ends with {ended.returncode}: {ended.stderr}")
        return ended.stdout

    def create_client(self, *grants):
        """A client of the embedded issuer: its id and secret."""
        made = json.loads(self.run("client", "create", "--name", "a robot", *grants, "--json"))
        self.credentials.add(made["client_secret"])
        return made["client_id"], made["client_secret"]

    def check_that_nothing_leaked(self):
        """No credential that was used in a test may stand in what the server prints, or in its database."""
        self.process.stop()
        kept = [file.read_bytes() for file in self.directory.glob("analytics.db*") if file.is_file()]
        for credential in self.credentials:
            if any(credential.encode() in content for content in [self.process.text().encode(), *kept]):
                raise Failure("the server printed a credential, or keeps it")
