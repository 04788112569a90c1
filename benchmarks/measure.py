"""What a command costs, with all processes that it starts, however they end.

    python benchmarks/measure.py [--to FILE.json] -- tamis run raw curated

CPU seconds are those of all its descendants, also of those that leave it: on Linux orphans come to this process, which
waits for them. The peak is the highest sum of proportional set sizes (of memory that several share, each has its
part), sampled four times a second; elsewhere of resident sizes. Bytes written are what the kernel counted.
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

EVERY = 0.25
SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost; sizes in bytes."""

    code: int
    seconds: float
    cpu_seconds: float
    peak: int
    written: int


def measure(command: list[str]) -> Cost:
    """Run a command to its end, and all that it leaves behind. Once in a process: it counts all children there were."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start = time.perf_counter()
    job = subprocess.Popen(command)
    peak = [0]
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, ended))
    watch.start()
    code = job.wait()
    seconds = time.perf_counter() - start
    ended.set()
    watch.join()
    _end_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(code, seconds, used.ru_utime + used.ru_stime, peak[0], used.ru_oublock * 512)


def _watch(peak: list[int], ended: threading.Event) -> None:
    here = psutil.Process()
    while not ended.wait(EVERY):
        peak[0] = max(peak[0], sum(map(_size, here.children(recursive=True))))


def _size(process: psutil.Process) -> int:
    try:
        if sys.platform != "linux":
            return int(process.memory_info().rss)
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (psutil.Error, OSError):  # it has ended meanwhile
        pass
    return 0


def _end_orphans() -> None:
    """What the command left behind is told to end, and waited for: only then its CPU seconds are known."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    for process in psutil.wait_procs(left, timeout=10)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, help="write the cost there; else to standard error")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    cost = measure(options.command)
    said = json.dumps(asdict(cost))
    if options.to:
        options.to.write_text(said)
    else:
        print(said, file=sys.stderr)
    sys.exit(cost.code)


if __name__ == "__main__":
    main()
