#!/usr/bin/env python3
"""The project's own rules, checked. Prints one line for each breach and exits 1 when there is one."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What a folder may include, beside itself: the dependency rule of ARCHITECTURE.md.
CORE = {"core"}
QUERY = CORE | {"query"}
PORTS = QUERY | {"ports"}
MAY_INCLUDE = {
    "core": CORE,
    "query": QUERY,
    "ports": PORTS,
    "vector": PORTS | {"vector"},
    "relational": PORTS | {"vector", "relational"},
    "adapters": PORTS,
    "decorators": PORTS,
    "store": PORTS | {"vector", "relational", "adapters", "store"},
    "registry": PORTS | {"relational", "adapters", "registry", "store"},
}
VENDOR = re.compile(r"#include [<\"](nlohmann|sqlite3\.h|libpq|lmdb|curl/|hwy/|fmt/|spdlog/|openssl/|xxhash|CLI/|gtest|gmock|rapidcheck)")
BANNED = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "finish it, or open an issue"),
    (re.compile(r"std::regex"), "its stack use and time are not bounded"),
    (re.compile(r"using namespace (?!std::(chrono_literals|string_literals|string_view_literals)|hwy)"), "name what you use"),
    (re.compile(r"std::(cout|cerr)\b"), "the library never prints"),
]
VISIBLE = 'namespace [[gnu::visibility("default")]] loam {'
PROGRAMS = ("apps/", "bench/", "examples/", "tests/")
LINE_MAX = 125


def tracked(*patterns):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if (ROOT / line).is_file()]


def area_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "loam" and len(parts) > 2 else None


def is_test(path):
    return bool(re.search(r"_(test|fuzz|bench)\.cpp$|/contract/|_test_|/testing/", path)) or path.startswith("tests/")


def public_headers():
    """Headers that are listed as such, and so installed."""
    found = set()
    for cmake in tracked("loam/**/CMakeLists.txt", "loam/CMakeLists.txt"):
        text = (ROOT / cmake).read_text()
        for block in re.findall(r"HEADERS\s+((?:[\w./]+\.hpp\s*)+)", text):
            for name in block.split():
                found.add(str(pathlib.PurePosixPath(cmake).parent / name))
    return found


def check_includes(path, number, line, public):
    include = re.match(r'\s*#include "loam/(\w+)/(.*)"', line)
    area = area_of(path)
    if include and area in MAY_INCLUDE and not is_test(path):
        target = include.group(1)
        allowed = MAY_INCLUDE[area]
        if area == "adapters" and target == "adapters":
            mine = path.split("/")[2]
            if not include.group(2).startswith(mine + "/"):
                yield f"{path}:{number}: an adapter includes another adapter"
        elif target not in allowed:
            yield f"{path}:{number}: {area} may not include {target}"
    if path in public and VENDOR.search(line):
        yield f"{path}:{number}: a public header includes a vendor's"


def check_file(path, public):
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".hpp") and "#pragma once" not in text:
        yield f"{path}: no #pragma once"
    if path in public and "namespace loam" in text and VISIBLE not in text:
        yield f"{path}: a public header opens its namespace with '{VISIBLE}', or the shared library hides it"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_MAX:
            yield f"{path}:{number}: {len(line)} columns, the limit is {LINE_MAX}"
        if line.rstrip() != line:
            yield f"{path}:{number}: trailing space"
        yield from check_includes(path, number, line, public)
        for pattern, why in BANNED:
            if path.startswith(PROGRAMS) and ("std::(cout" in pattern.pattern or "using namespace" in pattern.pattern):
                continue
            if pattern.search(line):
                yield f"{path}:{number}: '{pattern.search(line).group(0)}': {why}"


def check_tests_are_built():
    listed = "\n".join((ROOT / cmake).read_text() for cmake in tracked("*CMakeLists.txt"))
    for path in tracked("*_test.cpp", "*_fuzz.cpp", "*_bench.cpp"):
        name = pathlib.PurePosixPath(path).name
        if name not in listed and f"NAME {name.removesuffix('_bench.cpp')} " not in listed:
            yield f"{path}: in no CMakeLists.txt, so it never runs"


def main():
    public = public_headers()
    problems = []
    for path in tracked("*.cpp", "*.hpp"):
        problems += check_file(path, public)
    problems += check_tests_are_built()
    for path in tracked("loam/**/*.cpp", "apps/**/*.cpp"):
        header = re.sub(r"\.cpp$", ".hpp", path)
        if (ROOT / header).is_file() and not is_test(path):
            first = next((l for l in (ROOT / path).read_text().splitlines() if l.startswith("#include")), "")
            if header not in first:
                problems.append(f"{path}: its own header is not the first include")
    print("\n".join(problems) if problems else f"tidy: {len(tracked('*.cpp', '*.hpp'))} files keep the rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
