"""Times Bittern and five other engines on one architecture in one run, side by side.

    python bench/e2e/make_peers.py --size deit_tiny --out DIR [--tensorflow-python PY]
    python bench/e2e/peers.py --dir DIR --bittern build/release/bittern --model [NAME=]deit_tiny.bittern [--model ...] [--threads 2] --json OUT.json

The others run the architecture without quantisers, fp32 and int8; Bittern runs its quantised forms. Every engine is one
process pinned to the same cores; they are asked in turn, a few inferences a round, so that a slow minute of the machine
hits all alike. A ratio is the other engine's time over that of Bittern's first model; the lines below the table are each
model's against the fastest fp32, int8 and 1-bit engine. An engine that did not run is listed with its reason.

--avx2 DIR stands in for an AVX2-only CPU on one that has more: Bittern with --target avx2, onnxruntime and OpenVINO from the
copies that confine.py wrote to DIR; MNN, ncnn and LiteRT cannot be confined and are listed as not run.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import confine
import engines

LAST_LINE = re.compile(r"median_ms=([\d.]+) min_ms=([\d.]+) peak_rss_mb=([\d.]+)")
SETTLE_S = 0.05  # lets spinning worker threads of the engine before go to sleep
REPLY_LIMIT_S = 300


class Peer:
    """A worker process of another engine."""

    def __init__(self, engine: engines.Engine, folder: Path, threads: int, cores: str, confined: Path | None):
        self.name, self.times = engine.name, []
        environment = dict(os.environ)
        if confined is not None:
            if engine.package not in confine.CONFINED:
                raise RuntimeError("cannot be confined to AVX2")
            environment |= confine.ENVIRONMENT | {"PYTHONPATH": str(confined.resolve())}
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), engine.name, str(folder), str(threads), cores]
        self.log = (folder / f"{engine.name}.log").open("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        hello = self._reply()
        self.version, self.first_answer_s, self.logits = hello["version"], hello["first_answer_s"], np.array(hello["logits"])
        file = folder / engine.file
        parts = [file] + ([file.with_suffix(".bin")] if file.suffix in (".xml", ".param") else [])
        self.file_mb = sum(part.stat().st_size for part in parts) / 1e6

    def _reply(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(REPLY_LIMIT_S)
            self.log.seek(0)
            last = [text.strip() for text in self.log.readlines() if text.strip()][-1:] or ["no message"]
            raise RuntimeError(f"worker ended with {self.process.returncode}: {last[0]}")
        return json.loads(line)

    def _ask(self, request: str) -> dict:
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self._reply()

    def round(self, runs: int) -> None:
        self.times += self._ask(f"run {runs}")["ms"]

    def summary(self) -> dict:
        peak = self._ask("end")["peak_rss_mb"]
        self.process.wait(REPLY_LIMIT_S)
        return {
            "version": self.version, "min_ms": min(self.times), "median_ms": statistics.median(self.times),
            "runs": len(self.times), "peak_rss_mb": peak, "file_mb": self.file_mb, "first_answer_s": self.first_answer_s,
        }


class Bittern:
    """`bittern bench`, started anew each round; each start reports the minimum and median of its runs."""

    def __init__(self, name: str, tool: Path, model: Path, threads: int, cores: str, target: list[str]):
        # A shell forks the tool: Linux carries this process's peak memory over into a direct child's ru_maxrss.
        shell = ["sh", "-c", '"$@"; exit $?', "sh"]
        self.command = [*shell, "taskset", "-c", cores, str(tool), "bench", str(model), "--threads", str(threads), *target]
        self.name, self.file_mb = name, model.stat().st_size / 1e6
        self.minima, self.medians, self.peaks, self.runs = [], [], [], 0
        self.version = subprocess.run([str(tool), "--version"], capture_output=True, text=True).stdout.strip() or "unknown"

    def round(self, runs: int) -> None:
        done = subprocess.run([*self.command, "--runs", str(runs)], capture_output=True, text=True)
        lines = done.stdout.strip().splitlines()
        found = LAST_LINE.search(lines[-1]) if done.returncode == 0 and lines else None
        if not found:
            raise RuntimeError(f"exit {done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-200:]}")
        median, least, peak = map(float, found.groups())
        self.medians.append(median)
        self.minima.append(least)
        self.peaks.append(peak)
        self.runs += runs

    def summary(self) -> dict:
        return {
            "version": self.version, "min_ms": min(self.minima), "median_ms": statistics.median(self.medians),
            "runs": self.runs, "peak_rss_mb": max(self.peaks), "file_mb": self.file_mb,
        }


def start_all(args, cores: str) -> tuple[list, dict[str, str]]:
    """The engines that started, and why the others did not."""
    running, failed = [], {}
    recorded = args.dir / "unavailable.json"
    unavailable = json.loads(recorded.read_text()) if recorded.exists() else {}
    target = ["--target", "avx2"] if args.avx2 else []
    for text in args.model:
        label, _, path = text.rpartition("=")
        name = f"bittern {label}".strip()
        try:
            Bittern(name, args.bittern, Path(path), args.threads, cores, target).round(3)  # fails here, if it fails at all
            running.append(Bittern(name, args.bittern, Path(path), args.threads, cores, target))
        except (OSError, RuntimeError) as error:
            failed[name] = str(error)
    for engine in engines.PEERS:
        if engine.name in unavailable:
            failed[engine.name] = unavailable[engine.name]
            continue
        try:
            running.append(Peer(engine, args.dir, args.threads, cores, args.avx2))
        except (OSError, RuntimeError) as error:
            failed[engine.name] = str(error)
    return running, failed


def measure(running: list, failed: dict[str, str], rounds: int, runs: int) -> None:
    for index in range(rounds):
        for engine in list(running):
            time.sleep(SETTLE_S)
            try:
                engine.round(runs)
            except (OSError, RuntimeError) as error:
                failed[engine.name] = f"round {index + 1}: {error}"
                running.remove(engine)
        if sys.stderr.isatty():
            print(f"\rround {index + 1}/{rounds}", end="", file=sys.stderr, flush=True)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def machine() -> dict:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    cpu = model.group(1) if model else platform.machine()
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}


def table(results: dict[str, dict], failed: dict[str, str]) -> str:
    columns = ("engine", "min ms", "median ms", "min / ours", "median / ours", "peak RSS MB", "file MB", "cosine to fp32")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for name, r in sorted(results.items(), key=lambda item: item[1]["min_ms"]):
        ratio = [f"{r[key]:.2f}" if key in r else "-" for key in ("min_ratio", "median_ratio")]
        cos = f"{r['cosine']:.4f}" if "cosine" in r else "-"
        times = f"{r['min_ms']:.2f} | {r['median_ms']:.2f} | {ratio[0]} | {ratio[1]}"
        lines.append(f"| {name} | {times} | {r['peak_rss_mb']:.0f} | {r['file_mb']:.2f} | {cos} |")
    lines += [f"| {name} | not run: {reason} |" for name, reason in failed.items()]
    return "\n".join(lines)


def verdicts(results: dict[str, dict]) -> str:
    """Each of Bittern's models against the fastest other engine of either kind, by minima and by medians."""
    lines = []
    for name, ours in results.items():
        if not name.startswith("bittern"):
            continue
        parts = []
        for kind in ("fp32", "int8", "binary"):
            others = {n: r for n, r in results.items() if not n.startswith("bittern") and kind in n}
            for key in ("min_ms", "median_ms") if others else ():
                best = min(others, key=lambda n: others[n][key])
                parts.append(f"{others[best][key] / ours[key]:.2f}x {best} ({key[:-3]})")
        lines.append(f"{name}: {ours['min_ms']:.2f} / {ours['median_ms']:.2f} ms; " + ", ".join(parts))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="what make_peers.py wrote")
    parser.add_argument("--bittern", type=Path, default=Path("build/release/bittern"))
    parser.add_argument("--model", action="append", metavar="[NAME=]FILE", help="packed model; may be given several times")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", help="comma-separated; the last THREADS cores by default")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10, help="inferences of each engine in a round")
    parser.add_argument("--avx2", type=Path, metavar="DIR", help="confine all to AVX2; DIR is what confine.py wrote")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.model = args.model or ["deit_tiny.bittern"]
    available = sorted(os.sched_getaffinity(0))
    cores = args.cores or ",".join(map(str, available[-args.threads :]))

    found = machine()
    if found["load"] > 0.5:
        print(f"warning: load average {found['load']:.1f} at the start: only figures of a quiet machine compare", file=sys.stderr)
    running, failed = start_all(args, cores)
    measure(running, failed, args.rounds, args.runs)
    logits = {engine.name: engine.logits for engine in running if isinstance(engine, Peer)}
    results = {engine.name: engine.summary() for engine in running}
    for name, result in results.items():
        if name in logits and "ort_fp32" in logits:
            result["cosine"] = cosine(logits[name], logits["ort_fp32"])
        first = next((r for n, r in results.items() if n.startswith("bittern")), None)
        for key in ("min", "median") if first else ():
            result[f"{key}_ratio"] = result[f"{key}_ms"] / first[f"{key}_ms"]
    print(table(results, failed))
    print(verdicts(results))
    if args.json:
        record = {
            "machine": found, "threads": args.threads, "cores": cores, "rounds": args.rounds, "runs": args.runs,
            "engines": results, "not_run": failed,
        }
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
