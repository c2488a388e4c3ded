"""Every command, as scripts and people use it."""

import json
import os
import signal
import subprocess
import unittest

import driver
from driver import LoamTest


class Help(LoamTest):
    def commands(self):
        reference = self.ok("help", "--markdown").out
        return [line.removeprefix("### loam ") for line in reference.splitlines() if line.startswith("### loam ")]

    def test_every_command_explains_itself_with_two_examples(self):
        commands = self.commands()
        self.assertGreater(len(commands), 20)
        for command in commands:
            text = self.ok(*command.split(), "--help").out
            self.assertIn("Usage\n  loam " + command, text)
            examples = text.split("Examples\n")[1]
            self.assertGreaterEqual(sum(line.startswith("  ") and not line.startswith("      ") for line in examples.splitlines()), 2, command)
            self.assertEqual(text, self.ok("help", *command.split()).out)
            self.assertLess(len(self.ok(*command.split(), "-h").out), len(text), "-h is short")

    def test_overview_lists_every_command(self):
        overview = self.ok("help").out
        for command in self.commands():
            self.assertIn("  " + command + " ", overview)
        self.assertEqual(overview, self.ok().out)

    def test_an_unknown_command_or_option_suggests_the_nearest(self):
        self.assertIn("did you mean loam import?", self.fails("usage", "improt", "a", "b").err)
        self.assertIn("did you mean loam kv list?", self.fails("usage", "kv", "lst", "a").err)
        self.assertIn("did you mean --limit?", self.fails("usage", "search", "a", "b", "c", "--limti", "3").err)
        self.assertIn("did you mean hybrid?", self.fails("usage", "search", "a", "b", "c", "--mode", "hybird").err)

    def test_options_stand_anywhere(self):
        self.import_notes(3)
        for words in (["--format", "json", "count", self.store, "notes"], ["count", "--format=json", self.store, "notes"],
                      ["count", self.store, "notes", "--format", "json"]):
            self.assertEqual(self.ok(*words).json(), {"count": 3})

    def test_version(self):
        self.assertRegex(self.ok("version").out, r"^loam \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("--version").out, self.ok("version").out)
        self.assertIn("hash", self.ok("version", "--format", "json").json()["schemes"])

    def test_completion_scripts_are_well_formed(self):
        script = self.ok("completion", "bash").out
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)
        complete = script + "\nCOMP_WORDS=(loam {words}); COMP_CWORD={at}; _loam; echo \"${{COMPREPLY[*]}}\"\n".replace("{{", "{").replace("}}", "}")

        def completed(*words):
            text = complete.replace("{words}", " ".join(f'"{w}"' for w in words)).replace("{at}", str(len(words)))
            return subprocess.run(["bash"], input=text.encode(), capture_output=True, check=True).stdout.decode().split()

        self.assertEqual(completed("imp"), ["import"])
        self.assertEqual(completed("kv", "li"), ["list"])
        self.assertEqual(completed("search", "--mode", "h"), ["hybrid"])
        self.assertIn("--explain", completed("search", "--ex"))
        self.assertIn("complete -c loam", self.ok("completion", "fish").out)
        self.assertIn("#compdef loam", self.ok("completion", "zsh").out)
        self.fails("usage", "completion", "tcsh")


