#!/usr/bin/env python3
"""What benches/archive.py times beside `stance score`, each on a file of documents.

    contender.py each|all FILE MODEL DTYPE          the Python package: a call for each, or one
    contender.py export MODEL FOLDER DTYPE          the encoder as an ONNX graph
    contender.py onnx FILE MODEL FOLDER SIZE THREADS   it in ONNX Runtime; SIZE windows at a time
    contender.py peer FILE MODEL PROGRAM DTYPE      this program's encoder, by `--bench peer`

Windows are of the model's length and overlap, cut by tokens.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "peers"))
BATCH = 32


def texts(file):
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def package(kind, file, model, dtype):
    import stance

    classifier = stance.Classifier.load(None if model == "default" else model, dtype=dtype)
    if kind == "all":
        return classifier.classify(texts(file))
    return [classifier.classify(text) for text in texts(file)]


def export(model, folder, dtype):
    import bert_onnx
    from run import read

    Path(folder).mkdir()
    weights, shape, _ = read(Path(model))
    plain = bert_onnx.save(bert_onnx.fused(weights, *shape), Path(folder) / "f32.onnx")
    if dtype == "int8":
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(plain, Path(folder) / "int8.onnx", weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
        Path(plain).unlink()


def windows(model):
    """From a text to the ids of its windows."""
    from tokenizers import Tokenizer

    config = json.loads((Path(model) / "stance.json").read_text())
    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    tokenizer.enable_truncation(config["window_tokens"], stride=config["window_overlap"])

    def cut(text):
        first = tokenizer.encode(text)
        return [encoding.ids for encoding in (first, *first.overflowing)]

    return cut


def batches(model, documents, size):
    """The windows of a document at a time, or many of like length."""
    cut = windows(model)
    if size == 1:
        yield from map(cut, documents)
        return
    every = sorted((ids for text in documents for ids in cut(text)), key=len)
    for at in range(0, len(every), size):
        yield every[at : at + size]


def onnx(file, model, folder, size, threads):
    import onnxruntime as ort
    from run import padded

    options = ort.SessionOptions()
    options.intra_op_num_threads = int(threads)
    (path,) = Path(folder).glob("*.onnx")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    vectors = []
    for sequences in batches(model, texts(file), int(size)):
        inputs = padded(sequences)
        (states,) = session.run(["states"], inputs)
        mask = inputs["mask"][..., None]
        vectors.append((states * mask).sum(1) / mask.sum(1))
    return np.concatenate(vectors)


def peer(file, model, program, dtype):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([program, model, dtype], **pipes)
    for sequences in batches(model, texts(file), BATCH):
        process.stdin.write(json.dumps({"sequences": sequences, "states": None}) + "\n")
        process.stdin.flush()
        process.stdout.readline()
    process.stdin.close()
    process.wait()


def main():
    kind, *rest = sys.argv[1:]
    if kind in ("each", "all"):
        package(kind, *rest)
    else:
        {"export": export, "onnx": onnx, "peer": peer}[kind](*rest)


if __name__ == "__main__":
    main()
