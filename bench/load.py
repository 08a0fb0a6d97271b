"""Load on a server: as much as it takes (wrk), or at a given rate."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from scoring.errors import ScoringError

# Each thread of wrk sends the bodies in turn, starting at the first.
_SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local place = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "%s"
request = function()
  place = place %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[place])
end
local failed = 0
response = function(status) if status ~= 200 then failed = failed + 1 end end
done = function(summary, latency)
  io.write(string.format("MEASURED %%d %%d %%f %%f %%f\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.read + summary.errors.timeout))
end
"""


class BenchError(ScoringError):
    """Something that is measured does not work."""


@dataclass(frozen=True, slots=True)
class Load:
    """A server's answers a second under load, and its latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def write_bodies(bodies: list[bytes], path: Path) -> Path:
    """Write bodies as a file that `saturate` sends from, a line each."""
    path.write_bytes(b"".join(body.replace(b"\n", b" ") + b"\n" for body in bodies))
    return path


def saturate(
    url: str, bodies: Path, seconds: float, connections: int, kind: str = "application/json"
) -> Load:
    """Send bodies as fast as they are answered.

    Raises
    ------
    BenchError
        If wrk is not installed, or anything but 200 was answered.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("wrk is not installed: apt-get install wrk")
    script = bodies.with_suffix(".lua")
    script.write_text(_SCRIPT % (bodies, kind))
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(script), url], capture_output=True, text=True, check=True
    )
    figures = re.search(r"MEASURED (\d+) (\d+) (\S+) (\S+) (\S+)", done.stdout)
    if figures is None or float(figures[5]) > 0:
        raise BenchError(f"{url} did not answer every request with 200:\n{done.stdout}")
    requests, microseconds, p50, p99 = (float(value) for value in figures.groups()[:4])
    return Load(requests / microseconds * 1e6, p50 / 1e3, p99 / 1e3)


def at_rate(url: str, bodies: list[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """Send requests at random times (Poisson), whether or not earlier ones are answered.

    Latency counts from when a request was due, so that a server that stalls cannot hide it.
    """
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, size=int(rate * seconds))
    due = time.perf_counter() + 0.1 + np.cumsum(gaps)
    with ThreadPoolExecutor(64) as pool:
        clients = _Clients(url)
        asked = []
        for number, at in enumerate(due):
            time.sleep(max(0.0, at - time.perf_counter()))
            asked.append(pool.submit(clients.ask, bodies[number % len(bodies)], at))
        latencies = np.array([answer.result() for answer in asked]) * 1e3
    p50, p99 = np.percentile(latencies, [50, 99])
    return Load(len(due) / float(due[-1] - due[0]), float(p50), float(p99))


class _Clients:
    """Connections that are kept and shared by threads."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._idle: list[http.client.HTTPConnection] = []

    def ask(self, body: bytes, due: float) -> float:
        connection = self._idle.pop() if self._idle else self._connect()
        connection.request("POST", self._parts.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise BenchError(f"{response.status}: {json.loads(answer)}")
        self._idle.append(connection)
        return time.perf_counter() - due

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self._parts.hostname), self._parts.port, timeout=60)