class Tables(LoamTest):
    def test_import_tables_describe_count(self):
        summary = self.import_notes(20)
        self.assertIn("imported 20 rows into notes", summary.err)
        self.assertIn("rows/s", summary.err)
        self.assertEqual(summary.out, "")
        [table] = self.ok("tables", self.store, "--format", "json").json()
        self.assertEqual((table["name"], table["rows"], table["key"], table["text"], table["embedded"], table["embedder"]),
                         ("notes", 20, "id", "title,body", "body", "hash:64"))
        schema = self.ok("describe", self.store, "notes", "--format", "json").json()
        self.assertEqual(schema["name"], "notes")
        self.assertEqual(self.ok("count", self.store, "notes").out, "20\n")
        self.assertEqual(self.ok("count", self.store, "notes", "--where", "year >= 2015").out, "5\n")

    def test_import_answers_programs_with_one_object(self):
        path = self.write_rows("n.jsonl", self.notes(5))
        answer = self.ok("import", self.store, "n", path, "--key", "id", "--format", "json")
        summary = answer.json()
        self.assertEqual((summary["rows"], summary["inserted"], summary["replaced"], summary["rejected"]), (5, 5, 0, 0))
        again = self.ok("import", self.store, "n", path, "--key", "id", "--format", "json", "--quiet")
        self.assertEqual((again.json()["inserted"], again.json()["replaced"]), (0, 5))
        self.assertEqual(again.err, "")

    def test_on_duplicate(self):
        first = self.write_rows("a.jsonl", [{"id": 1, "v": "old"}])
        second = self.write_rows("b.jsonl", [{"id": 1, "v": "new"}, {"id": 2, "v": "other"}])
        self.ok("import", self.store, "t", first, "--key", "id")
        value = lambda: self.ok("sql", self.store, "SELECT v FROM t WHERE id = 1", "--format", "json").json()[0]["v"]
        self.ok("import", self.store, "t", second, "--on-duplicate", "skip")
        self.assertEqual(value(), "old")
        answer = self.fails("conflict", "import", self.store, "t", first, "--on-duplicate", "error")
        self.assertIn("line", answer.err)
        self.ok("import", self.store, "t", second)
        self.assertEqual(value(), "new")

    def test_import_from_standard_input_in_both_formats(self):
        self.ok("import", self.store, "a", "-", "--input-format", "jsonl", stdin=b'{"x":1}\n{"x":2}')
        self.ok("import", self.store, "b", "-", "--input-format", "csv", stdin=b"x,y\n1,\"a,b\"\n2,\n")
        self.assertEqual(self.ok("sql", self.store, "SELECT x, y FROM b ORDER BY x", "--format", "json").json(),
                         [{"x": 1, "y": "a,b"}, {"x": 2, "y": None}])
        self.assertIn("--input-format", self.fails("usage", "import", self.store, "c", "-", stdin=b"{}").err)

    def test_types_are_inferred_and_widened(self):
        rows = [{"a": 1, "b": 1, "c": True, "d": {"k": [1]}, "e": None}, {"a": 2.5, "b": "x", "c": False, "d": [], "e": None}]
        self.ok("import", self.store, "t", self.write_rows("t.jsonl", rows))
        columns = {c["name"]: c["type"] for c in self.ok("describe", self.store, "t", "--format", "json").json()["columns"]}
        self.assertEqual(columns, {"a": "double", "b": "string", "c": "bool", "d": "json", "e": "string"})

    def test_a_schema_from_describe_makes_the_same_table(self):
        self.import_notes(3)
        schema = self.ok("describe", self.store, "notes", "--format", "json")
        path = self.write("s.json", schema.out)
        rows = self.write_rows("n.jsonl", self.notes(3))
        self.ok("import", self.store, "copy", rows, "--schema", path)
        copy = self.ok("describe", self.store, "copy", "--format", "json").json()
        copy["name"] = "notes"
        self.assertEqual(copy, schema.json())

    def test_drop_asks_and_needs_yes_without_a_terminal(self):
        self.import_notes(3)
        self.assertIn("--yes", self.fails("usage", "drop", self.store, "notes").err)
        code, shown = self.on_terminal("drop", self.store, "notes", answer=b"n\n")
        self.assertEqual(code, 130)
        self.assertIn("3 rows", shown)
        self.assertEqual(self.ok("count", self.store, "notes").out, "3\n")
        self.ok("drop", self.store, "notes", "--yes")
        self.assertEqual(self.ok("tables", self.store, "--format", "json").json(), [])

    def test_sql_reads_unless_write_is_given(self):
        self.import_notes(3)
        refused = self.fails("failed", "sql", self.store, "DELETE FROM notes")
        self.assertIn("--write", refused.err)
        self.assertEqual(self.ok("count", self.store, "notes").out, "3\n")
        self.assertEqual(self.ok("sql", self.store, "-", "--format", "csv", stdin=b"SELECT id FROM notes ORDER BY id").out, "id\n0\n1\n2\n")
        self.assertEqual(self.ok("sql", self.store, "SELECT id FROM notes", "--limit", "1", "--format", "json").json(), [{"id": 0}])
        changed = self.ok("sql", self.store, "CREATE TABLE plain(x INTEGER)", "--write")
        changed = self.ok("sql", self.store, "INSERT INTO plain VALUES (1), (2)", "--write", "--format", "json")
        self.assertEqual(changed.json(), {"rows_affected": 2})
        self.fails("usage", "sql", self.store, "SELEKT")
        self.fails("usage", "sql", self.store, "  ")


