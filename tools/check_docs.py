#!/usr/bin/env python3
"""Every C++ block in a Markdown page is a region of a program under examples/, which a test compiles and runs.

A page marks the block:   <!-- example: examples/kv.cpp#open -->
The program marks the region with // [open] and // [/open].
Without arguments, differences are errors; with --write, the pages are brought up to date.
Also checked: links between files of the repository lead somewhere, and every region is used by a page.
"""

import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?P<marker><!-- example: (?P<file>\S+)#(?P<region>\w+) -->\n)?```cpp\n(?P<code>.*?)```", re.S)
REGION = re.compile(r"^[ \t]*// \[(?P<name>\w+)\]\n(?P<code>.*?)^[ \t]*// \[/(?P=name)\]", re.S | re.M)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#\s]+)")


def tracked(pattern):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern], cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if (ROOT / line).is_file()]


def regions_of(path, cache={}):
    if path not in cache:
        file = ROOT / path
        text = file.read_text() if file.is_file() else ""
        cache[path] = {m["name"]: textwrap.dedent(m["code"]) for m in REGION.finditer(text)}
    return cache[path]


def check_page(page, write, used, problems):
    path = ROOT / page
    text = path.read_text()

    def replace(match):
        line = text.count("\n", 0, match.start()) + 1
        if not match["marker"]:
            problems.append(f"{page}:{line}: a C++ block that no example stands behind")
            return match[0]
        wanted = regions_of(match["file"]).get(match["region"])
        if wanted is None:
            problems.append(f"{page}:{line}: no region [{match['region']}] in {match['file']}")
            return match[0]
        used.add((match["file"], match["region"]))
        if wanted != match["code"] and not write:
            problems.append(f"{page}:{line}: differs from {match['file']}#{match['region']}; run tools/check_docs.py --write")
        return f"{match['marker']}```cpp\n{wanted}```"

    updated = BLOCK.sub(replace, text)
    if write and updated != text:
        path.write_text(updated)
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
        if not (path.parent / link).exists():
            problems.append(f"{page}: the link to {link} leads nowhere")


def main():
    write = "--write" in sys.argv[1:]
    used, problems = set(), []
    for page in tracked("*.md"):
        check_page(page, write, used, problems)
    for example in tracked("examples/*.cpp"):
        for region in regions_of(example):
            if (example, region) not in used:
                problems.append(f"{example}: the region [{region}] is on no page")
    print("\n".join(problems) if problems else f"docs: {len(used)} examples agree with their pages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
