"""Exports as a person makes them, over HTTP: a job, asked about until it is done, and its file."""

import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import requests

from product import BINARY, TIMEOUT_S, Analytics
from stage import Failure, environment, eventually

GRANTS = ["--scope", "read:analytics", "--scope", "write:events", "--role", "report_admin"]
# The largest takes a build without optimisation, on a machine with other work, a minute or two.
JOB_S = 400
TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "csv.gz": "application/gzip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass
class Export:
    file: Path
    job: dict


class Reporter:
    """A server, and somebody with a key who sends events to it and makes exports of them."""

    def __init__(self, stage, database=None):
        self.analytics = Analytics(stage, database=database)
        self.key = self.analytics.run("key", "create", "--owner", "reporter", *GRANTS).strip()

    def send(self, path, items):
        """Posts them as NDJSON; all must be taken."""
        body = "".join(json.dumps(item) + "\n" for item in items)
        headers = {"X-API-Key": self.key, "Content-Type": "application/x-ndjson"}
        answer = requests.post(self.analytics.url + path, headers=headers, data=body, timeout=TIMEOUT_S)
        if answer.status_code != 200 or answer.json()["rejected"]:
            raise Failure(f"{path} answers {answer.status_code} {answer.text[:1000]}")

    def get(self, path, **parameters):
        """What a `GET` says."""
        answer = self._request("GET", self.analytics.url + path, params=parameters)
        if answer.status_code != 200:
            raise Failure(f"{answer.url} answers {answer.status_code} {answer.text}")
        return answer.json()

    def export(self, report_type, format, **asked):
        """Makes an export and fetches its file."""
        asked = {"report_type": report_type, "format": format, **asked}
        answer = self._request("POST", self.analytics.url + "/reports/export", json=asked)
        if answer.status_code != 202 or answer.json()["status"] not in ("queued", "processing", "completed"):
            raise Failure(f"{asked} is answered {answer.status_code} {answer.text}")
        where = answer.headers["Location"]
        job = eventually(f"the end of {asked}", lambda: self._finished(where), JOB_S)
        if job["status"] != "completed":
            raise Failure(f"{asked} ends as {job}")
        return self._download(job)

    def _finished(self, where):
        job = self.get(where)
        return job if job["status"] in ("completed", "failed") else None

    def _download(self, job):
        """The file under the name that the server gives it, if it is what the job says."""
        name = job["download_url"].rsplit("/", 1)[1]
        digest, bytes_read = hashlib.sha256(), 0
        with self._request("GET", job["download_url"], stream=True) as answer, (
            self.analytics.directory / name
        ).open("wb") as file:
            headers = answer.headers
            if answer.status_code != 200 or headers["Content-Type"] != TYPES[name.split(".", 1)[1]]:
                raise Failure(f"{job} downloads as {answer.status_code} {headers}")
            if not re.fullmatch(r'attachment; filename="[\w.-]+"', headers["Content-Disposition"]):
                raise Failure(f"{job} is to be saved as {headers['Content-Disposition']}")
            # As it came over the wire: whatever encoding the answer has is none of the file's.
            while piece := answer.raw.read(1 << 20):
                digest.update(piece)
                bytes_read += len(piece)
                file.write(piece)
        if (digest.hexdigest(), bytes_read) != (job["sha256"], job["bytes"]):
            raise Failure(f"{bytes_read} bytes came with the digest {digest.hexdigest()}, but the job says {job}")
        return Export(Path(file.name), job)

    def _request(self, method, url, **how):
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Encoding": "identity"}
        self.analytics.credentials.add(self.key)
        return requests.request(method, url, headers=headers, timeout=TIMEOUT_S, **how)


def import_files(database, **files):
    """Makes a database that no server holds out of files by kind (`events`, `usage`, `users`)."""
    settings = database.with_suffix(".toml")
    settings.touch()
    for kind, file in files.items():
        command = [BINARY, "import", kind, file, "--strict", "--config", settings, "--database", database]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=JOB_S)
        if ended.returncode != 0:
            raise Failure(f"importing {file} ends with {ended.returncode}: {ended.stderr}")
    return database