class RoundTrip(LoamTest):
    ROWS = [
        {"id": 1, "s": "plain", "n": 1.0, "i": 9007199254740993, "b": True, "j": {"k": [1, "ü", None]}, "o": None},
        {"id": 2, "s": "", "n": 0.1, "i": None, "b": False, "j": [], "o": None},
        {"id": 3, "s": 'quo"te, comma\nnewline\r\ncrlf\ttab', "n": -1e300, "i": -1, "b": None, "j": None, "o": None},
        {"id": 4, "s": "日本語 \U0001f600 é", "n": None, "i": 0, "b": True, "j": "text", "o": None},
        {"id": 5, "s": " spaces ", "n": 5e-324, "i": 9223372036854775807, "b": True, "j": 1.50, "o": None},
        {"id": 6, "s": None, "n": 3.0, "i": 7, "b": False, "j": {"a": "x\ny"}, "o": None},
    ]

    def round_trip(self, name):
        source = self.write_rows("source.jsonl", self.ROWS)
        self.ok("import", self.store, "a", source, "--key", "id")
        out = str(self.dir / name)
        self.ok("export", self.store, "a", out)
        schema = self.write("s.json", self.ok("describe", self.store, "a", "--format", "json").out)
        self.ok("import", self.store, "b", out, "--schema", schema)
        rows = lambda table: self.ok("export", self.store, table, "-", "--output-format", "jsonl").out
        self.assertEqual(rows("a"), rows("b"))
        self.assertEqual([json.loads(line) for line in rows("a").splitlines()], self.ROWS)

    def test_jsonl(self):
        self.round_trip("out.jsonl")

    def test_csv(self):
        self.round_trip("out.csv")

    def test_tsv(self):
        self.round_trip("out.tsv")

    def test_vectors_go_along_when_asked(self):
        self.import_notes(3)
        out = str(self.dir / "v.jsonl")
        self.ok("export", self.store, "notes", out, "--vectors")
        rows = [json.loads(line) for line in open(out)]
        self.assertEqual(len(rows[0]["embedding"]), 64)
        refused = self.fails("usage", "import", self.store, "notes", out)
        self.assertIn("--ignore embedding", refused.err)
        self.ok("import", self.store, "notes", out, "--ignore", "embedding")

    def test_export_filters_limits_and_never_overwrites_unasked(self):
        self.import_notes(20)
        out = str(self.dir / "part.jsonl")
        self.ok("export", self.store, "notes", out, "--where", "year > 2010", "--select", "id", "--limit", "2")
        self.assertEqual([json.loads(line) for line in open(out)], [{"id": 11}, {"id": 12}])
        self.fails("conflict", "export", self.store, "notes", out)
        self.assertEqual(len(open(out).readlines()), 2)
        self.ok("export", self.store, "notes", out, "--overwrite")
        self.assertEqual(len(open(out).readlines()), 20)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir() if "partial" in p.name), [])


class Search(LoamTest):
    def test_three_modes_find_the_row(self):
        self.import_notes(20)
        for mode in ("vector", "text", "hybrid"):
            answer = self.ok("search", self.store, "notes", "sqlite database", "--mode", mode, "--limit", "3", "--format", "json").json()
            self.assertEqual(answer["mode"], mode)
            self.assertEqual(len(answer["rows"]), 3)
            self.assertEqual(answer["rows"][0]["body"], "sqlite is a database", mode)
            scores = [row["_score"] for row in answer["rows"]]
            self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertIn("_distance", self.ok("search", self.store, "notes", "cats", "--mode", "vector", "--format", "json").json()["rows"][0])

    def test_where_select_offset_threshold(self):
        self.import_notes(20)
        search = lambda *words: self.ok("search", self.store, "notes", "cats sleep", "--mode", "vector", "--format", "jsonl", *words).lines()
        self.assertEqual({row["year"] for row in search("--where", "year IN (2003, 2005)", "--select", "year")}, {2003, 2005})
        first, second = search("--limit", "2"), search("--limit", "1", "--offset", "1")
        self.assertEqual(second, first[1:])
        self.assertEqual(search("--threshold", "0.99", "--limit", "50"), [r for r in search("--limit", "20") if r["_score"] >= 0.99])

    def test_explain_goes_beside_the_rows(self):
        self.import_notes(20)
        answer = self.ok("search", self.store, "notes", "cats", "--explain", "--where", "year > 2003", "--format", "json").json()
        self.assertEqual(answer["explain"]["mode"], "hybrid")
        self.assertTrue(answer["explain"]["vector_plan"])
        self.assertTrue(answer["explain"]["timings_ms"])
        jsonl = self.ok("search", self.store, "notes", "cats", "--explain", "--format", "jsonl")
        self.assertIn("hybrid", jsonl.err)
        self.assertTrue(all("_score" in row for row in jsonl.lines()))

    def test_vector_and_fusion_options(self):
        self.import_notes(20)
        vector = "[" + ",".join(["0.1"] * 64) + "]"
        rows = self.ok("search", self.store, "notes", "--vector", vector, "--mode", "vector", "--format", "jsonl").lines()
        self.assertEqual(len(rows), 10)
        path = self.write("q.json", vector)
        self.assertEqual(rows, self.ok("search", self.store, "notes", "--vector", "@" + path, "--mode", "vector", "--format", "jsonl").lines())
        explain = self.ok("search", self.store, "notes", "cats", "--fusion", "weighted:0.7,0.3", "--explain", "--format", "json").json()["explain"]
        self.assertIn("weighted", explain["fusion"])
        for bad in ("rrf:0", "weighted:1", "best", "weighted:0,0"):
            self.fails("usage", "search", self.store, "notes", "cats", "--fusion", bad)
        self.assertIn("64", self.fails("usage", "search", self.store, "notes", "--vector", "[1,2]", "--mode", "vector").err)


