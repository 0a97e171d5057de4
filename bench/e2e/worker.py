"""The process that holds one engine. Started and asked by peers.py through its pipes, one line a request.

    worker.py ENGINE DIR THREADS CORES          then on stdin: `run COUNT`, `end`
"""

import importlib.metadata
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

import engines

WARM_UP = 3


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    name, folder, threads, cores = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever an engine prints goes to stderr
    engine = next(e for e in engines.PEERS if e.name == name)
    image = np.load(folder / "input.npy")
    if engine.layout == "nhwc":
        image = np.ascontiguousarray(image.transpose(0, 2, 3, 1))
    start = time.perf_counter()
    run = engine.load(str(folder / engine.file), threads)
    logits = run(image)
    ready = time.perf_counter() - start
    for _ in range(WARM_UP):
        run(image)
    version = importlib.metadata.version(engine.package)
    print(json.dumps({"version": version, "first_answer_s": ready, "logits": np.ravel(logits).tolist()}), file=replies)
    for line in sys.stdin:
        if line.startswith("end"):
            break
        times = []
        for _ in range(int(line.split()[1])):
            begin = time.perf_counter()
            run(image)
            times.append(time.perf_counter() - begin)
        print(json.dumps({"ms": [1000 * t for t in times]}), file=replies)
    print(json.dumps({"peak_rss_mb": peak_mb()}), file=replies)


if __name__ == "__main__":
    main()
