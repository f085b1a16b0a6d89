"""A BERT encoder as ONNX graphs, from the tensors of a Hugging Face checkpoint.

`standard` uses operators of the ONNX standard alone, as exporters write them; `fused` uses
onnxruntime's own operators (Attention, SkipLayerNormalization, BiasGelu), what its optimizer makes
of an exported BERT. Both take `ids` and `mask` `[batch, length]`, int32, and give `states`
`[batch, length, hidden]`.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.count = [], {}, 0

    def constant(self, name, array):
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def add(self, op, inputs, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"{op}_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names[0]

    def model(self, result, hidden):
        self.nodes.append(helper.make_node("Identity", [result], ["states"]))
        shape = ["batch", "length"]
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, shape) for n in ("ids", "mask")]
        output = helper.make_tensor_value_info("states", TensorProto.FLOAT, [*shape, hidden])
        constants = [numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        graph = helper.make_graph(self.nodes, "bert", inputs, [output], constants)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def embeddings(g, w, eps):
    words = g.add("Gather", [g.constant("words", w["embeddings.word_embeddings.weight"]), "ids"])
    table = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    first = g.constant("first", np.array([0], np.int64))
    length = g.add("Shape", ["ids"], start=1, end=2)
    places = g.add("Slice", [g.constant("positions", table), first, length, first])
    return norm(g, w, "embeddings.LayerNorm", g.add("Add", [words, places]), eps)


def pair(g, w, name):
    return [g.constant(f"{name}.{part}", w[f"{name}.{part}"]) for part in ("weight", "bias")]


def norm(g, w, name, x, eps):
    return g.add("LayerNormalization", [x, *pair(g, w, name)], axis=-1, epsilon=eps)


def dense(g, w, name, x):
    product = g.add("MatMul", [x, g.constant(f"{name}.weight", w[f"{name}.weight"].T)])
    return g.add("Add", [product, g.constant(f"{name}.bias", w[f"{name}.bias"])])


def standard(w, layers, heads, eps):
    g = Graph()
    hidden = w["embeddings.LayerNorm.weight"].shape[0]
    dim = hidden // heads
    split = g.constant("split", np.array([0, 0, heads, dim], np.int64))
    join = g.constant("join", np.array([0, 0, hidden], np.int64))
    scale = g.constant("scale", np.float32(1 / np.sqrt(dim)))
    seen = g.add("Cast", ["mask"], to=TensorProto.FLOAT)
    hide = g.add("Sub", [g.constant("f_one", np.float32(1)), seen])
    hide = g.add("Mul", [hide, g.constant("least", np.float32(-1e9))])
    hide = g.add("Unsqueeze", [hide, g.constant("axes", np.array([1, 2], np.int64))])
    x = embeddings(g, w, eps)
    for i in range(layers):
        base = f"encoder.layer.{i}"
        part = {}
        for name, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            rows = dense(g, w, f"{base}.attention.self.{name}", x)
            part[name] = g.add("Transpose", [g.add("Reshape", [rows, split])], perm=order)
        scores = g.add("Mul", [g.add("MatMul", [part["query"], part["key"]]), scale])
        chances = g.add("Softmax", [g.add("Add", [scores, hide])], axis=-1)
        context = g.add("Transpose", [g.add("MatMul", [chances, part["value"]])], perm=[0, 2, 1, 3])
        context = dense(g, w, f"{base}.attention.output.dense", g.add("Reshape", [context, join]))
        x = norm(g, w, f"{base}.attention.output.LayerNorm", g.add("Add", [context, x]), eps)
        inner = g.add("Gelu", [dense(g, w, f"{base}.intermediate.dense", x)])
        outer = dense(g, w, f"{base}.output.dense", inner)
        x = norm(g, w, f"{base}.output.LayerNorm", g.add("Add", [outer, x]), eps)
    return g.model(x, hidden)


def fused(w, layers, heads, eps):
    g = Graph()
    hidden = w["embeddings.LayerNorm.weight"].shape[0]
    own = "com.microsoft"

    def product(name, x):
        return g.add("MatMul", [x, g.constant(f"{name}.weight", w[f"{name}.weight"].T)])

    def residual(name, dense_name, x, skip):
        bias = g.constant(f"{dense_name}.bias", w[f"{dense_name}.bias"])
        inputs = [x, skip, *pair(g, w, name), bias]
        return g.add("SkipLayerNormalization", inputs, domain=own, epsilon=eps)

    x = embeddings(g, w, eps)
    for i in range(layers):
        base = f"encoder.layer.{i}"
        parts = [f"{base}.attention.self.{name}" for name in ("query", "key", "value")]
        weight = np.concatenate([w[f"{p}.weight"].T for p in parts], axis=1)
        bias = np.concatenate([w[f"{p}.bias"] for p in parts])
        qkv = [g.constant(f"{base}.qkv.weight", weight), g.constant(f"{base}.qkv.bias", bias)]
        context = g.add("Attention", [x, *qkv, "mask"], domain=own, num_heads=heads)
        name = f"{base}.attention.output"
        x = residual(f"{name}.LayerNorm", f"{name}.dense", product(f"{name}.dense", context), x)
        name = f"{base}.intermediate.dense"
        inner = [product(name, x), g.constant(f"{name}.bias", w[f"{name}.bias"])]
        inner = g.add("BiasGelu", inner, domain=own)
        name = f"{base}.output"
        x = residual(f"{name}.LayerNorm", f"{name}.dense", product(f"{name}.dense", inner), x)
    return g.model(x, hidden)


def save(model, path):
    onnx.save(model, path)
    return str(path)