class KeyValue(LoamTest):
    def test_set_get_delete(self):
        self.ok("kv", "set", self.store, "n", "user/1", "ada")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "user/1").out, "ada")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "user/1", "--format", "json").json(), {"key": "user/1", "value": "ada"})
        self.ok("kv", "delete", self.store, "n", "user/1")
        self.fails("not_found", "kv", "get", self.store, "n", "user/1")
        self.fails("not_found", "kv", "delete", self.store, "n", "user/1")

    def test_values_that_look_like_options_or_lists(self):
        for value in ("-5", "[1,2]", "{}", "", "a=b", "%%"):
            self.ok("kv", "set", self.store, "n", "k", value)
            self.assertEqual(self.ok("kv", "get", self.store, "n", "k").out, value)
        self.ok("kv", "set", self.store, "n", "--", "--key", "--value")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "--", "--key").out, "--value")

    def test_binary_by_file_and_hex(self):
        blob = bytes(range(256)) * 40
        self.ok("kv", "set", self.store, "n", "blob", "--file", self.write("blob", blob))
        self.assertEqual(self.ok("kv", "get", self.store, "n", "blob", text=False).out, blob)
        self.ok("kv", "get", self.store, "n", "blob", "--file", "copy")
        self.assertEqual((self.dir / "copy").read_bytes(), blob)
        self.ok("kv", "set", self.store, "n", "00ff", "fe00", "--hex")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "00ff", "--hex").out, "fe00\n")
        entries = self.ok("kv", "list", self.store, "n", "--format", "jsonl").lines()
        self.assertEqual((entries[0]["key_hex"], entries[0]["value_hex"]), ("00ff", "fe00"))
        self.ok("kv", "set", self.store, "n", "piped", "--file", "-", stdin=b"from a pipe")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "piped").out, "from a pipe")
        self.fails("usage", "kv", "set", self.store, "n", "zz", "00", "--hex")
        self.fails("usage", "kv", "set", self.store, "n", "k")
        self.fails("usage", "kv", "set", self.store, "n", "k", "v", "--file", "blob")

    def test_list_is_in_order_and_complete(self):
        for key in ("b", "a", "a/2", "a/1", "c"):
            self.ok("kv", "set", self.store, "n", key, key.upper())
        keys = lambda *words: [e["key"] for e in self.ok("kv", "list", self.store, "n", *words, "--format", "jsonl").lines()]
        self.assertEqual(keys(), ["a", "a/1", "a/2", "b", "c"])
        self.assertEqual(keys("a/"), ["a/1", "a/2"])
        self.assertEqual(keys("--limit", "2"), ["a", "a/1"])
        self.assertNotIn("value", self.ok("kv", "list", self.store, "n", "--keys-only", "--format", "json").json()[0])
        self.assertEqual(self.ok("kv", "list", self.store, "n", "b", "--format", "csv").out, "key,value,expires_at\nb,B,\n")
        self.assertEqual(self.ok("kv", "list", self.store, "other", "--format", "json").json(), [])

    def test_time_to_live(self):
        self.ok("kv", "set", self.store, "n", "long", "v", "--ttl", "1h")
        self.assertRegex(self.ok("kv", "list", self.store, "n", "--format", "json").json()[0]["expires_at"], r"^\d{4}-.*Z$")
        self.fails("usage", "kv", "set", self.store, "n", "k", "v", "--ttl", "0")
        self.fails("usage", "kv", "set", self.store, "n", "k", "v", "--ttl", "soon")

    def test_compare_and_set(self):
        self.ok("kv", "cas", self.store, "n", "leader", "one", "--absent")
        answer = self.run_loam("kv", "cas", self.store, "n", "leader", "two", "--absent", "--format", "json")
        self.assertEqual(answer.code, 4)
        self.assertEqual(answer.json(), {"applied": False, "actual": "one"})
        self.assertEqual(answer.error()["code"], "conflict")
        self.ok("kv", "cas", self.store, "n", "leader", "one", "two")
        self.assertEqual(self.ok("kv", "get", self.store, "n", "leader").out, "two")
        self.fails("conflict", "kv", "cas", self.store, "n", "leader", "one", "three")
        self.ok("kv", "cas", self.store, "n", "leader", "two", "--delete")
        self.fails("not_found", "kv", "get", self.store, "n", "leader")
        self.fails("usage", "kv", "cas", self.store, "n", "leader", "one")


