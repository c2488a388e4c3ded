#!/usr/bin/env python3
"""Makes the vectors of the benchmark on this machine: from real text, plus two labelled synthetic sets, with exact answers.

    make_data.py --out build/bench-data [SET ..]      (without SET: all of them; sets that are done are kept)

Real text becomes vectors by latent semantic analysis: TF-IDF over words and the parts of identifiers, reduced by a truncated
SVD that was fitted on chunks which are neither in the base nor among the queries (but for packages, which are few: there the
base itself). No model has to be downloaded, the spectrum is that of real text, and there are real duplicates (licence
headers, generated tables). What it is not: the output of a neural network, whose neighbours lie closer together.

    source-384        1,000,000 chunks of 12 to 20 lines: the Linux kernel's source (Debian's linux-source-6.1, installed on
                      demand by ./dev), /usr/include, Python's library, /usr/share/doc
    source-384-100k   the first 100,000 of them and the same queries
    source-768-100k   100,000 chunks at 768 dimensions
    source-1536-200k  200,000 chunks at 1536 dimensions
    packages-384      the descriptions of all packages in the machine's apt lists
    clusters-384-100k   synthetic: a mixture of clusters whose components fall off by a power law
    uniform-384-100k    synthetic, a control only: no structure, which no application has and which punishes every index
"""

import argparse
import collections
import gc
import hashlib
import itertools
import multiprocessing
import os
import pathlib
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import time

import numpy as np
import scipy
import scipy.sparse
import sklearn
from sklearn.utils.extmath import randomized_svd

from data_files import TRUTH_K, DataSet, read_json, sha256_of, write_json

SEED = 20260101
QUERY_COUNT = 1000
VOCABULARY_MAX = 100_000
DOCUMENTS_PER_WORD_MIN = 4
LINES_MIN, LINES_MAX = 12, 20
BLOCK = 10_000
KERNEL_SOURCE = pathlib.Path("/usr/src/linux-source-6.1.tar.xz")
TEXT_SUFFIXES = {
    ".c", ".cc", ".cpp", ".h", ".hh", ".hpp", ".hxx", ".ipp", ".tcc", ".s", ".rs", ".py", ".pyi", ".pl", ".pm", ".sh",
    ".awk", ".dts", ".dtsi", ".rst", ".txt", ".md", ".yaml", ".yml", ".json", ".y", ".l", ".cocci", ".tc", ".conf", ".html",
}  # fmt: skip
TEXT_NAMES = {"makefile", "kconfig", "kbuild", "readme", "copyright", "maintainers", "news", "changelog", "todo"}

# SET: (corpus, dimension, vectors). The base of a corpus at one dimension is the same sequence in each of its sets.
SETS = {
    "source-384-100k": ("source", 384, 100_000),
    "source-384": ("source", 384, 1_000_000),
    "packages-384": ("packages", 384, None),
    "source-768-100k": ("source", 768, 100_000),
    "source-1536-200k": ("source", 1536, 200_000),
    "clusters-384-100k": ("clusters", 384, 100_000),
    "uniform-384-100k": ("uniform", 384, 100_000),
}
# Documents the SVD is fitted on, by its dimension: fewer where a document costs more. 768 are the first of 1536.
FIT_DIMENSION = {384: 384, 768: 1536, 1536: 1536}
FIT_COUNT = {384: 120_000, 1536: 80_000}

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def words_of(text):
    """Identifiers, and the parts of those that are made of several words."""
    for identifier in IDENTIFIER.findall(text):
        parts = PART.findall(identifier)
        yield identifier.lower()
        if len(parts) > 1:
            for part in parts:
                if len(part) > 1:
                    yield part.lower()


# ---------------------------------------------------------------------------------------------------------------- corpora


def is_text_file(path):
    name = pathlib.PurePosixPath(path)
    return name.suffix.lower() in TEXT_SUFFIXES or name.name.lower() in TEXT_NAMES


