"""Terminals, pipes, signals, and what bad input gets."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import driver
from driver import EXIT, LoamTest


class Terminals(LoamTest):
    def test_a_table_on_a_terminal_json_in_a_pipe(self):
        self.import_notes(3)
        code, shown = self.on_terminal("tables", self.store)
        self.assertEqual(code, 0)
        self.assertIn("name", shown)
        self.assertNotIn("{", shown)
        self.assertEqual(self.ok("tables", self.store).json()[0]["name"], "notes")

    def test_a_table_fits_the_terminal(self):
        self.write_rows("wide.jsonl", [{"id": 1, "text": "x" * 500}])
        self.ok("import", self.store, "wide", "wide.jsonl")
        code, shown = self.on_terminal("sql", self.store, "SELECT * FROM wide", "--color", "never", columns=40)
        self.assertIn("…", shown)
        self.assertLessEqual(max(map(len, shown.splitlines())), 40)
        piped = self.ok("sql", self.store, "SELECT * FROM wide", "--format", "table").out
        self.assertIn("x" * 500, piped)

    def test_colour(self):
        self.import_notes(1)
        escape = "\x1b["
        self.assertIn(escape, self.on_terminal("tables", self.store)[1])
        self.assertNotIn(escape, self.on_terminal("tables", self.store, "--color", "never")[1])
        self.env["NO_COLOR"] = "1"
        self.assertNotIn(escape, self.on_terminal("tables", self.store)[1])
        self.assertIn(escape, self.on_terminal("tables", self.store, "--color=always")[1])
        self.env["NO_COLOR"] = ""
        self.assertIn(escape, self.on_terminal("tables", self.store)[1])
        self.env["FORCE_COLOR"] = "1"
        self.assertNotIn(escape, self.ok("tables", self.store, "--format", "json").out)
        self.assertIn(escape, self.ok("tables", self.store, "--format", "table").out)

    def test_stored_text_cannot_steer_the_terminal(self):
        hostile = "\x1b]0;owned\x07\x1b[2J"
        self.write_rows("h.jsonl", [{"id": 1, "text": hostile}])
        self.ok("import", self.store, "h", "h.jsonl")
        self.ok("kv", "set", self.store, "n", "k", hostile)
        for words in (["sql", self.store, "SELECT * FROM h"], ["kv", "get", self.store, "n", "k"], ["kv", "list", self.store, "n"]):
            code, shown = self.on_terminal(*words, "--color", "never")
            self.assertEqual(code, 0)
            self.assertNotIn("\x1b", shown, words)
            self.assertNotIn("\x07", shown, words)
            self.assertIn("\\u{1b}", shown)
        code, shown = self.on_terminal("count", self.store, "\x1b[31mred", "--color", "never")
        self.assertNotIn("\x1b", shown)

    def test_progress_as_json(self):
        path = self.write_rows("n.jsonl", self.notes(100))
        answer = self.ok("import", self.store, "n", path, "--progress", "json", "--batch", "10")
        last = [json.loads(line) for line in answer.err.splitlines() if line.startswith("{")][-1]
        self.assertEqual(last["progress"]["done"], 100)


class Pipes(LoamTest):
    def test_a_reader_that_goes_away_is_no_error(self):
        self.ok("import", self.store, "t", "-", "--input-format", "csv", stdin=b"x\n" + b"%s\n" % (b"y" * 100) * 5000)
        for words in (["export", self.store, "t", "-", "--output-format", "jsonl"], ["sql", self.store, "SELECT * FROM t", "--format", "jsonl"]):
            process = self.start(*words)
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.wait(driver.TIMEOUT_SECONDS), 141)
            self.assertEqual(process.stderr.read(), b"")

    def test_a_full_disk_is_an_error(self):
        self.import_notes(20)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.command("tables", self.store), stdout=full, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual(done.returncode, EXIT["failed"])
        self.assertIn(b"standard output", done.stderr)

    def test_errors_for_programs_are_one_json_object(self):
        for words, code in ((["tables", "missing.loam"], "not_found"), (["kv", "get", "missing.loam", "n", "k"], "not_found"),
                            (["search", "a"], "invalid_argument"), (["frobnicate"], "invalid_argument"),
                            (["tables", "missing.loam", "--limit", "x"], "invalid_argument")):
            for option in (["--format", "json"], ["--format=jsonl"]):
                answer = self.run_loam(*words, *option)
                self.assertEqual(answer.out, "")
                self.assertEqual(answer.err.count("\n"), 1)
                self.assertEqual(set(answer.error()), {"code", "message", "hint", "outcome"})
                self.assertEqual(answer.error()["code"], code)


class Interrupts(LoamTest):
    def feed(self, process, first, last):
        for i in range(first, last):
            process.stdin.write(b'{"id": %d, "body": "row %d"}\n' % (i, i))
        process.stdin.flush()

    def wait_for_rows(self, table, least):
        deadline = time.monotonic() + driver.TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            answer = self.run_loam("count", self.store, table)
            if answer.code == 0 and int(answer.out) >= least:
                return int(answer.out)
        self.fail("the rows never came")

    def test_an_interrupted_import_keeps_whole_batches_and_goes_on(self):
        command = ["import", self.store, "t", "-", "--input-format", "jsonl", "--key", "id", "--batch", "50", "--infer", "10",
                   "--embed", "body", "--embedder", "hash:64", "--text", "body"]
        process = self.start(*command)
        self.feed(process, 0, 520)  # the input stays open: the import waits for more
        stored = self.wait_for_rows("t", 500)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(driver.TIMEOUT_SECONDS), 130)
        told = process.stderr.read().decode()
        self.assertEqual(stored, 500, "whole batches only")
        self.assertIn("500 rows up to line 500 are stored", told)
        self.assertIn("key", told)
        self.assertEqual(self.ok("count", self.store, "t").out, "500\n")
        self.ok("check", self.store)
        everything = self.write_rows("all.jsonl", [{"id": i, "body": f"row {i}"} for i in range(800)])
        again = self.ok("import", self.store, "t", everything, "--key", "id", "--format", "json").json()
        self.assertEqual((again["inserted"], again["replaced"]), (300, 500))
        self.assertEqual(self.ok("count", self.store, "t").out, "800\n")
        self.ok("check", self.store)

    def test_a_deadline_ends_a_wait_for_input(self):
        process = self.start("import", self.store, "t", "-", "--input-format", "jsonl", "--deadline", "300ms")
        self.assertEqual(process.wait(driver.TIMEOUT_SECONDS), EXIT["unavailable"])
        self.assertFalse(os.path.exists(self.store))

    def test_a_second_interrupt_ends_it_at_once(self):
        process = self.start("demo-writer", self.store)
        process.wait(driver.TIMEOUT_SECONDS)  # no such store: it ends by itself, and is not listed
        self.assertNotIn("demo-writer", self.ok("help").out)


class BadInput(LoamTest):
    """One test for each line of what bad input gets."""

    def good(self, count, first=0):
        return "".join(json.dumps({"id": i, "n": i}) + "\n" for i in range(first, first + count))

    def test_a_malformed_line_is_named_and_its_batch_is_not_stored(self):
        self.ok("import", self.store, "t", self.write("g.jsonl", self.good(1)), "--key", "id")
        path = self.write("bad.jsonl", self.good(25, 1) + '{"id": 26, "n": }\n' + self.good(25, 27))
        answer = self.fails("usage", "import", self.store, "t", path, "--batch", "10")
        self.assertIn("line 26, column 17", answer.err)
        self.assertIn("20 rows up to line 20 are stored", answer.err)
        self.assertEqual(self.ok("count", self.store, "t").out, "21\n")

    def test_a_malformed_line_makes_no_store(self):
        self.fails("usage", "import", self.store, "t", self.write("bad.jsonl", "{"))
        self.fails("usage", "import", self.store, "t", self.write("bad.csv", 'a,b\n1,"x'))
        self.fails("usage", "import", self.store, "t", self.write("empty.csv", ""))
        self.fails("usage", "import", self.store, "t", self.write("empty.jsonl", ""))
        self.assertFalse(os.path.exists(self.store))

    def test_skip_counts_and_reports(self):
        path = self.write("bad.jsonl", self.good(5) + "{\n" + self.good(5, 5) + "[1]\n" + '{"id": "x", "n": 1}\n')
        answer = self.ok("import", self.store, "t", path, "--key", "id", "--on-error", "skip", "--infer", "5", "--format", "json")
        self.assertEqual((answer.json()["rows"], answer.json()["rejected"]), (10, 3))
        for line in ("line 6,", "line 12,", "line 13, column \"id\""):
            self.assertIn(line, answer.err)
        self.assertIn("3 lines left out", answer.err)

    def test_csv_errors_have_line_and_column(self):
        answer = self.fails("usage", "import", self.store, "t", self.write("bad.csv", 'a,b\n1,2\n3,x"y\n'))
        self.assertIn("line 3, column 4", answer.err)
        answer = self.fails("usage", "import", self.store, "t", self.write("bad.csv", "a,b\n1,2\n3\n"))
        self.assertIn("line 3", answer.err)
        self.assertIn("the header names 2", answer.err)

    def test_a_value_that_does_not_fit_names_line_and_column(self):
        self.ok("import", self.store, "t", self.write("g.jsonl", self.good(1)), "--key", "id")
        answer = self.fails("usage", "import", self.store, "t", self.write("b.jsonl", self.good(3) + '{"id": 9, "n": "nine"}\n'))
        self.assertIn('line 4, column "n"', answer.err)
        self.assertIn("int64", answer.err)
        self.assertIn('line 1, column "id"', self.fails("usage", "import", self.store, "t", self.write("b.jsonl", '{"n": 1}\n')).err)

    def test_vectors_of_the_wrong_dimension_nan_or_infinity(self):
        schema = self.write("s.json", json.dumps({"name": "t", "columns": [{"name": "id", "type": "int64", "nullable": False},
                                                                          {"name": "v", "type": "vector", "dimension": 3}], "primary_key": ["id"]}))
        cases = {"[1,2]": "array of 3 numbers is wanted, found one of 2", "[1,2,1e39]": "element 3", "[1,2,null]": "element 3", '"x"': "array of 3"}
        for vector, said in cases.items():
            path = self.write("v.jsonl", '{"id": 1, "v": [1,2,3]}\n{"id": 2, "v": %s}\n' % vector)
            answer = self.fails("usage", "import", self.store, "t", path, "--schema", schema)
            self.assertIn('line 2, column "v"', answer.err)
            self.assertIn(said, answer.err)
        self.assertIn("line 1, column", self.fails("usage", "import", self.store, "t", self.write("v.jsonl", '{"id": 1, "v": [1,2,NaN]}\n'),
                                                   "--schema", schema).err)
        self.ok("import", self.store, "t", self.write("v.jsonl", '{"id": 1, "v": [1,2,3]}\n'), "--schema", schema)

    def test_an_unknown_column_is_named_with_the_known_ones(self):
        self.import_notes(3)
        for words in (["import", self.store, "notes", self.write("u.jsonl", '{"id": 1, "titel": "x"}\n')],
                      ["count", self.store, "notes", "--where", "titel = 'x'"],
                      ["search", self.store, "notes", "cats", "--where", "titel = 'x'"],
                      ["search", self.store, "notes", "cats", "--select", "titel"],
                      ["export", self.store, "notes", "-", "--output-format", "jsonl", "--select", "titel"]):
            answer = self.run_loam(*words)
            self.assertEqual(answer.code, 2, words)
            self.assertIn("titel", answer.err)
            self.assertIn("title", answer.err)
            self.assertIn("body", answer.err, words)
        answer = self.fails("usage", "import", self.store, "new", self.write("n.jsonl", '{"id": 1}\n'), "--key", "ids")
        self.assertIn("the file has: id", answer.err)

    def test_a_wrong_filter_has_its_position(self):
        self.import_notes(3)
        answer = self.fails("usage", "count", self.store, "notes", "--where", "year >")
        self.assertRegex(answer.err, r"1:\d+")

    def test_a_missing_store_is_not_made_by_commands_that_read(self):
        for words in (["tables"], ["stats"], ["check"], ["health"], ["compact"], ["describe", "t"], ["count", "t"], ["search", "t", "q"],
                      ["export", "t", "out.jsonl"], ["drop", "t", "--yes"], ["kv get", "n", "k"], ["kv list", "n"], ["kv delete", "n", "k"],
                      ["sql", "SELECT 1"], ["backup", "b"]):
            answer = self.fails("not_found", *words[0].split(), self.store, *words[1:])
            self.assertIn("app.loam", answer.err, words)
            self.assertFalse(os.path.exists(self.store), words)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), [])

    def test_a_foreign_directory_or_file_is_untouched(self):
        foreign = self.dir / "foreign"
        foreign.mkdir()
        (foreign / "precious.txt").write_text("mine")
        plain = pathlib.Path(self.write("plain.loam", "not a store"))
        for target in (foreign, plain):
            before = self.files_below(target)
            for words in (["tables", target], ["import", target, "t", self.write("g.jsonl", self.good(1))], ["kv", "set", target, "n", "k", "v"],
                          ["check", target], ["compact", target]):
                answer = self.run_loam(*words)
                self.assertNotEqual(answer.code, 0, words)
                self.assertIn(target.name, answer.err)
                self.assertEqual(self.files_below(target), before, words)

    def test_a_newer_store_is_untouched(self):
        self.import_notes(3)
        self.ok("compact", self.store)
        marker = self.make_newer()
        before = self.files_below(self.store)
        for words in (["tables", self.store], ["kv", "set", self.store, "n", "k", "v"], ["check", self.store]):
            answer = self.fails("failed", *words)
            self.assertIn("newer", answer.err, marker)
        after = self.files_below(self.store)
        self.assertEqual(before["loam.db"], after["loam.db"])

    def make_newer(self):
        """The store says that a later Loam has written it."""
        import sqlite3
        connection = sqlite3.connect(os.path.join(self.store, "loam.db"))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1000}")
        connection.commit()
        connection.close()
        return version

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_an_unreadable_store_or_file(self):
        self.import_notes(3)
        os.chmod(os.path.join(self.store, "loam.db"), 0)
        self.fails("permission", "tables", self.store)
        path = self.write("secret.jsonl", self.good(1))
        os.chmod(path, 0)
        self.fails("permission", "import", self.store, "t", path)

    def test_files_that_cannot_be_read(self):
        self.fails("not_found", "import", self.store, "t", "missing.jsonl")
        self.fails("usage", "import", self.store, "t", str(self.dir), "--input-format", "csv")
        self.fails("not_found", "verify-backup", "missing")
        self.assertFalse(os.path.exists(self.store))

    def test_another_embedder_or_key_than_the_tables_is_refused(self):
        self.import_notes(3)
        path = self.write_rows("n.jsonl", self.notes(3))
        answer = self.fails("failed", "import", self.store, "notes", path, "--embedder", "hash:128")
        self.assertIn("hash-64", answer.err)
        self.assertIn("hash-128", answer.err)
        self.assertIn("another key", self.fails("failed", "import", self.store, "notes", path, "--key", "title").err)
        self.assertEqual(self.ok("count", self.store, "notes").out, "3\n")

    def test_an_unknown_table_is_named_with_the_known_ones(self):
        self.import_notes(3)
        answer = self.fails("not_found", "count", self.store, "nots")
        self.assertIn("there are: notes", answer.err)
        self.assertIn("did you mean notes?", answer.err)

    def test_an_unknown_or_missing_embedder(self):
        path = self.write_rows("n.jsonl", self.notes(3))
        answer = self.fails("not_found", "import", self.store, "notes", path, "--embed", "body", "--embedder", "cohere:x")
        self.assertIn("hash:", answer.err)
        self.fails("usage", "import", self.store, "notes", path, "--embedder", "hash:64")
        self.assertFalse(os.path.exists(self.store))

    def test_a_damaged_database_is_corruption(self):
        self.import_notes(200)
        self.ok("compact", self.store)
        path = os.path.join(self.store, "loam.db")
        with open(path, "r+b") as database:
            database.seek(4096)
            database.write(os.urandom(8192))
        answer = self.run_loam("check", self.store)
        self.assertEqual(answer.code, EXIT["corruption"], answer.err)


if __name__ == "__main__":
    driver.main()
