#!/usr/bin/env python3
"""Compares Loam's vector index with other libraries at the same recall, on this machine: ./dev bench vector-peers

    run.py [--sets source-384-100k,source-384] [--peers hnswlib-m16,..] [--passes 5]

Makes the Python environment and the data when they are missing, measures, and writes bench/results/vector.md with its
pictures. What is measured is kept in DATA/results, one file for each set: --report only writes the pages again.

Every library runs in a process of its own. Loam and hnswlib stay for the whole set; each other library in turn is built
beside them, and then the three take turns: a pass of 1000 single searches each, effort by effort, round by round. What
disturbs the machine disturbs all three, so ratios are taken within such a session.
"""

import argparse
import json
import os
import pathlib
import selectors
import shlex
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM = ROOT / "build/release/bench/loam_vector_search_bench"
BASELINE = "hnswlib-m16"
DEFAULT_SETS = ("source-384-100k", "packages-384", "source-1536-200k", "source-384")
PAGE = ("source-384-100k", "source-384", "source-768-100k", "source-1536-200k", "packages-384", "clusters-384-100k",
        "uniform-384-100k")  # fmt: skip
# Of a million vectors only the strongest of each library: building is what takes the time.
LARGE = 500_000
LARGE_PEERS = (
    "hnswlib-m16", "faiss-hnsw-sq8", "faiss-ivf-rabitq", "usearch-bf16", "zvec-hnsw-int8", "rabitqlib-symqg",
    "rabitqlib-symqg-8bit", "rabitqlib-hnsw-7bit", "vsag-hgraph-sq8", "turbovec-2bit",
)  # fmt: skip
KS = (10, 100)
# Efforts are not raised further: recall is complete, or it takes too long to be of interest.
RECALL_ENOUGH, MEAN_US_MAX = 0.998, 20_000
BUILD_SECONDS_MAX = 3 * 3600


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------------------ environment


def enter_environment(directory):
    """Goes on in the private Python environment, which is made first. A peer that does not install is left out."""
    python = directory / "bin/python"
    done = directory / "installed"
    wanted = (HERE / "requirements.txt").read_text()
    if not done.is_file() or done.read_text() != wanted:
        if not python.is_file():
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        needed, peers = wanted.split("\n# peers\n")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *(line for line in needed.split() if "==" in line)], check=True)
        for line in peers.split():
            if subprocess.run([*pip, line]).returncode != 0:
                say(f"{line} cannot be installed here")
        done.write_text(wanted)
    if pathlib.Path(sys.prefix).resolve() != directory.resolve():
        os.execv(python, [str(python), *sys.argv])


def make_data(data, names):
    missing = [name for name in names if not (data / f"READY-{name}").is_file()]
    if missing:
        subprocess.run([sys.executable, HERE / "make_data.py", "--out", data, *missing], check=True)


# --------------------------------------------------------------------------------------------------------------- measuring


class Failure(Exception):
    pass


