"""What run.py measured, as a page with tables and pictures: everything compared at the same recall."""

import json
import math
import pathlib
import platform
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

TARGETS = ((10, 0.95), (10, 0.98), (100, 0.98), (100, 0.99))
BASELINE = "hnswlib-m16"
WANTED = {"source-384-100k": 4, "source-384": 5, "source-1536-200k": 4}  # times the baseline, at every target
INK, MUTED = "#1b1f24", "#8a9199"
# Families keep their colour; within one the line style tells configurations apart.
COLOURS = {
    "loam": "#d1242f", "hnswlib": "#1b1f24", "faiss": "#0969da", "usearch": "#9a6700", "zvec": "#1a7f37",
    "rabitqlib": "#8250df", "vsag": "#bf3989", "turbovec": "#0f8b8d", "lancedb": "#6e7781",
}  # fmt: skip
STYLES = ("-", "--", ":", "-.")


def frontier(results, k):
    """Points (recall, pass) that no other one beats in both recall and speed, by recall."""
    best, points = 0.0, []
    for one in sorted((one for one in results if one["k"] == k), key=lambda one: (-one["recall"], -one["qps"])):
        if one["qps"] > best:
            best = one["qps"]
            points.append(one)
    return points[::-1]


def at_recall(results, k, target, field="qps"):
    """The field at exactly this recall, its logarithm taken to be linear between measured points. None: not reached."""
    points = frontier(results, k)
    if not points or points[-1]["recall"] < target:
        return None
    above = next(i for i, one in enumerate(points) if one["recall"] >= target)
    high = points[above]
    if above == 0:
        return high[field]
    low = points[above - 1]
    share = (target - low["recall"]) / (high["recall"] - low["recall"])
    return math.exp(math.log(low[field]) * (1 - share) + math.log(high[field]) * share)


class Comparison:
    """The sessions of one set."""

    def __init__(self, data, name):
        self.name = name
        self.manifest = json.loads((data / "manifest.json").read_text())[name]
        measured = json.loads((data / "results" / f"{name}.json").read_text())
        self.sessions, self.failures = measured["sessions"], measured["failures"]
        self.passes, self.realtime = measured["passes"], measured["realtime"]
        self.commits = list(dict.fromkeys(session["commit"] for session in self.sessions))
        self.members = {}  # name: its complete measurement
        self.builds = {}  # name: its facts in each session
        for session in self.sessions:
            for member in session["members"]:
                self.builds.setdefault(member["name"], []).append(member["facts"])
                if session["peer"] in (None, member["name"]):
                    self.members[member["name"]] = member

    def ratios(self, name, other, k, target):
        """How many times the queries per second of `other`, in each session that has both."""
        found = []
        for session in self.sessions:
            members = {member["name"]: member["results"] for member in session["members"]}
            if name in members and other in members:
                values = [at_recall(members[one], k, target) for one in (name, other)]
                if all(values):
                    found.append(values[0] / values[1])
        return found

    def names(self):
        """Loam, then by speed at the first target."""
        def rank(name):
            speed = at_recall(self.members[name]["results"], *TARGETS[0]) or 0
            return not name.startswith("loam"), -speed

        return sorted(self.members, key=rank)


def cell(comparison, name, k, target):
    results = comparison.members[name]["results"]
    speed = at_recall(results, k, target)
    if speed is None:
        points = frontier(results, k)
        return f"(to {math.floor(points[-1]['recall'] * 1000) / 1000:.3f})" if points else ""
    if name == BASELINE:
        return f"{speed:,.0f} (1)"
    ratios = comparison.ratios(name, BASELINE, k, target)
    return f"{speed:,.0f} ({statistics.median(ratios):.2f})" if ratios else f"{speed:,.0f}"


def lowest_to_highest(values, digits):
    ends = [f"{value:,.{digits}f}" for value in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))


