"""The other libraries behind one interface, each configured as its own documentation advises: for peer.py, one per process.

A peer is built from rows of length 1, so that inner product, cosine and (in order) Euclidean distance agree; each uses the
one it is fastest with. Its effort is a word: `ef`, or `efxR` where R x k candidates are compared again by exact distances,
by the library where it can, otherwise by NumPy as its user would.
"""

import importlib.metadata
import json
import os
import shutil
import tempfile

import numpy as np

EF = {
    10: (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900),
    100: (100, 130, 160, 200, 260, 340, 440, 560, 720, 920, 1200, 1600),
}
PROBES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


class Peer:
    package = ""  # what pip calls it
    configuration = {}
    tiny_rows = 10  # of the index that shows what a call costs; more where a library cannot have so few

    def __init__(self, dimension, threads):
        self.dimension, self.threads = dimension, threads

    def build(self, rows):
        """Makes the index of all rows; their ids are 0, 1, .. Uses self.threads threads."""
        raise NotImplementedError

    def start_searching(self):
        """From here on one thread."""

    def efforts(self, k):
        return [str(ef) for ef in EF[k]]

    def use(self, effort, k):
        raise NotImplementedError

    def prepare(self, query):
        """What search() wants: outside of the measured time."""
        return query

    def search(self, query, k):
        """Ids of about k nearest, best first."""
        raise NotImplementedError

    def close(self):
        pass

    @classmethod
    def version(cls):
        return importlib.metadata.version(cls.package)


def with_refine(values, factors):
    return [f"{value}x{factor}" for factor in factors for value in values]


def parts_of(effort):
    value, _, factor = effort.partition("x")
    return int(value), int(factor or 0)


class Hnswlib(Peer):
    package = "hnswlib"

    def __init__(self, dimension, threads, m):
        super().__init__(dimension, threads)
        self.m = m
        self.configuration = {"M": m, "ef_construction": 200, "space": "ip"}

    def build(self, rows):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=self.dimension)
        self.index.init_index(max_elements=len(rows), M=self.m, ef_construction=200)
        self.index.set_num_threads(self.threads)
        self.index.add_items(rows, np.arange(len(rows)))

    def start_searching(self):
        self.index.set_num_threads(1)

    def use(self, effort, k):
        self.index.set_ef(max(int(effort), k))

    def search(self, query, k):
        return self.index.knn_query(query, k)[0][0]


class Faiss(Peer):
    """Called as its C++ would be, with pointers made beforehand: its Python wrapper alone takes several microseconds."""

    package = "faiss-cpu"

    def __init__(self, dimension, threads, kind, bits=0, refine=()):
        super().__init__(dimension, threads)
        self.kind, self.bits, self.factors = kind, bits, refine
        self.probes = kind == "ivf"

    def make(self, faiss, count):
        kind, inner = self.kind, faiss.METRIC_INNER_PRODUCT
        if kind == "ivf":
            lists = 4096 if count > 500_000 else 1024 if count > 5_000 else 1
            factory = f"RR{self.dimension},IVF{lists},RaBitQfs{self.bits if self.bits > 1 else ''}"
            self.configuration = {"factory": factory}
            return faiss.index_factory(self.dimension, factory, inner)
        if kind == "flat":
            index = hnsw = faiss.IndexHNSWFlat(self.dimension, 32, inner)
        elif kind == "sq8":
            index = hnsw = faiss.IndexHNSWSQ(self.dimension, faiss.ScalarQuantizer.QT_8bit, 32, inner)
        else:  # staged RaBitQ knows Euclidean distance only; its codes want a random rotation
            hnsw = faiss.IndexHNSWRaBitQ(self.dimension, 32, self.bits)
            rotation = faiss.RandomRotationMatrix(self.dimension, self.dimension)
            index = faiss.IndexPreTransform(rotation, hnsw)
            self.keep = [rotation, hnsw]
        hnsw.hnsw.efConstruction = 200 if kind != "rabitq" else 100
        self.configuration = {"kind": f"HNSW32 {kind}{self.bits or ''}", "efConstruction": hnsw.hnsw.efConstruction}
        return index

    def build(self, rows):
        import faiss

        self.faiss = faiss
        faiss.omp_set_num_threads(self.threads)
        self.inner = self.make(faiss, len(rows))
        self.index = self.inner
        if self.factors:
            # Keeps the floats beside the codes.
            self.index = faiss.IndexRefineFlat(self.inner)
            self.configuration["refine"] = "exact floats"
        self.index.train(rows)
        self.index.add(rows)
        bottom = faiss.downcast_index(self.inner.index) if isinstance(self.inner, faiss.IndexPreTransform) else self.inner
        self.bottom = bottom

    def start_searching(self):
        self.faiss.omp_set_num_threads(1)

    def efforts(self, k):
        values = PROBES if self.probes else EF[k]
        return with_refine(values, self.factors) if self.factors else [str(value) for value in values]

    def use(self, effort, k):
        value, factor = parts_of(effort)
        if self.probes:
            self.bottom.nprobe = min(value, self.bottom.nlist)
        else:
            self.bottom.hnsw.efSearch = max(value, k * max(1, factor))
        if factor:
            self.index.k_factor = factor
        self.distances, self.ids = np.empty(k, np.float32), np.empty(k, np.int64)
        self.pointers = self.faiss.swig_ptr(self.distances), self.faiss.swig_ptr(self.ids)

    def prepare(self, query):
        return query, self.faiss.swig_ptr(query)

    def search(self, query, k):
        self.index.search_c(1, query[1], k, *self.pointers)
        return self.ids.copy()