class Worker:
    """A process with an index in it that answers `pass K EFFORT`."""

    def __init__(self, name, command, log):
        self.name, self.log = name, log
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log, "w"),
            env=environment, cwd=ROOT,
        )  # fmt: skip
        self.buffer = b""
        self.facts = self.answer(BUILD_SECONDS_MAX)
        self.passes = {}  # (k, effort): its passes

    def answer(self, seconds):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            until = time.monotonic() + seconds
            while b"\n" not in self.buffer:
                if not selector.select(max(0, until - time.monotonic())):
                    self.stop(kill=True)
                    raise Failure(f"no answer within {seconds} s")
                block = os.read(self.process.stdout.fileno(), 1 << 20)
                if not block:
                    raise Failure(self.last_words())
                self.buffer += block
        line, self.buffer = self.buffer.split(b"\n", 1)
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def last_words(self):
        code = self.process.wait()
        lines = pathlib.Path(self.log).read_text(errors="replace").strip().splitlines()
        why = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{why}: {lines[-1][:200]}" if lines else why

    def run(self, k, effort):
        self.process.stdin.write(f"pass {k} {effort}\n".encode())
        self.process.stdin.flush()
        answer = self.answer(600)
        self.passes.setdefault((k, effort), []).append(answer)
        return answer

    def stop(self, kill=False):
        if kill:
            self.process.kill()
        elif self.process.poll() is None:
            try:
                self.process.stdin.write(b"quit\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def groups_of(efforts):
    """Efforts by what is fixed while they rise: `40x2` and `80x2`, but not `80x4`."""
    groups = {}
    for effort in efforts:
        groups.setdefault(effort.partition("x")[2], []).append(effort)
    return list(groups.values())


class Sweep:
    """What of one worker is measured in a session: its efforts until more is of no use; then the same ones again."""

    def __init__(self, worker, wanted=None):
        self.worker = worker
        self.first_passes = {key: len(passes) for key, passes in worker.passes.items()}
        self.chosen = list(wanted or [])
        self.fixed = wanted is not None

    def steps(self):
        """Generator: each next() is one pass."""
        if self.fixed:
            for k, effort in self.chosen:
                yield self.worker.run(k, effort)
            return
        for k in KS:
            for group in groups_of(self.worker.facts["efforts"][str(k)]):
                for effort in group:
                    answer = self.worker.run(k, effort)
                    self.chosen.append((k, effort))
                    yield answer
                    if answer["recall"] >= RECALL_ENOUGH or answer["mean_us"] > MEAN_US_MAX:
                        break
        self.fixed = True

    def results(self):
        """The median pass of each effort, of this session."""
        found = []
        for k, effort in self.chosen:
            passes = self.worker.passes[k, effort][self.first_passes.get((k, effort), 0) :]
            means = sorted(one["mean_us"] for one in passes)
            middle = sorted(passes, key=lambda one: one["mean_us"])[len(passes) // 2]
            found.append({**middle, "passes": len(passes), "mean_us_min": means[0], "mean_us_max": means[-1]})
        return found


def take_turns(sweeps, rounds):
    for _ in range(rounds):
        running = [sweep.steps() for sweep in sweeps]
        while running:
            running = [steps for steps in running if next(steps, None) is not None]


def near_targets(results):
    """Of a full sweep, the efforts around the recalls that are compared: for the sessions after the first."""
    chosen = []
    for k, targets in TARGETS.items():
        points = sorted((one for one in results if one["k"] == k), key=lambda one: one["recall"])
        for target in targets:
            below = [one for one in points if one["recall"] < target]
            above = [one for one in points if one["recall"] >= target]
            for one in below[-1:] + above[:1]:
                if (k, one["effort"]) not in chosen:
                    chosen.append((k, one["effort"]))
    return chosen


def commit():
    """Of Loam, as git names it; `-dirty` with changes that are not committed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=9"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


class Bench:
    def __init__(self, options, name):
        self.options, self.name = options, name
        self.directory = options.data / "results"
        self.directory.mkdir(exist_ok=True)
        self.path = self.directory / f"{name}.json"
        self.rows = json.loads((options.data / "manifest.json").read_text())[name]["rows"]

    def command(self, peer):
        cores = [int(core) for core in self.options.cores.split(",")]
        realtime = ["--realtime"] if self.options.realtime else []
        common = ["--data", self.options.data, "--set", self.name, "--serve", *realtime]
        if peer.startswith("loam"):
            more = shlex.split(self.options.variants.get(peer, ""))
            return [self.options.program, *common, "--threads", len(cores), "--pin", max(cores), *more]
        return [sys.executable, HERE / "peer.py", peer, *common, "--cores", self.options.cores]

    def start(self, peer):
        say(f"{self.name}: building {peer}")
        worker = Worker(peer, self.command(peer), self.directory / f"{self.name}.{peer.replace(' ', '-')}.log")
        say(f"{self.name}: {peer} took {worker.facts['build_seconds']:.1f} s, {worker.facts['bytes_per_vector']} per vector")
        return worker

    def run(self):
        peers = self.options.peers or (LARGE_PEERS if self.rows > LARGE else self.options.all_peers)
        peers = [peer for peer in peers if peer != BASELINE]
        variants = [] if self.options.without_loam else list(self.options.variants)
        report = {"set": self.name, "sessions": [], "failures": {}, "load": os.getloadavg(),
                  "passes": self.options.passes, "realtime": self.options.realtime}  # fmt: skip
        if self.options.add and self.path.is_file():
            before = json.loads(self.path.read_text())
            report["sessions"] = [one for one in before["sessions"] if one["peer"] not in [None, *variants, *peers]]
            report["failures"] = {peer: why for peer, why in before["failures"].items() if peer not in peers}
        staying = [self.start(peer) for peer in variants[:1] + [BASELINE]]
        known = {}
        try:
            for peer in [None, *variants[1:], *peers]:
                self.session(report, staying, known, peer)
                self.path.write_text(json.dumps(report))
        finally:
            for worker in staying:
                worker.stop()

    def session(self, report, staying, known, peer):
        """`peer` beside those that stay; None: those alone, completely."""
        visitor = None
        try:
            visitor = self.start(peer) if peer else None
            sweeps = [Sweep(worker, known.get(worker.name)) for worker in staying]
            if visitor:
                sweeps.append(Sweep(visitor))
            take_turns(sweeps, self.options.passes)
        except Failure as failure:
            if visitor is None and peer is None:
                raise
            say(f"{self.name}: {peer}: {failure}")
            report["failures"][peer] = str(failure)
            return
        finally:
            if visitor:
                visitor.stop()
        members = []
        for sweep in sweeps:
            results = sweep.results()
            members.append({"facts": sweep.worker.facts, "name": sweep.worker.name, "results": results})
            if sweep.worker in staying and peer is None:
                known[sweep.worker.name] = near_targets(results)
        report["sessions"].append({"peer": peer, "commit": commit(), "load": os.getloadavg(), "members": members})


TARGETS = {10: (0.95, 0.98), 100: (0.98, 0.99)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "build/bench-data")
    parser.add_argument("--environment", type=pathlib.Path, default=ROOT / "build/bench-venv")
    parser.add_argument("--sets", default=",".join(DEFAULT_SETS))
    parser.add_argument("--peers", default="", help="names from peer.py --help; default: all (of 1,000,000 vectors, some)")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--cores", default="0,1", help="to build on; searches run on the highest")
    parser.add_argument("--realtime", action="store_true", help="measure under SCHED_FIFO: the machine does other work")
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    parser.add_argument("--loam", action="append", default=[], metavar="NAME=OPTIONS",
                        help="another configuration of Loam, such as 'loam 4-bit=--bits 4'")  # fmt: skip
    parser.add_argument("--add", action="store_true", help="keep what was measured before of other libraries")
    parser.add_argument("--without-loam", action="store_true")
    parser.add_argument("--report", action="store_true", help="only write the page, from what was measured before")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    options.data = options.data.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    enter_environment(options.environment)

    import report
    from peers import peers

    options.variants = {"loam": "", **dict(variant.split("=", 1) for variant in options.loam)}
    options.all_peers = list(peers())
    options.peers = [name for name in options.peers.split(",") if name]
    sets = options.sets.split(",")
    for name in options.variants:
        if not name.startswith("loam"):
            parser.error(f"a configuration of Loam is named loam..: {name}")
    if not options.report:
        if not options.without_loam and not options.program.is_file():
            parser.error(f"{options.program} is not built: ./dev bench vector-peers does that")
        make_data(options.data, sets)
        for name in sets:
            Bench(options, name).run()
    report.write(options.data, options.out, PAGE)


if __name__ == "__main__":
    main()