class StoreLife(LoamTest):
    def test_stats_health_check_compact(self):
        self.import_notes(10)
        self.ok("kv", "set", self.store, "n", "k", "v")
        stats = self.ok("stats", self.store, "--format", "json").json()
        self.assertEqual(stats["tables"], [{"name": "notes", "rows": 10, "vectors": 10}])
        self.assertEqual(stats["kv_entries"], 1)
        self.assertEqual(self.ok("health", self.store, "--format", "json").json()["status"], "healthy")
        self.assertEqual(self.ok("health", "hash:64", "--format", "json").json()["port"], "embedder")
        self.fails("usage", "health", "hash:1")
        check = self.ok("check", self.store, "--format", "json").json()
        self.assertEqual((check["ok"], check["problems"]), (True, []))
        self.assertGreaterEqual(check["rows_checked"], 10)
        self.assertIn("all is well", self.ok("check", self.store).err)
        self.assertIn("bytes_after", self.ok("compact", self.store, "--format", "json").json())

    def test_upgrade_lists_the_migrations_and_applies_none_twice(self):
        self.ok("kv", "set", self.store, "n", "k", "v")
        applied = self.ok("upgrade", self.store, "--format", "json").json()
        self.assertEqual({row["component"] for row in applied}, {"kv", "tables"})
        self.assertFalse(any(row["new"] for row in applied))
        self.fails("not_found", "upgrade", self.store + "-that-is-not-there")

    def test_backup_verify_restore(self):
        self.import_notes(10)
        backup = str(self.dir / "backup")
        self.assertGreater(self.ok("backup", self.store, backup, "--format", "json").json()["bytes"], 0)
        self.fails("conflict", "backup", self.store, backup)
        self.ok("verify-backup", backup)
        restored = str(self.dir / "restored.loam")
        self.ok("restore", backup, restored)
        self.assertEqual(self.ok("count", restored, "notes").out, "10\n")
        self.fails("conflict", "restore", backup, restored)
        self.ok("restore", backup, restored, "--replace")
        self.assertEqual(self.ok("count", restored, "notes").out, "10\n")

    def test_a_changed_byte_of_a_backup_is_found(self):
        self.import_notes(10)
        backup = self.dir / "backup"
        self.ok("backup", self.store, backup)
        victim = max((p for p in backup.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.chmod(0o600)
        victim.write_bytes(data)
        self.fails("corruption", "verify-backup", backup)
        target = str(self.dir / "restored.loam")
        self.fails("corruption", "restore", backup, target)
        self.assertFalse(os.path.exists(target))


class Demo(LoamTest):
    def test_the_tour_of_a_few_hundred_records(self):
        answer = self.ok("demo", "--records", "400", "--dir", str(self.dir / "tour"), "--quiet")
        for said in ("Import", "Search", "One transaction", "Kill -9", "the backup of", "How fast".lower()):
            self.assertIn(said.lower(), answer.out.lower())
        self.assertNotIn("\x1b", answer.out)
        self.assertFalse((self.dir / "tour").exists())

    def test_keep_leaves_a_store_that_answers(self):
        steps = self.ok("demo", "--records", "300", "--dir", str(self.dir / "tour"), "--keep", "--format", "json").json()
        self.assertIn("seconds", steps[0])
        self.assertGreaterEqual(int(self.ok("count", str(self.dir / "tour" / "app.loam"), "packages").out), 20)

    def test_a_directory_in_use_is_left_alone(self):
        (self.dir / "tour").mkdir()
        self.write("tour/mine", "precious")
        self.fails("conflict", "demo", "--dir", str(self.dir / "tour"))
        self.assertEqual((self.dir / "tour" / "mine").read_text(), "precious")


if __name__ == "__main__":
    driver.main()
