#include <algorithm>

#include "apps/loam/command.hpp"
#include "apps/loam/handlers.hpp"

namespace loam::cli {
namespace {

constexpr ArgumentSpec store{"STORE", "a store: directory (app.loam) or URL (postgresql://..)", Completes::directory};
constexpr ArgumentSpec table{"TABLE", "a table of the store"};
constexpr ArgumentSpec name_space{"NAMESPACE", "a namespace of keys"};
constexpr ArgumentSpec key{"KEY", "the key"};
constexpr OptionSpec where{"--where", "EXPR", "only rows that match, such as \"size > 10 AND section = 'net'\""};
constexpr OptionSpec select{"--select", "COLS", "these columns only: A,B"};
constexpr OptionSpec limit{"--limit", "N", "at most N rows; all of them otherwise"};
constexpr OptionSpec hex{"--hex", "", "keys and values are hexadecimal: for those that are not text"};
constexpr OptionSpec time_to_live{"--ttl", "TIME", "the entry is gone after 30s, 5m, 1h"};
constexpr OptionSpec yes{"--yes", "", "do not ask"};

CommandSpec demo_command() {
  return {
      .path = "demo",
      .summary = "Show what Loam does, on this machine's own package catalogue",
      .options = {{"--dir", "DIR", "work in DIR, which must not exist or be empty; else in a temporary one", "",
                   Completes::directory},
                  {"--keep", "", "keep the directory and say where it is"},
                  {"--records", "N", "import N records at most"}},
      .examples = {{"loam demo", "the whole tour, about half a minute"},
                   {"loam demo --dir /tmp/tour --keep", "and leave the store to look around in"}},
      .details =
          "Reads the package lists of apt, else /var/lib/dpkg/status, else the text files below the current directory.\n"
          "Imports them into a table with embeddings and full text, searches it in three modes, writes a key and rows in\n"
          "one transaction, kills a writer in the middle of one, reopens, checks, backs up and verifies.",
      .handler = run_demo};
}

CommandSpec import_command() {
  return {
      .path = "import",
      .summary = "Add the rows of a JSONL or CSV file to a table, which is made when it is not there",
      .arguments = {{"STORE", "a store; made when it is not there", Completes::directory},
                    table,
                    {"FILE", "a .jsonl, .ndjson, .csv or .tsv file, or - for standard input", Completes::file}},
      .options = {{"--key", "COLS", "the columns that make a row the same row: A,B"},
                  {"--embed", "COLS", "the text columns whose embedding is computed and searched by vector"},
                  {"--embedder", "SPEC", "hash:384 (default), or openai:URL#MODEL with the key in OPENAI_API_KEY"},
                  {"--text", "COLS", "the text columns with a full-text index"},
                  {"--on-duplicate", "WHAT", "a row whose key is there already; replace unless the table has no key",
                   "replace|skip|error"},
                  {"--on-error", "WHAT", "a malformed or unfitting line: stop (default), or leave it out and count it",
                   "stop|skip"},
                  {"--schema", "S.json", "the columns and their types, as loam describe --format json prints them", "",
                   Completes::file},
                  {"--input-format", "FORMAT", "when the name of the file does not say it", "jsonl|csv"},
                  {"--delimiter", "C", "of CSV: one character, or tab"},
                  {"--ignore", "COLS", "fields of the file that are not imported"},
                  {"--infer", "N", "records that the types of a new table are taken from (1000)"},
                  {"--batch", "N", "rows of one transaction (2000)"}},
      .examples = {{"loam import app.loam notes notes.jsonl --key id --embed body --text title,body",
                    "rows that vector, text and hybrid search find"},
                   {"zcat log.csv.gz | loam import app.loam log - --input-format csv", "from a pipe, in constant memory"}},
      .details =
          "Rows are stored in the order of the file, --batch rows in each transaction. After Ctrl-C or an error the batches "
          "that\n"
          "were committed stay and nothing of the one at work does; with --key the same command goes on without "
          "duplicates.\n"
          "A new table takes its types from the first --infer records: int64 widens to double, every other mixture to "
          "string,\n"
          "objects and arrays become json, a column without a value string. --schema says them instead.",
      .handler = run_import};
}

CommandSpec export_command() {
  return {
      .path = "export",
      .summary = "Write the rows of a table to a JSONL or CSV file that import reads back",
      .arguments = {store, table, {"FILE", "a new .jsonl, .csv or .tsv file, or - for standard output", Completes::file}},
      .options = {where,
                  select,
                  limit,
                  {"--vectors", "", "vector columns too; import --ignore leaves computed ones out again"},
                  {"--output-format", "FORMAT", "when the name of the file does not say it", "jsonl|csv"},
                  {"--overwrite", "", "replace FILE, once the new one is complete"}},
      .examples = {{"loam export app.loam notes notes.jsonl", "every row, in the order of insertion"},
                   {"loam export app.loam notes - --output-format csv --where \"year >= 2020\" | head", "through a pipe"}},
      .handler = run_export};
}

CommandSpec search_command() {
  return {
      .path = "search",
      .summary = "Find rows by meaning, by words, or by both",
      .arguments = {store, table, {"QUERY", "what to look for; may be left out with --vector", Completes::nothing, true}},
      .options = {{"--mode", "MODE", "auto: hybrid when the table has text and an embedding, else the one it has",
                   "auto|hybrid|vector|text"},
                  where,
                  select,
                  {"--limit", "N", "rows (10)"},
                  {"--offset", "N", "rows to pass over first"},
                  {"--threshold", "X", "leave out rows with a lower score"},
                  {"--match", "WHICH", "words a row must hold; auto: all, or any when too few rows hold all",
                   "auto|all|any"},
                  {"--vector", "[..]", "a query vector of your own, or @FILE with a JSON array", "", Completes::file},
                  {"--candidates", "N", "rows of each list that a hybrid search puts together"},
                  {"--fusion", "HOW", "of hybrid search: rrf, rrf:K, or weighted:V,T (shares of vector and text)"},
                  {"--explain", "", "what the search did, and how long each step took"}},
      .examples = {{"loam search app.loam notes \"how cats sleep\" --limit 3", "the three best rows"},
                   {"loam search app.loam notes feline --mode vector --where \"year > 2020\" --explain",
                    "by meaning alone, filtered"}},
      .details =
          "Each row comes with _score (higher is better), and with _distance or _text_score where it was found by vector or "
          "text.",
      .handler = run_search};
}

std::vector<CommandSpec> table_commands() {
  return {{.path = "tables",
           .summary = "List the tables of a store",
           .arguments = {store},
           .examples = {{"loam tables app.loam", "names, rows, keys and embedders"},
                        {"loam tables app.loam --format jsonl", "one object for each table"}},
           .handler = run_tables},
          {.path = "describe",
           .summary = "Show the columns of a table and how it is searched",
           .arguments = {store, table},
           .examples = {{"loam describe app.loam notes", "columns, types, key, embedding"},
                        {"loam describe app.loam notes --format json > notes.schema.json", "a schema for import --schema"}},
           .handler = run_describe},
          {.path = "count",
           .summary = "Count the rows of a table",
           .arguments = {store, table},
           .options = {where},
           .examples = {{"loam count app.loam notes", "one number"},
                        {"loam count app.loam notes --where \"author IS NULL\"", "of the rows that match"}},
           .handler = run_count},
          {.path = "drop",
           .summary = "Remove a table with its rows and indexes",
           .arguments = {store, table},
           .options = {yes},
           .examples = {{"loam drop app.loam notes", "asks first"}, {"loam drop app.loam notes --yes", "for scripts"}},
           .handler = run_drop},
          {.path = "sql",
           .summary = "Run one SQL statement, reading only unless --write is given",
           .arguments = {store, {"STATEMENT", "the statement, or - for standard input"}},
           .options = {{"--write", "", "let the statement change data"}, limit},
           .examples = {{"loam sql app.loam \"SELECT section, count(*) FROM packages GROUP BY 1 ORDER BY 2 DESC\" --limit 5",
                         "any question that SQL can ask"},
                        {"loam sql app.loam \"UPDATE notes SET done = 1 WHERE id = 7\" --write", "a change"}},
           .handler = run_sql}};
}

std::vector<CommandSpec> kv_commands() {
  return {
      {.path = "kv get",
       .summary = "Print the value of a key, byte for byte",
       .arguments = {store, name_space, key},
       .options = {hex, {"--file", "F", "write the value to this file instead", "", Completes::file}},
       .examples = {{"loam kv get app.loam sessions user/42", "exit code 3 when there is none"},
                    {"loam kv get app.loam blobs logo --file logo.png", "a binary value"}},
       .handler = run_kv_get},
      {.path = "kv set",
       .summary = "Set a key to a value",
       .arguments = {{"STORE", "a store; made when it is not there", Completes::directory},
                     name_space,
                     key,
                     {"VALUE", "the value; left out with --file", Completes::nothing, true}},
       .options = {time_to_live,
                   hex,
                   {"--file", "F", "the value is the content of this file, or - for standard input", "", Completes::file}},
       .examples = {{"loam kv set app.loam sessions user/42 ada --ttl 1h", "gone after an hour"},
                    {"loam kv set app.loam blobs logo --file logo.png", "a binary value"}},
       .handler = run_kv_set},
      {.path = "kv delete",
       .summary = "Remove a key",
       .arguments = {store, name_space, key},
       .options = {hex},
       .examples = {{"loam kv delete app.loam sessions user/42", "exit code 3 when there is none"},
                    {"loam kv delete app.loam blobs 00ff --hex", "a key that is not text"}},
       .handler = run_kv_delete},
      {.path = "kv list",
       .summary = "List the entries of a namespace in the order of their keys",
       .arguments = {store, name_space, {"PREFIX", "only keys that begin with it", Completes::nothing, true}},
       .options = {limit, {"--keys-only", "", "without the values"}, hex},
       .examples = {{"loam kv list app.loam sessions user/", "keys, values and when they expire"},
                    {"loam kv list app.loam sessions --keys-only --format jsonl", "all keys, for a program"}},
       .details = "Bytes that are not text are shown as \\x and hexadecimal in tables and CSV, and as key_hex or value_hex "
                  "in JSON.",
       .handler = run_kv_list},
      {.path = "kv cas",
       .summary = "Set a key to a new value if it still holds the expected one",
       .arguments = {{"STORE", "a store; made when it is not there", Completes::directory},
                     name_space,
                     key,
                     {"EXPECTED", "the value it must hold; with --absent: the new value"},
                     {"NEW", "the new value; left out with --absent or --delete", Completes::nothing, true}},
       .options = {{"--absent", "", "expect that the key is not there"},
                   {"--delete", "", "remove the key instead of setting it"},
                   time_to_live,
                   hex},
       .examples = {{"loam kv cas app.loam locks leader node-1 node-2", "exit code 4 when another value is there"},
                    {"loam kv cas app.loam locks leader node-1 --absent", "only if nobody else has it"}},
       .handler = run_kv_cas}};
}

std::vector<CommandSpec> store_commands() {
  return {{.path = "stats",
           .summary = "Show the size and content of a store",
           .arguments = {store},
           .examples = {{"loam stats app.loam", "for people"}, {"loam stats app.loam --format json", "for programs"}},
           .handler = run_stats},
          {.path = "health",
           .summary = "Ask a store, database, key-value store or embedder whether it is well",
           .arguments = {{"URL", "a store, or sqlite:, lmdb:, postgresql:, hash:, openai: ..", Completes::directory}},
           .examples = {{"loam health app.loam", "exit code 6 when it is not"},
                        {"loam health postgresql://app@db1/app", "a server"}},
           .handler = run_health},
          {.path = "check",
           .summary = "Read every row and every index and say what does not agree",
           .arguments = {store},
           .examples = {{"loam check app.loam", "exit code 5 when something is wrong"},
                        {"loam check app.loam --format jsonl", "one object for each problem"}},
           .handler = run_check},
          {.path = "compact",
           .summary = "Give unused space back to the file system",
           .arguments = {store},
           .examples = {{"loam compact app.loam", "after many deletions"},
                        {"loam compact app.loam --deadline 10m", "with an end"}},
           .handler = run_compact},
          {.path = "upgrade",
           .summary = "Bring the schema of a store to this version, and list the migrations it has had",
           .arguments = {store},
           .examples = {{"loam upgrade app.loam", "what every command that writes does by itself"},
                        {"loam upgrade postgresql://app@db1/app --format json", "before the programs are started"}},
           .details = "Each migration is applied in one transaction. A store of a newer version is refused and not touched.",
           .handler = run_upgrade},
          {.path = "backup",
           .summary = "Copy a store to a new directory while it is in use",
           .arguments = {store, {"DIR", "absent or empty", Completes::directory}},
           .examples = {{"loam backup app.loam backups/monday", "consistent, with a hash of every file"},
                        {"loam backup app.loam /mnt/backup/app --format json", "and say what was copied"}},
           .handler = run_backup},
          {.path = "verify-backup",
           .summary = "Read every byte of a backup and compare it with its manifest",
           .arguments = {{"DIR", "a backup", Completes::directory}},
           .examples = {{"loam verify-backup backups/monday", "exit code 5 when a byte has changed"},
                        {"loam verify-backup backups/monday --quiet", "for a cron job"}},
           .handler = run_verify_backup},
          {.path = "restore",
           .summary = "Make a store from a backup, which stays as it is",
           .arguments = {{"DIR", "a backup", Completes::directory}, {"STORE", "where to put it", Completes::directory}},
           .options = {{"--replace", "", "put it in place of the store that is there, which is kept beside it"}},
           .examples = {{"loam restore backups/monday app.loam", "verified before it is put in place"},
                        {"loam restore backups/monday app.loam --replace",
                         "the former store is kept as app.loam.before-restore-.."}},
           .handler = run_restore}};
}

std::vector<CommandSpec> own_commands() {
  return {
      {.path = "completion",
       .summary = "Print the completion script of a shell",
       .arguments = {{"SHELL", "bash, zsh or fish"}},
       .examples = {{"source <(loam completion bash)", "for this shell"},
                    {"loam completion fish > ~/.config/fish/completions/loam.fish", "for every one"}},
       .handler = run_completion},
      {.path = "help",
       .summary = "Explain a command",
       .arguments = {{"COMMAND", "such as import, or kv", Completes::nothing, true},
                     {"VERB", "such as get", Completes::nothing, true}},
       .options = {{"--markdown", "", "the reference of all commands, as docs/cli.md has it"}},
       .examples = {{"loam help import", "arguments, options, examples"}, {"loam help kv get", "of one command of a group"}},
       .handler = run_help},
      {.path = "version",
       .summary = "Print the version of Loam",
       .examples = {{"loam version", "one line"},
                    {"loam version --format json", "with the URL schemes that this build opens"}},
       .handler = run_version},
      {.path = "demo-writer",
       .summary = "The process that the demo kills",
       .arguments = {store},
       .handler = run_demo_writer,
       .hidden = true}};
}

std::vector<CommandSpec> make_commands() {
  std::vector<CommandSpec> all = {demo_command(), import_command(), export_command(), search_command()};
  for (auto& group : {table_commands(), kv_commands(), store_commands(), own_commands()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace

std::span<const CommandSpec> commands() {
  static const std::vector<CommandSpec> all = make_commands();
  return all;
}

std::span<const OptionSpec> global_options() {
  static const std::vector<OptionSpec> all = {
      {"--format", "FORMAT", "table on a terminal, else json; json: one document, jsonl: one object a line",
       "table|json|jsonl|csv"},
      {"--color", "WHEN", "auto minds NO_COLOR, FORCE_COLOR and the terminal", "auto|always|never"},
      {"--progress", "HOW", "auto: a bar on a terminal, a line each 10 s elsewhere", "auto|json|off"},
      {"--deadline", "TIME", "give up after 30s, 500ms, 5m"},
      {"--quiet", "", "only errors on standard error", "", Completes::nothing, 'q'},
      {"--help", "", "explain the command, with examples; -h is short"},
      {"--version", "", "print the version"}};
  return all;
}

const CommandSpec* find_command(std::string_view path) {
  auto all = commands();
  auto found = std::find_if(all.begin(), all.end(), [&](const CommandSpec& command) { return command.path == path; });
  return found == all.end() ? nullptr : &*found;
}

bool is_group(std::string_view word) {
  std::string prefix = std::string(word) + " ";
  auto all = commands();
  return std::any_of(all.begin(), all.end(), [&](const CommandSpec& command) { return command.path.starts_with(prefix); });
}

}  // namespace loam::cli
