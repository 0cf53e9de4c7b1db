"""wrk as the load generator: one thread, kept-alive connections, requests of a small Lua script."""

import re
import shutil
import subprocess
from pathlib import Path

from programs import Failed

SCRIPT = """
local keys, requests, n = {%s}, {}, 0
-- Called once the Host header is known.
init = function()
  for path in io.lines("%s") do
    requests[#requests + 1] = wrk.format("GET", path, {Host = wrk.headers["Host"], ["X-API-Key"] = keys[#requests %% #keys + 1]})
  end
end
request = function()
  n = n %% #requests + 1
  return requests[n]
end
"""


def rate(url: str, keys: list[str], paths: list[str], scratch: Path, connections: int, seconds: int) -> float:
    """Requests a second; each asks for the next of the paths with the next of the keys. Fails if an answer is no 200."""
    if not shutil.which("wrk"):
        raise Failed("wrk is not installed")
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "paths").write_text("\n".join(paths) + "\n")
    named = ", ".join(f'"{key}"' for key in keys)
    (scratch / "paths.lua").write_text(SCRIPT % (named, scratch / "paths"))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(scratch / "paths.lua"),
        url,
    ]
    said = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", said.stdout)
    if said.returncode != 0 or not found:
        raise Failed(f"wrk: {(said.stderr or said.stdout).strip()[-300:]}")
    if refused := re.search(r"Non-2xx or 3xx responses: (\d+)", said.stdout):
        raise Failed(f"wrk: {refused[1]} answers were no 200")
    return float(found[1])