def table(heads, rows):
    """Lines of Markdown; none without rows."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines] if rows else []


def named(targets):
    return [f"R@{k} = {target:g}" for k, target in targets]


def speed_table(comparison):
    rows = []
    for name in comparison.names():
        facts = comparison.members[name]["facts"]
        memory = f"{facts['bytes_per_vector']['RssAnon']:,.0f}"
        if facts["bytes_per_vector"]["RssFile"] >= 100:
            memory += f" + {facts['bytes_per_vector']['RssFile']:,.0f} of files"
        bold = "**" if name.startswith("loam") else ""
        cells = [cell(comparison, name, k, target) for k, target in TARGETS]
        seconds, cpu_seconds = ([build[key] for build in comparison.builds[name]] for key in ("build_seconds", "build_cpu_seconds"))
        built = f"{lowest_to_highest(seconds, 1)} ({lowest_to_highest(cpu_seconds, 0)})"
        cells += [built, memory, f"{facts['call_overhead_us']:.1f}"]
        rows.append([f"{bold}{name}{bold}", *cells])
    heads = ["queries per second (times hnswlib)", *named(TARGETS), "built in, s (of CPU)", "memory, B/vector", "call, us"]
    return table(heads, rows)


def latency_table(comparison):
    wanted = ((10, 0.95), (100, 0.99))
    rows = []
    for name in comparison.names():
        cells = []
        for k, target in wanted:
            values = [at_recall(comparison.members[name]["results"], k, target, field)
                      for field in ("mean_us", "p50_us", "p95_us", "p99_us")]  # fmt: skip
            cells.append(", ".join(f"{value:,.0f}" for value in values) if all(values) else "")
        if any(cells):
            rows.append([name, *cells])
    return table(["us: mean, p50, p95, p99", *named(wanted)], rows)


def lead_table(comparison):
    """Of each library in its own session: the speeds of two sessions are of two hours of the machine."""
    rows = []
    for name in comparison.names():
        if name.startswith("loam") or name == BASELINE:
            continue
        ratios = [comparison.ratios("loam", name, k, target) for k, target in TARGETS]
        if any(ratios):
            rows.append([name, *(f"{statistics.median(found):.2f}" if found else "not reached" for found in ratios)])
    return table(["Loam's queries per second for each of", *named(TARGETS)], rows)


def recall_at_effort(results, k, effort):
    """Between two efforts that were measured, by the logarithm of the effort."""
    points = sorted((int(one["effort"]), one["recall"]) for one in results if one["k"] == k)
    for (low, before), (high, after) in zip(points, points[1:]):
        if low <= effort <= high:
            return before + (after - before) * math.log(effort / low) / math.log(high / low)
    return None


def effort_table(comparison):
    """What the graphs are worth: Loam's ef and hnswlib's mean about the same."""
    efforts = ((10, 20), (10, 40), (10, 80), (10, 160), (100, 160), (100, 240), (100, 400))
    rows = []
    for name in ("loam", BASELINE):
        if name in comparison.members:
            found = [recall_at_effort(comparison.members[name]["results"], k, effort) for k, effort in efforts]
            rows.append([name, *(f"{recall:.4f}" if recall else "" for recall in found)])
    return table(["recall", *(f"R@{k}, ef {effort}" for k, effort in efforts)], rows)


def ranges_of_loam(comparison):
    """Between sessions, which are minutes apart: how sure the ratio is."""
    parts = []
    for k, target in TARGETS:
        ratios = comparison.ratios("loam", BASELINE, k, target)
        if len(ratios) > 1:
            parts.append(f"R@{k} = {target:g}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return parts


def ticks_for(comparison, k):
    """The recall worth drawing; of data that nobody searches well, all there is."""
    found = [one["recall"] for member in comparison.members.values() for one in member["results"] if one["k"] == k]
    best = max(found, default=1)
    return (0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999) if best > 0.9 else (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9)


def picture(comparison, out):
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.6), constrained_layout=True)
    families = {}
    for name in comparison.names():
        families.setdefault(name.split("-")[0].split(" ")[0], []).append(name)
    for axis, k in zip(axes, (10, 100)):
        ticks = ticks_for(comparison, k)
        for family, names in families.items():
            for place, name in enumerate(names):
                points = [one for one in frontier(comparison.members[name]["results"], k) if one["recall"] >= ticks[0]]
                loam = family == "loam"
                axis.plot(
                    [-math.log10(1.0005 - one["recall"]) for one in points], [one["qps"] for one in points],
                    STYLES[place % len(STYLES)], color=COLOURS.get(family, MUTED), label=name, zorder=3 if loam else 2,
                    marker="o", markersize=4.5 if loam else 2.5, linewidth=2.6 if loam else 1.2,
                )  # fmt: skip
        axis.set_xticks([-math.log10(1.0005 - tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda speed, _: f"{speed:,.0f}")
        axis.yaxis.set_minor_formatter(lambda speed, _: f"{speed:,.0f}" if f"{speed:.0e}"[0] in "25" else "")
        axis.set_xlabel(f"recall@{k}", color=INK)
        axis.grid(True, which="major", color="#e3e6ea", linewidth=0.8)
        axis.grid(True, which="minor", color="#f2f4f6", linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(f"the {k} nearest", loc="left", color=INK, fontsize=11)
    axes[0].set_ylabel("queries per second, one thread, one query at a time", color=INK)
    facts = comparison.manifest
    title = f"{comparison.name}: {facts['rows']:,} x {facts['dimension']}"
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    plt.rcParams.update({"svg.hashsalt": comparison.name, "svg.fonttype": "none"})
    figure.savefig(out / f"vector-{comparison.name}.svg", metadata={"Date": None})
    plt.close(figure)


def machine():
    model = flags = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        if key.strip() == "flags":
            flags = value.split()
    wide = "AVX-512 with VNNI" if "avx512_vnni" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    cores = len([line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 1048576
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{cores} virtual cores ({model}, {wide}), {memory:.0f} GiB of memory, {system}"


def section(comparison):
    facts = comparison.manifest
    about = "synthetic" if facts.get("synthetic") else f"{facts['exact_duplicates']:,} of them equal to another one"
    busy = ", under SCHED_FIFO, because the machine did other work" if comparison.realtime else ""
    lines = [
        f"## {comparison.name}", "",
        f"{facts['rows']:,} vectors of {facts['dimension']} components ({about}), {facts['queries']:,} queries that are not "
        f"among them. {comparison.passes} passes{busy}, of Loam at commit {' and '.join(comparison.commits)}.", "",
        f"![recall against queries per second](vector-{comparison.name}.svg)", "", *speed_table(comparison), "",
    ]  # fmt: skip
    ranges = ranges_of_loam(comparison)
    if ranges:
        what = f"Loam's times hnswlib, the median of {len(comparison.sessions)} sessions (lowest to highest): "
        lines += [what + "; ".join(ranges) + ".", ""]
    if comparison.name in WANTED:
        lines += [f"Wanted: {WANTED[comparison.name]} times hnswlib at each of the four, and ahead of every library.", ""]
    for further in (lead_table(comparison), effort_table(comparison), latency_table(comparison)):
        lines += [*further, ""] if further else []
    if comparison.failures:
        lines += ["Not measured: " + "; ".join(f"{name} ({why})" for name, why in comparison.failures.items()) + ".", ""]
    return lines


def configurations(comparisons):
    seen = {}  # row without sets: the sets it is of
    for comparison in comparisons:
        for name, member in comparison.members.items():
            facts = member["facts"]
            words = ", ".join(f"{key} {value}" for key, value in facts["configuration"].items())
            version = f"{facts['package']} {facts['version']}" if "version" in facts else "see each set"
            seen.setdefault((name, version, words), []).append(comparison.name)
    return table(["", "version", "configuration", "sets"], [[*facts, ", ".join(sets)] for facts, sets in seen.items()])


def write(data, out, sets):
    comparisons = [Comparison(data, name) for name in sets if (data / "results" / f"{name}.json").is_file()]
    for comparison in comparisons:
        picture(comparison, out)
    seed = comparisons[0].manifest["seed"]
    lines = [
        "# Vector search beside other libraries", "",
        f"Made by `./dev bench vector-peers` (bench/vector/run.py), data from seed {seed}. Machine: {machine()}.", "",
        "One thread, one query at a time, 1000 queries in a pass, every library in a process of its own and called from "
        "Python except Loam; what a call costs where there is nothing to search is the last column (k = 1 among 10 vectors, "
        "or 64), and nothing is subtracted. Loam, hnswlib and one other library at a time take turns pass by pass; a figure "
        "is of the median of the passes, and a ratio is of passes that took turns: the speeds of two others are of different "
        "hours of a noisy machine, their ratios to Loam and hnswlib are not. Speeds are at exactly the recall of the "
        "column's head, interpolated between the two nearest measured points of the Pareto frontier; `(to .x)` is the "
        "highest recall reached. Recall is judged by distance: a vector counts when it is as near as the k-th true one. Memory "
        "is what the process gained by building and one pass of searches (private memory, after the allocator returned what "
        "was free); vectors included. Built with two threads; lowest to highest where a set was measured in several runs.", "",
    ]  # fmt: skip
    for comparison in comparisons:
        lines += section(comparison)
    lines += ["## Configurations", "", *configurations(comparisons), ""]
    (out / "vector.md").write_text("\n".join(lines))