def source_files():
    """(name, bytes) of every text file, in an order that does not depend on the file system."""
    with tarfile.open(KERNEL_SOURCE, "r|xz") as archive:
        for member in archive:
            if member.isfile() and is_text_file(member.name):
                yield member.name, archive.extractfile(member).read()
    roots = ["/usr/include", "/usr/lib/python3", "/usr/lib/python3.11", sysconfig.get_paths()["stdlib"], "/usr/share/doc"]
    for root in dict.fromkeys(roots):
        for directory, folders, files in os.walk(root):
            folders[:] = sorted(folder for folder in folders if folder not in ("site-packages", "__pycache__"))
            for file in sorted(files):
                path = os.path.join(directory, file)
                if is_text_file(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                    yield path, pathlib.Path(path).read_bytes()


def chunks_of(content, random):
    """Pieces of 12 to 20 lines; what is left at the end of a file belongs to its last piece when it is short."""
    if b"\0" in content[:4096]:
        return
    lines = content.decode("utf-8", "replace").split("\n")
    begin = 0
    while begin < len(lines):
        end = begin + random.integers(LINES_MIN, LINES_MAX + 1)
        if len(lines) - end < LINES_MIN // 2:
            end = len(lines)
        chunk = "\n".join(lines[begin:end])
        begin = end
        # Blank ends of files and one line of a megabyte are not what anybody would embed.
        if 40 <= len(chunk.strip()) and len(chunk) <= 8000:
            yield chunk


def package_texts():
    """Name, section, tags, description and the names of what is needed, of each package known to apt."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    wanted = re.compile(r"^(Package|Section|Tag|Description(?:-en)?|Depends|Recommends): (.*(?:\n .*)*)", re.M)
    texts = {}
    for entry in dump.split("\n\n"):
        fields = {key.removesuffix("-en"): value for key, value in wanted.findall(entry)}
        if "Package" not in fields or "Description" not in fields:
            continue
        related = re.sub(r"\([^)]*\)", "", fields.get("Depends", "") + " " + fields.get("Recommends", ""))
        name = fields["Package"]
        # The description says most: it counts three times, as if the words were written thrice.
        words = [name, fields.get("Section", ""), fields.get("Tag", ""), *[fields["Description"]] * 3, related]
        texts[name] = " ".join(words)
    return [texts[name] for name in sorted(texts)]


class Corpus:
    """Texts in one file with their offsets, in a shuffled order: queries and base first, what the SVD is fitted on last."""

    def __init__(self, work, name):
        self.file, self.offsets_file = work / f"{name}.txt", work / f"{name}.offsets.npy"
        if not self.offsets_file.is_file():
            self.write(name)
        self.offsets = np.load(self.offsets_file, mmap_mode="r")
        self.order = np.random.default_rng(SEED).permutation(len(self.offsets) - 1)

    def write(self, name):
        random = np.random.default_rng(SEED)
        if name == "packages":
            texts = package_texts()
        else:
            texts = itertools.chain.from_iterable(chunks_of(content, random) for _, content in source_files())
        offsets = [0]
        with open(self.file, "wb") as out:
            for text in texts:
                offsets.append(offsets[-1] + out.write(text.encode("utf-8", "replace")))
        part = self.offsets_file.with_suffix(".part")
        with open(part, "wb") as out:
            np.save(out, np.array(offsets, dtype=np.int64))
        part.replace(self.offsets_file)
        say(f"{name}: {len(offsets) - 1:,} texts, {offsets[-1] / 1e6:,.0f} MB")

    def __len__(self):
        return len(self.order)

    def texts(self, places):
        with open(self.file, "rb") as file:
            for place in places:
                begin, end = self.offsets[self.order[place]], self.offsets[self.order[place] + 1]
                file.seek(begin)
                yield file.read(end - begin).decode("utf-8", "replace")


# ----------------------------------------------------------------------------------------------------------- embedding


def counts_of(block):
    """(words, counts) of each text of the corpus in the range `block`. Runs in a worker."""
    return [collections.Counter(words_of(text)) for text in shared["corpus"].texts(block)]


def matrix_of(documents, vocabulary, weights):
    """TF-IDF with sublinear term frequencies; rows of length 1, or 0 when no word is known."""
    starts, columns, values = [0], [], []
    for counter in documents:
        for word, count in counter.items():
            column = vocabulary.get(word)
            if column is not None:
                columns.append(column)
                values.append(count)
        starts.append(len(columns))
    columns = np.array(columns, dtype=np.int32)
    values = (1 + np.log(np.array(values, dtype=np.float32))) * weights[columns]
    shape = (len(documents), len(weights))
    matrix = scipy.sparse.csr_matrix((values, columns, np.array(starts, dtype=np.int32)), shape=shape)
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    return scipy.sparse.diags(scale.astype(np.float32)) @ matrix


def vectors_of(block):
    """Unit vectors of the texts in the range `block`; zero where there was nothing to go by. Runs in a worker."""
    model = shared["model"]
    rows = matrix_of(counts_of(block), model.vocabulary, model.weights) @ model.components
    rows = rows[:, : shared["dimension"]].astype(np.float32)
    return normalized(rows)


def normalized(rows):
    """Rows of length 1; a row that is (nearly) zero becomes exactly zero."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 1e-6)
    return (rows * scale[:, None]).astype(np.float32)


# What workers are given: by fork, before they start.
shared = {}


def in_workers(processes, function, blocks, **given):
    shared.update(given)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(function, blocks)


def blocks_of(begin, end):
    return [range(first, min(first + BLOCK, end)) for first in range(begin, end, BLOCK)]


class Model:
    """Words, their weights and the directions of the SVD, fitted on the last texts of a corpus."""

    def __init__(self, work, name, corpus, dimension, processes):
        files = {what: work / f"{name}-{dimension}.{what}" for what in ("words.json", "weights.npy", "components.npy")}
        if not files["components.npy"].is_file():
            self.fit(files, corpus, dimension, processes, whole=name == "packages")
        self.vocabulary = {word: place for place, word in enumerate(read_json(files["words.json"]))}
        self.weights = np.load(files["weights.npy"])
        self.components = np.load(files["components.npy"])  # words x dimension

    @staticmethod
    def fit(files, corpus, dimension, processes, whole):
        # There are few packages: their SVD sees all but the queries.
        begin = QUERY_COUNT if whole else max(QUERY_COUNT, len(corpus) - FIT_COUNT[dimension])
        documents, frequencies = [], collections.Counter()
        for block in in_workers(processes, counts_of, blocks_of(begin, len(corpus)), corpus=corpus):
            for counter in block:
                frequencies.update(counter.keys())
            documents += block
        words = [word for word, count in frequencies.items() if count >= DOCUMENTS_PER_WORD_MIN]
        words = sorted(sorted(words, key=lambda word: (-frequencies[word], word))[:VOCABULARY_MAX])
        seen = np.array([frequencies[word] for word in words], dtype=np.float64)
        weights = (np.log((1 + len(documents)) / (1 + seen)) + 1).astype(np.float32)
        matrix = matrix_of(documents, {word: place for place, word in enumerate(words)}, weights)
        count = len(documents)
        del documents
        gc.collect()
        say(f"SVD of {count:,} x {len(words):,} words ({matrix.nnz / count:.0f} per text) to {dimension}")
        started = time.monotonic()
        _, sizes, directions = randomized_svd(matrix, dimension, n_oversamples=32, n_iter=3, random_state=SEED)
        say(f"SVD took {time.monotonic() - started:.0f} s; spectrum {sizes[0]:.1f} .. {sizes[-1]:.2f}")
        write_json(files["words.json"], words)
        np.save(files["weights.npy"], weights)
        np.save(files["components.npy"], np.ascontiguousarray(directions.T, dtype=np.float32))


def embed(corpus, model, dimension, count, processes):
    """Yields blocks of vectors until there are `count` that are not zero (None: all); at last, how many were dropped."""
    done = dropped = 0
    given = {"corpus": corpus, "model": model, "dimension": dimension}
    for block in in_workers(processes, vectors_of, blocks_of(0, len(corpus)), **given):
        rows = block[np.any(block != 0, axis=1)]
        dropped += len(block) - len(rows)
        if count is not None:
            rows = rows[: count - done]
        done += len(rows)
        yield rows
        if done == count:
            break
    if count is not None and done < count:
        raise SystemExit(f"not enough text on this machine: {done:,} of {count:,} vectors")
    yield dropped


# ------------------------------------------------------------------------------------------------------------ synthetic


def clusters(count, dimension):
    """A mixture of clusters of power-law sizes; the components of centres and of members fall off by power laws."""
    random = np.random.default_rng(SEED + 1)
    centre_count = 1000
    decay = np.arange(1, dimension + 1, dtype=np.float32)
    centres = random.standard_normal((centre_count, dimension), dtype=np.float32) * decay**-0.5
    spread = decay**-0.3
    # As far apart as the centres: members of a cluster and strangers overlap.
    spread *= np.linalg.norm(decay**-0.5) / np.linalg.norm(spread) * 0.7
    share = 1 / np.arange(1, centre_count + 1)
    which = random.choice(centre_count, count, p=share / share.sum())
    turn, _ = np.linalg.qr(random.standard_normal((dimension, dimension)))
    rows = centres[which] + random.standard_normal((count, dimension), dtype=np.float32) * spread
    return normalized(rows @ turn.astype(np.float32))


def uniform(count, dimension):
    return normalized(np.random.default_rng(SEED + 2).standard_normal((count, dimension), dtype=np.float32))


# ---------------------------------------------------------------------------------------------------------- exact answers


def exact_neighbours(base, queries):
    """(ids, distances) of the 100 nearest by cosine: float32 products choose 128, float64 ranks them by (distance, id)."""
    kept = min(128, len(base))
    best_scores = np.full((len(queries), 0), 0, dtype=np.float32)
    best_ids = np.zeros((len(queries), 0), dtype=np.int32)
    for begin in range(0, len(base), BLOCK):
        scores = queries @ base[begin : begin + BLOCK].T
        ids = np.broadcast_to(np.arange(begin, begin + scores.shape[1], dtype=np.int32), scores.shape)
        scores, ids = np.hstack([best_scores, scores]), np.hstack([best_ids, ids])
        if scores.shape[1] > kept:
            chosen = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
            scores, ids = np.take_along_axis(scores, chosen, 1), np.take_along_axis(ids, chosen, 1)
        best_scores, best_ids = scores, ids
    ids = np.empty((len(queries), TRUTH_K), dtype=np.int32)
    distances = np.empty((len(queries), TRUTH_K), dtype=np.float32)
    for place, query in enumerate(queries.astype(np.float64)):
        far = 1 - base[best_ids[place]].astype(np.float64) @ query
        order = np.lexsort((best_ids[place], far))[:TRUTH_K]
        ids[place], distances[place] = best_ids[place][order], far[order]
        # Whatever the products in float32 left out is no nearer than the worst that was kept, up to their rounding.
        if len(base) > kept and 1 - best_scores[place].min() < distances[place][-1] - 1e-5:
            raise AssertionError(f"query {place}: the candidates do not hold the nearest {TRUTH_K}")
    return ids, distances


def check_against_plain_sums(base, queries, ids, distances, count=5):
    """A few queries again, without any matrix product: every distance in float64."""
    for place in np.random.default_rng(SEED).choice(len(queries), count, replace=False):
        far = np.concatenate(
            [1 - (base[b : b + BLOCK].astype(np.float64) * queries[place].astype(np.float64)).sum(axis=1)
             for b in range(0, len(base), BLOCK)]
        )  # fmt: skip
        nearest = np.sort(np.partition(far, TRUTH_K - 1)[:TRUTH_K])
        if not np.allclose(nearest, distances[place], rtol=0, atol=1e-6):
            raise AssertionError(f"query {place}: exact answers disagree")
        if not np.allclose(far[ids[place]], distances[place], rtol=0, atol=1e-6):
            raise AssertionError(f"query {place}: ids and distances disagree")


# ------------------------------------------------------------------------------------------------------------------ sets


def save(path, array):
    part = path.with_suffix(".part")
    with open(part, "wb") as out:
        np.save(out, array)
    part.replace(path)


def write_base(path, count, dimension, blocks):
    """Rows as they come; returns what the last item of `blocks` says: how many were dropped. Not all in memory at once."""
    part, done = path.with_suffix(".part"), 0
    out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(count, dimension))
    for rows in blocks:
        if isinstance(rows, int):
            out.flush()
            part.replace(path)
            return rows
        out[done : done + len(rows)] = rows
        done += len(rows)
    raise AssertionError("no end")


