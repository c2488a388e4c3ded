"""Where the data of the vector benchmark lies, and how its answers are judged: for make_data.py, peer.py and run.py."""

import hashlib
import json
import pathlib

import numpy as np

TRUTH_K = 100
# A returned vector counts when it is at most this much further away than the k-th true one: ties count, and rounding.
TIE_TOLERANCE = 1e-6


class DataSet:
    """A directory: base.npy and queries.npy (float32 rows of length 1), truth_ids.npy and truth_distances.npy (k = 100)."""

    FILES = ("base", "queries", "truth_ids", "truth_distances")

    def __init__(self, data, name):
        self.name = name
        self.directory = pathlib.Path(data) / name

    def path(self, file):
        return self.directory / f"{file}.npy"

    def load(self, file):
        """Mapped, so that reading the vectors is not counted as memory of the index. Writable, but never written: some
        libraries refuse arrays that are not."""
        return np.load(self.path(file), mmap_mode="c")

    def complete(self):
        return all(self.path(file).is_file() for file in self.FILES)


def recall(found, base, queries, truth_distances, k):
    """Mean share of the k results that are as near as the k-th true neighbour. `found`: a list of ids for each query.

    Judged by distance, not by id: of many equal vectors any may be returned. An id counts once, and only if it exists.
    """
    hits = 0
    for ids, query, distances in zip(found, queries, truth_distances):
        ids = np.unique(np.asarray(ids[:k], dtype=np.int64))
        ids = ids[(ids >= 0) & (ids < len(base))]
        far = 1.0 - base[ids].astype(np.float64) @ query.astype(np.float64)
        hits += min(k, int(np.count_nonzero(far <= float(distances[k - 1]) + TIE_TOLERANCE)))
    return hits / (k * len(queries))


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()


def read_json(path, default=None):
    try:
        return json.loads(pathlib.Path(path).read_text())
    except FileNotFoundError:
        return default


def write_json(path, value):
    """Complete or not at all."""
    path = pathlib.Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(path)