class Usearch(Peer):
    package = "usearch"

    def __init__(self, dimension, threads, elements):
        super().__init__(dimension, threads)
        self.elements = elements
        # Inner product leaves out the lengths, which are 1; the 8-bit integers' are not.
        self.metric = "cos" if elements == "i8" else "ip"
        self.configuration = {"dtype": elements, "connectivity": 16, "expansion_add": 200, "metric": self.metric}

    def build(self, rows):
        from usearch.index import Index

        self.index = Index(
            ndim=self.dimension, metric=self.metric, dtype=self.elements, connectivity=16, expansion_add=200
        )  # fmt: skip
        self.index.add(np.arange(len(rows)), rows, threads=self.threads)

    def use(self, effort, k):
        self.index.expansion_search = max(int(effort), k)

    def search(self, query, k):
        return self.index.search(query, k, threads=1).keys


class Zvec(Peer):
    package = "zvec"

    def __init__(self, dimension, threads, kind):
        super().__init__(dimension, threads)
        self.kind = kind
        self.configuration = {"index": f"hnsw {kind}", "m": 32, "ef_construction": 200, "after": "optimize()"}

    def build(self, rows):
        import zvec

        self.zvec = zvec
        if not getattr(Zvec, "started", False):
            zvec.init(query_threads=1, optimize_threads=self.threads, log_level=zvec.LogLevel.ERROR)
            Zvec.started = True
        inner = zvec.MetricType.IP
        if self.kind == "rabitq":
            index = zvec.HnswRabitqIndexParam(inner, m=32, ef_construction=200)
        elif self.kind == "int8":
            index = zvec.HnswIndexParam(
                inner, m=32, ef_construction=200, quantize_type=zvec.QuantizeType.INT8, use_contiguous_memory=True,
                use_flat_contiguous_memory=True,
            )  # fmt: skip
        else:
            index = zvec.HnswIndexParam(inner, m=32, ef_construction=200, use_contiguous_memory=True)
        self.directory = tempfile.mkdtemp(prefix="zvec-")
        fields = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, self.dimension, index)
        schema = zvec.CollectionSchema(name="bench", vectors=fields)
        self.collection = zvec.create_and_open(os.path.join(self.directory, "c"), schema)
        for begin in range(0, len(rows), 1000):
            end = min(begin + 1000, len(rows))
            documents = [zvec.Doc(id=str(row), vectors={"v": rows[row]}) for row in range(begin, end)]
            if not all(status.ok() for status in self.collection.insert(documents)):
                raise RuntimeError("insert failed")
        self.collection.optimize(zvec.OptimizeOption(concurrency=self.threads))

    def efforts(self, k):
        return with_refine(EF[k], (1, 2, 4)) if self.kind == "int8" else super().efforts(k)

    def use(self, effort, k):
        ef, factor = parts_of(effort)
        if self.kind == "rabitq":
            self.parameter = self.zvec.HnswRabitqQueryParam(ef=max(ef, k))
        elif self.kind == "int8":
            self.parameter = self.zvec.HnswQueryParam(ef=max(ef, k), is_using_refiner=True, scale_factor=factor)
        else:
            self.parameter = self.zvec.HnswQueryParam(ef=max(ef, k))

    def prepare(self, query):
        return query, self.zvec.Query

    def search(self, query, k):
        return self.collection.query(query[1]("v", vector=query[0], param=self.parameter), topk=k)

    @staticmethod
    def ids_of(found):
        return [int(document.id) for document in found]

    def close(self):
        self.collection.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class RabitqHnsw(Peer):
    package = "rabitqlib"

    def __init__(self, dimension, threads, bits):
        super().__init__(dimension, threads)
        self.bits = bits
        self.configuration = {"M": 16, "ef_construction": 200, "bits": bits, "clusters": 16}

    def build(self, rows):
        import rabitqlib

        clusters = rabitqlib.RaBitQKMeans(self.dimension, min(16, len(rows)), num_threads=self.threads)
        clusters.train(rows)
        self.index = rabitqlib.HnswIndex(self.dimension, len(rows), 16, 200, self.bits, "ip")
        self.index.build(rows, clusters.centroids, clusters.assignments, self.threads)

    def use(self, effort, k):
        self.ef = max(int(effort), k)

    def prepare(self, query):
        return query[None]

    def search(self, query, k):
        return self.index.search(query, k, self.ef)[0][0]


