#!/usr/bin/env python3
"""Builds one peer's index in this process and measures single searches on one thread. JSON on standard output.

    peer.py hnswlib-m16 --data build/bench-data --set source-384-100k --k 10,100 --passes 5 --cores 0,1

A pass searches all queries once, one by one; what is reported for an effort is its median pass (by mean time) and every
pass. Nothing is subtracted. `call_overhead_us` says what a call costs where there is nothing to search: k = 1 among 10
vectors (64 where a library cannot have fewer).

With --serve it is run.py's worker: it prints one line of JSON when the index is built, then one for each line `pass K
EFFORT` on standard input, until `quit`. Passes of several libraries can so take turns without building anything twice.
"""

import argparse
import ctypes
import gc
import json
import mmap
import os
import sys
import time

# Threads that wait must not spin: other processes are measured meanwhile.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("LANCE_LOG", "error")

import numpy as np  # noqa: E402

from data_files import DataSet, recall  # noqa: E402
from peers import peers  # noqa: E402

KINDS = ("RssAnon", "RssFile", "RssShmem")


def pin(cores):
    """Every thread of the process, and those it will make."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cores)


def run_before_all_others():
    """Nothing else the machine does interrupts the process from here on; needs the right to. Not for building."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(10))


def resident():
    """Bytes of memory by kind, after giving back what only the allocators hold."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return {kind: int(lines[kind].split()[0]) * 1024 for kind in KINDS}


def summary(nanoseconds):
    microseconds = np.asarray(nanoseconds) / 1000
    p50, p95, p99 = np.percentile(microseconds, (50, 95, 99))
    mean = microseconds.mean()
    numbers = {"mean_us": mean, "p50_us": p50, "p95_us": p95, "p99_us": p99, "qps": 1e6 / mean}
    return {name: round(float(value), 3) for name, value in numbers.items()}


class Searcher:
    """One peer with its index, and how it is measured."""

    def __init__(self, name, data, threads, cores, limit=None, realtime=False):
        pin(cores)
        make = peers()[name]
        self.base = data.load("base")[:limit]
        self.queries = np.array(data.load("queries"))
        self.truth = np.array(data.load("truth_distances"))
        if limit:
            self.truth = np.sort(1 - self.queries @ self.base.T, axis=1)[:, : self.truth.shape[1]]
        dimension = self.base.shape[1]
        self.recalls = {}
        # Before the memory is looked at: what a library needs just to be there is not the index's.
        tiny = make(dimension, threads)
        tiny.build(np.ascontiguousarray(self.queries[: tiny.tiny_rows]))
        self.forget_pages()
        before = resident()
        self.peer = make(dimension, threads)
        started, cpu = time.perf_counter(), time.process_time()
        self.peer.build(np.asarray(self.base))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        pin({max(cores)})
        self.peer.start_searching()
        self.prepared = [self.peer.prepare(np.ascontiguousarray(query)) for query in self.queries]
        self.search_all(100, self.peer.efforts(100)[0])
        self.forget_pages()
        after = resident()
        rows = len(self.base)
        if realtime:
            run_before_all_others()
        overhead = self.measure_overhead(tiny)
        self.facts = {
            "name": name, "package": self.peer.package, "version": self.peer.version(), "set": data.name,
            "rows": rows, "dimension": dimension, "configuration": self.peer.configuration,
            "threads": threads, "build_seconds": round(seconds, 2), "build_cpu_seconds": round(cpu, 2),
            "call_overhead_us": overhead,
            "bytes_per_vector": {kind: round((after[kind] - before[kind]) / rows, 1) for kind in KINDS},
            "efforts": {str(k): self.peer.efforts(k) for k in (10, 100)},
        }  # fmt: skip

    def forget_pages(self):
        """The rows an index is built from are pages of a file, and not the index's memory."""
        self.base._mmap.madvise(mmap.MADV_DONTNEED)

    def measure_overhead(self, tiny):
        tiny.start_searching()
        tiny.use(tiny.efforts(10)[0], 1)
        prepared = [tiny.prepare(np.ascontiguousarray(query)) for query in self.queries]
        means = [summary(self.timed(tiny, prepared, 1)[0])["mean_us"] for _ in range(5)]
        tiny.close()
        return round(sorted(means)[2], 2)

    @staticmethod
    def timed(peer, prepared, k):
        took, found = np.empty(len(prepared), dtype=np.int64), [None] * len(prepared)
        search, clock = peer.search, time.perf_counter_ns
        gc.collect()
        gc.disable()
        for place, query in enumerate(prepared):
            begin = clock()
            found[place] = search(query, k)
            took[place] = clock() - begin
        gc.enable()
        return took, found

    def search_all(self, k, effort):
        self.peer.use(effort, k)
        return self.timed(self.peer, self.prepared, k)

    def run_pass(self, k, effort):
        took, found = self.search_all(k, effort)
        if (k, effort) not in self.recalls:
            ids_of = getattr(self.peer, "ids_of", lambda ids: ids)
            found = [np.asarray(ids_of(ids)).astype(np.int64) for ids in found]
            self.recalls[k, effort] = {
                "recall": round(recall(found, self.base, self.queries, self.truth, k), 5),
                "returned_min": min(len(ids) for ids in found),
            }
        return {"k": k, "effort": effort, **self.recalls[k, effort], **summary(took)}


def median_pass(passes):
    return sorted(passes, key=lambda one: one["mean_us"])[len(passes) // 2]


def serve(searcher):
    for line in sys.stdin:
        words = line.split()
        if not words or words[0] == "quit":
            break
        if len(words) != 3 or words[0] != "pass":
            print(json.dumps({"error": f"not understood: {line.strip()}"}), flush=True)
            continue
        print(json.dumps(searcher.run_pass(int(words[1]), words[2])), flush=True)


def measure(searcher, ks, count, wanted):
    results = []
    for k in ks:
        for effort in wanted or searcher.peer.efforts(k):
            passes = [searcher.run_pass(k, effort) for _ in range(count)]
            results.append({**median_pass(passes), "passes": passes})
    print(json.dumps({**searcher.facts, "results": results}))


def main():
    names = list(peers())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="peers: " + ", ".join(names))
    parser.add_argument("name", choices=names, metavar="NAME")
    parser.add_argument("--data", default="build/bench-data")
    parser.add_argument("--set", default="source-384-100k")
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--effort", default="", help="instead of the peer's own list, such as 40,80 or 40x2")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--cores", default="0,1", help="to build on; searches run on the highest")
    parser.add_argument("--rows", type=int, help="only the first so many")
    parser.add_argument("--realtime", action="store_true", help="measure under SCHED_FIFO: the machine does other work")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    cores = {int(core) for core in options.cores.split(",")}
    # Libraries print on standard output; it is ours.
    out = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(out, "w")
    data = DataSet(options.data, options.set)
    searcher = Searcher(options.name, data, len(cores), cores, options.rows, options.realtime)
    if options.serve:
        print(json.dumps(searcher.facts), flush=True)
        serve(searcher)
    else:
        wanted = [effort for effort in options.effort.split(",") if effort]
        measure(searcher, [int(k) for k in options.k.split(",")], options.passes, wanted)
    searcher.peer.close()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
