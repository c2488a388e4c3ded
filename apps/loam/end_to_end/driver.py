"""Runs the built `loam` as a person or a program would. Every test has a directory of its own."""

import json
import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

LOAM = os.environ.get("LOAM_BINARY", "")
TIMEOUT_SECONDS = 120

EXIT = {"ok": 0, "failed": 1, "usage": 2, "not_found": 3, "conflict": 4, "corruption": 5, "unavailable": 6, "permission": 7, "interrupted": 130}


class Answer:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self):
        return json.loads(self.err.splitlines()[-1])["error"]


class LoamTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="loam-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.store = str(self.dir / "app.loam")
        self.env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "OPENAI_API_KEY")}

    def command(self, *words):
        return [LOAM, *map(str, words)]

    def start(self, *words, **options):
        """A running process with pipes."""
        process = subprocess.Popen(self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=self.dir, env=self.env, **options)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def run_loam(self, *words, stdin=b"", text=True):
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, cwd=self.dir, env=self.env, timeout=TIMEOUT_SECONDS)
        return Answer(done.returncode, done.stdout.decode() if text else done.stdout, done.stderr.decode())

    def ok(self, *words, **options):
        answer = self.run_loam(*words, **options)
        self.assertEqual(answer.code, 0, f"loam {' '.join(map(str, words))}: {answer.err}")
        return answer

    def fails(self, kind, *words, **options):
        answer = self.run_loam(*words, **options)
        self.assertEqual(answer.code, EXIT[kind], f"loam {' '.join(map(str, words))}: {answer.out}{answer.err}")
        self.assertEqual(answer.out, "", "an error leaves standard output alone")
        return answer

    def on_terminal(self, *words, columns=80, answer=None):
        """Standard output and error on a pseudo terminal; what it shows and the exit code."""
        parent, child = pty.openpty()
        import fcntl, struct, termios
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = dict(self.env, TERM="xterm-256color")
        process = subprocess.Popen(self.command(*words), stdin=child, stdout=child, stderr=child, cwd=self.dir, env=env)
        os.close(child)
        if answer is not None:
            os.write(parent, answer)
        shown = b""
        while True:
            ready, _, _ = select.select([parent], [], [], TIMEOUT_SECONDS)
            if not ready:
                process.kill()
                self.fail("the terminal stayed silent")
            try:
                block = os.read(parent, 65536)
            except OSError:
                break
            if not block:
                break
            shown += block
        code = process.wait(TIMEOUT_SECONDS)
        os.close(parent)
        return code, shown.decode().replace("\r\n", "\n")

    def write(self, name, content):
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def write_rows(self, name, rows):
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def notes(self, count=20):
        subjects = ["cats sleep in the sun", "dogs chase the ball", "sqlite is a database", "the moon is bright", "coffee and tea"]
        return [{"id": i, "title": f"note {i}", "body": subjects[i % len(subjects)], "year": 2000 + i} for i in range(count)]

    def import_notes(self, count=20):
        path = self.write_rows("notes.jsonl", self.notes(count))
        return self.ok("import", self.store, "notes", path, "--key", "id", "--embed", "body", "--embedder", "hash:64", "--text", "title,body")

    def files_below(self, path):
        """Names, sizes and bytes: what untouched means."""
        root = pathlib.Path(path)
        if not root.exists():
            return None
        if root.is_file():
            return root.read_bytes()
        return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def main():
    if not LOAM:
        sys.exit("set LOAM_BINARY to the loam to test")
    unittest.main(verbosity=2)