class RabitqGraph(Peer):
    """SymphonyQG: a graph whose edges carry the neighbours' codes, with the floats."""

    package = "rabitqlib"
    tiny_rows = 64

    def __init__(self, dimension, threads, bits=0):
        super().__init__(dimension, threads)
        self.bits = bits
        self.configuration = {"max_degree": 32, "ef_construction": 200, "stored": f"{bits} bits" if bits else "floats"}

    def build(self, rows):
        import rabitqlib

        self.index = rabitqlib.SymqgIndex(self.dimension, 32, "ip", self.bits)
        self.index.build(rows, 200, self.threads)

    def use(self, effort, k):
        self.ef = max(int(effort), k)

    def prepare(self, query):
        return query[None]

    def search(self, query, k):
        return self.index.search(query, k, self.ef)[0][0]


class RabitqIvf(Peer):
    package = "rabitqlib"

    def build(self, rows):
        import rabitqlib

        lists = 4096 if len(rows) > 500_000 else 1024 if len(rows) > 5_000 else 1
        self.configuration = {"lists": lists, "bits": "1, exact floats after"}
        clusters = rabitqlib.RaBitQKMeans(self.dimension, lists, num_threads=self.threads)
        clusters.train(rows)
        self.index = rabitqlib.IvfIndex(self.dimension, len(rows), lists, 32, "ip")
        self.index.build(rows, clusters.centroids, clusters.assignments, self.threads)
        self.lists = lists

    def efforts(self, k):
        return [str(probes) for probes in PROBES]

    def use(self, effort, k):
        self.probes = min(int(effort), self.lists)

    def prepare(self, query):
        return query[None]

    def search(self, query, k):
        return self.index.search(query, k, self.probes)[0][0]


class Vsag(Peer):
    package = "pyvsag"
    tiny_rows = 64

    def __init__(self, dimension, threads, base):
        super().__init__(dimension, threads)
        self.configuration = {
            "index": "hgraph", "base": base, "reorder": "fp32", "max_degree": 32, "ef_construction": 200,
        }  # fmt: skip
        self.base = base

    def build(self, rows):
        import pyvsag

        parameters = {
            "dtype": "float32", "metric_type": "ip", "dim": self.dimension,
            "index_param": {
                "base_quantization_type": self.base, "use_reorder": True, "precise_quantization_type": "fp32",
                "max_degree": 32, "ef_construction": 200, "build_thread_count": self.threads,
            },
        }  # fmt: skip
        self.index = pyvsag.Index("hgraph", json.dumps(parameters))
        self.index.build(rows.reshape(-1), np.arange(len(rows)), len(rows), self.dimension)

    def use(self, effort, k):
        self.parameters = json.dumps({"hgraph": {"ef_search": max(int(effort), k)}})

    def search(self, query, k):
        return self.index.knn_search(query, k, self.parameters)[0]