def make_real(directory, work, corpus_name, dimension, count, processes):
    corpus = Corpus(work, corpus_name)
    model = Model(work, corpus_name, corpus, FIT_DIMENSION[dimension], processes)
    rows = embed(corpus, model, dimension, None if count is None else QUERY_COUNT + count, processes)
    first = next(rows)
    save(directory / "queries.npy", first[:QUERY_COUNT])
    if count is None:
        blocks = list(rows)
        count = len(first) - QUERY_COUNT + sum(len(block) for block in blocks[:-1])
        rows = iter(blocks)
    dropped = write_base(directory / "base.npy", count, dimension, itertools.chain([first[QUERY_COUNT:]], rows))
    return {"texts": len(corpus), "zero_vectors_dropped": dropped}


def make_set(out, name, processes):
    corpus, dimension, count = SETS[name]
    work = out / "work"
    data = DataSet(out, name)
    data.directory.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    started = time.monotonic()
    if corpus in ("source", "packages"):
        facts = make_real(data.directory, work, corpus, dimension, count, processes)
    else:
        rows = {"clusters": clusters, "uniform": uniform}[corpus](QUERY_COUNT + count, dimension)
        save(data.path("queries"), rows[:QUERY_COUNT])
        save(data.path("base"), rows[QUERY_COUNT:])
        del rows
        facts = {"synthetic": True}
    base, queries = data.load("base"), np.array(data.load("queries"))
    say(f"{name}: {len(base):,} x {dimension}; exact answers")
    ids, distances = exact_neighbours(base, queries)
    check_against_plain_sums(base, queries, ids, distances)
    save(data.path("truth_distances"), distances)
    save(data.path("truth_ids"), ids)
    duplicates = len(base) - len({hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in base})
    manifest = read_json(out / "manifest.json", {})
    manifest[name] = {
        "corpus": corpus, "rows": len(base), "dimension": dimension, "queries": len(queries), "seed": SEED,
        "exact_duplicates": duplicates, **facts, "seconds": round(time.monotonic() - started),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
                     "scikit-learn": sklearn.__version__},
        "sha256": {file: sha256_of(data.path(file)) for file in DataSet.FILES},
    }  # fmt: skip
    write_json(out / "manifest.json", manifest)
    (out / f"READY-{name}").touch()
    say(f"{name}: ready after {time.monotonic() - started:.0f} s ({duplicates:,} duplicates, {facts})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench-data"))
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count()))
    options = parser.parse_args()
    for name in options.sets:
        if name not in SETS:
            parser.error(f"no data set {name}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.sets or SETS:
        if DataSet(options.out, name).complete() and (options.out / f"READY-{name}").is_file():
            continue
        if SETS[name][0] == "source" and not KERNEL_SOURCE.is_file():
            sys.exit(f"{KERNEL_SOURCE} is missing: apt-get install --no-install-recommends linux-source-6.1")
        make_set(options.out, name, options.processes)


if __name__ == "__main__":
    main()