class Turbovec(Peer):
    """Compares with every code; there is no graph."""

    package = "turbovec"

    def __init__(self, dimension, threads, bits):
        super().__init__(dimension, threads)
        self.bits = bits
        self.configuration = {"bits": bits, "calibrated": True, "reranked": "by NumPy, from the caller's floats"}

    def build(self, rows):
        import turbovec

        self.rows = rows
        self.index = turbovec.TurboQuantIndex(self.dimension, self.bits)
        if len(rows) >= 2048:
            self.index.calibrate(np.ascontiguousarray(rows[:2048]))
        for begin in range(0, len(rows), 50_000):
            self.index.add(np.ascontiguousarray(rows[begin : begin + 50_000]))
        self.index.prepare()

    def efforts(self, k):
        return [f"{k}x{factor}" for factor in (1, 2, 4, 8)]

    def use(self, effort, k):
        self.factor = parts_of(effort)[1]

    def prepare(self, query):
        return query[None], query

    def search(self, query, k):
        found = self.index.search(query[0], k * self.factor)[1][0]
        if self.factor == 1:
            return found
        found = found.astype(np.int64)
        scores = self.rows[found] @ query[1]
        return found[np.argpartition(-scores, k - 1)[:k]] if k < len(found) else found


class Lance(Peer):
    """A table on disk; each search goes through its query planner."""

    package = "lancedb"

    def __init__(self, dimension, threads):
        super().__init__(dimension, threads)
        self.configuration = {"index": "IVF_HNSW_SQ", "num_partitions": 1, "m": 20, "ef_construction": 200}

    def build(self, rows):
        import lancedb
        import pyarrow as pa

        self.directory = tempfile.mkdtemp(prefix="lance-")
        schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), self.dimension))])

        def batches():
            for begin in range(0, len(rows), 50_000):
                block = rows[begin : begin + 50_000]
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), self.dimension)
                yield pa.RecordBatch.from_arrays([pa.array(np.arange(begin, begin + len(block))), vectors], schema=schema)

        self.table = lancedb.connect(self.directory).create_table("t", batches(), schema=schema)
        if len(rows) >= 1000:
            self.table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", num_partitions=1, m=20, ef_construction=200)

    def efforts(self, k):
        return with_refine(EF[k][::2], (2,))

    def use(self, effort, k):
        self.ef, self.factor = parts_of(effort)
        self.ef = max(self.ef, k * self.factor)

    def search(self, query, k):
        found = self.table.search(query).select(["id", "_distance"]).limit(k).ef(self.ef).refine_factor(self.factor)
        found = found.to_arrow()
        return found["id"].to_numpy()

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def peers():
    """NAME: what makes it from (dimension, threads)."""
    return {
        "hnswlib-m16": lambda d, t: Hnswlib(d, t, 16),
        "hnswlib-m32": lambda d, t: Hnswlib(d, t, 32),
        "faiss-hnsw-flat": lambda d, t: Faiss(d, t, "flat"),
        "faiss-hnsw-sq8": lambda d, t: Faiss(d, t, "sq8", refine=(1, 2)),
        "faiss-hnsw-rabitq": lambda d, t: Faiss(d, t, "rabitq", bits=4, refine=(1, 2, 4)),
        "faiss-ivf-rabitq": lambda d, t: Faiss(d, t, "ivf", bits=1, refine=(4, 10)),
        "usearch-f32": lambda d, t: Usearch(d, t, "f32"),
        "usearch-bf16": lambda d, t: Usearch(d, t, "bf16"),
        "usearch-i8": lambda d, t: Usearch(d, t, "i8"),
        "zvec-hnsw": lambda d, t: Zvec(d, t, "floats"),
        "zvec-hnsw-int8": lambda d, t: Zvec(d, t, "int8"),
        "zvec-hnsw-rabitq": lambda d, t: Zvec(d, t, "rabitq"),
        "rabitqlib-symqg": lambda d, t: RabitqGraph(d, t),
        "rabitqlib-symqg-8bit": lambda d, t: RabitqGraph(d, t, 8),
        "rabitqlib-hnsw-4bit": lambda d, t: RabitqHnsw(d, t, 4),
        "rabitqlib-hnsw-7bit": lambda d, t: RabitqHnsw(d, t, 7),
        "rabitqlib-ivf": lambda d, t: RabitqIvf(d, t),
        "vsag-hgraph-sq8": lambda d, t: Vsag(d, t, "sq8_uniform"),
        "vsag-hgraph-rabitq": lambda d, t: Vsag(d, t, "rabitq"),
        "turbovec-4bit": lambda d, t: Turbovec(d, t, 4),
        "turbovec-2bit": lambda d, t: Turbovec(d, t, 2),
        "lancedb-hnsw-sq": lambda d, t: Lance(d, t),
    }
