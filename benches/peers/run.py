#!/usr/bin/env python3
"""The encoder against ONNX Runtime and OpenVINO on the same weights, ratios in one run.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install -r benches/peers/requirements.txt
    /tmp/peers/bin/python benches/peers/run.py            # builds and starts `--bench peer`

The weights are the default model's, whose shape is that of MiniLM-L12-H384. Engines take turns, pass
by pass; times are medians. Where sequences differ in length the others pad them, as their
users must, and this encoder does not. `cos` is the mean cosine of an engine's token states to
onnxruntime's in f32. `--clock cpu` compares processor time, for one thread on a core that others
use too; `--clock least` the least time, by the wall, of at least `--rounds` turns, for a machine whose speed comes
and goes with its neighbours. 8-bit models are quantised after training: onnxruntime's dynamically,
OpenVINO's by NNCF with texts of the same kind as measured.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parents[2]
# Seconds of rest before each turn.
REST = 0.03
MIX = [12, 200, 35, 78, 23, 150, 61, 19, 110, 44, 92, 28, 175, 53, 16, 130]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, default=ROOT / "models/default", help="a BERT's folder")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 128, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and case")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every engine and case at the least")
    parser.add_argument("--clock", choices=["wall", "cpu", "least"], default="wall",
                        help="what ratios are of; processor time where the cores are not idle")
    parser.add_argument("--peer", help="the program `--bench peer`; built when absent")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    return parser.parse_args()


def tensors(path):
    """All tensors in f32; 8-bit integers times the scale of their row."""
    stored = load_file(path)
    out = {}
    for name, array in stored.items():
        scale = stored.get(f"{name}.scale")
        if not name.endswith(".scale"):
            array = array.astype(np.float32)
            out[name] = array if scale is None else array * scale[:, None]
    return out


def read(folder):
    config = json.loads((folder / "config.json").read_text())
    weights = tensors(folder / "model.safetensors")
    if config["model_type"] == "xlm-roberta":
        # Its first rows are never used.
        places = "embeddings.position_embeddings.weight"
        weights[places] = weights[places][config["pad_token_id"] + 1 :]
    shape = (config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
    return weights, shape, config["vocab_size"]


def padded(sequences):
    longest = max(map(len, sequences))
    ids = np.zeros((len(sequences), longest), np.int32)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return {"ids": ids, "mask": mask}


def packed(states, sequences):
    return np.concatenate([states[row, : len(s)] for row, s in enumerate(sequences)])


class Onnx:
    def __init__(self, path, threads):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, sequences, keep=False):
        inputs = padded(sequences)
        start, cpu = time.perf_counter(), time.process_time()
        states = self.session.run(["states"], inputs)[0]
        times = time.perf_counter() - start, time.process_time() - cpu
        return times, packed(states, sequences) if keep else None


class OpenVino:
    def __init__(self, model, threads, precision):
        import openvino as ov

        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                 "INFERENCE_PRECISION_HINT": precision}
        self.request = ov.Core().compile_model(model, "CPU", hints).create_infer_request()

    def run(self, sequences, keep=False):
        inputs = padded(sequences)
        start, cpu = time.perf_counter(), time.process_time()
        states = self.request.infer(inputs)["states"]
        times = time.perf_counter() - start, time.process_time() - cpu
        return times, packed(states, sequences) if keep else None


class Ours:
    def __init__(self, program, folder, form, threads):
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen([program, str(folder), form], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.states = folder / f"states-{form}"

    def run(self, sequences, keep=False):
        request = {"sequences": sequences, "states": str(self.states) if keep else None}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        states = np.fromfile(self.states, np.float32) if keep else None
        return (answer["seconds"], answer["cpu"]), states

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quantised(onnx_path, folder, vocab):
    import nncf
    import onnx
    import openvino as ov
    from onnxruntime.quantization import QuantType, quantize_dynamic

    dynamic = str(folder / "fused-int8.onnx")
    quantize_dynamic(str(folder / "fused.onnx"), dynamic, weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
    rng = np.random.default_rng(2)
    rows = [padded([rng.integers(5, vocab, n).tolist()]) for n in MIX * 4]
    model = nncf.quantize(ov.Core().read_model(onnx_path), nncf.Dataset(rows),
                          model_type=nncf.ModelType.TRANSFORMER, subset_size=len(rows))
    return dynamic, model


def engines(program, folder, threads, forms):
    import openvino as ov

    standard = ov.Core().read_model(str(folder / "standard.onnx"))
    yield "onnxruntime f32", Onnx(str(folder / "fused.onnx"), threads)
    yield "onnxruntime int8", Onnx(forms[0], threads)
    yield "openvino f32", OpenVino(standard, threads, "f32")
    yield "openvino bf16", OpenVino(standard, threads, "bf16")
    yield "openvino int8", OpenVino(forms[1], threads, "f32")
    yield "candle", Ours(program, folder, "stock", threads)
    yield "stance f32", Ours(program, folder, "f32", threads)
    yield "stance bf16", Ours(program, folder, "bf16", threads)
    yield "stance int8", Ours(program, folder, "int8", threads)


def cosine(a, b, hidden):
    a, b = a.reshape(-1, hidden), b.reshape(-1, hidden)
    return float(np.mean((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))


def measure(running, sequences, seconds, rounds, hidden):
    """Median milliseconds of every engine, by the wall and of the CPU, in turns, and the least; its cosine."""
    states = {name: engine.run(sequences, keep=True)[1] for name, engine in running.items()}
    reference = states["onnxruntime f32"]
    times = {name: [] for name in running}
    start = time.perf_counter()
    while len(times["stance f32"]) < rounds or time.perf_counter() - start < seconds * len(running):
        for name, engine in running.items():
            # The last engine's threads spin for a while, and would take a core from the next one.
            time.sleep(REST)
            times[name].append(engine.run(sequences)[0])
    rows = {}
    for name, pairs in times.items():
        wall, cpu = np.array(pairs).T
        rows[name] = {"ms": float(np.median(wall)) * 1e3, "cpu_ms": float(np.median(cpu)) * 1e3,
                      "least_ms": float(wall.min()) * 1e3,
                      "cosine": cosine(states[name], reference, hidden)}
    return rows


def build():
    command = ["cargo", "bench", "--no-run", "--bench", "peer", "--message-format", "json"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    made = [json.loads(line) for line in out.splitlines()]
    return next(m["executable"] for m in made if m.get("executable") and m["target"]["name"] == "peer")


def main():
    # Here, because gpu.py reads this file and has no use for onnx.
    import bert_onnx

    options = arguments()
    program = options.peer or build()
    clock = {"wall": "ms", "cpu": "cpu_ms", "least": "least_ms"}[options.clock]
    cases = [(str(n), [n] * b) for n in options.lengths for b in options.batches] + [("mix", MIX)]
    results = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(options.model, folder, dirs_exist_ok=True)
        weights, shape, vocab = read(folder)
        hidden = weights["embeddings.LayerNorm.weight"].shape[0]
        bert_onnx.save(bert_onnx.fused(weights, *shape), folder / "fused.onnx")
        path = bert_onnx.save(bert_onnx.standard(weights, *shape), folder / "standard.onnx")
        forms = quantised(path, folder, vocab)
        for threads in options.threads:
            running = dict(engines(program, folder, threads, forms))
            for label, lengths in cases:
                rng = np.random.default_rng(3)
                sequences = [rng.integers(5, vocab, n).tolist() for n in lengths]
                rows = measure(running, sequences, options.seconds, options.rounds, hidden)
                results.append({"threads": threads, "length": label, "batch": len(lengths),
                                "engines": rows})
                show(results[-1], clock)
            for engine in running.values():
                if isinstance(engine, Ours):
                    engine.close()
    summary(results, clock)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"(driver's resident memory at most {peak // 1024} MiB)")


def show(case, clock):
    print(f"\n{case['threads']} threads, length {case['length']}, batch {case['batch']}")
    best = case["engines"]["stance f32"][clock]
    for name, row in case["engines"].items():
        print(f"  {name:17} {row['ms']:9.2f} ms  cpu {row['cpu_ms']:9.2f} ms  least {row['least_ms']:9.2f} ms  cos {row['cosine']:.5f}"
              f"  {best / row[clock]:6.2f} × stance f32")
    sys.stdout.flush()


def summary(results, clock):
    """How much faster this encoder is than the best peer of each precision."""
    groups = {"f32": ["onnxruntime f32", "openvino f32"],
              "int8": ["onnxruntime int8", "openvino int8"],
              "any": ["onnxruntime f32", "onnxruntime int8", "openvino f32", "openvino bf16",
                      "openvino int8"]}
    print("\nratios: best peer's time / this encoder's time (above 1: this encoder is faster)")
    for case in results:
        rows = case["engines"]
        best = {group: min(rows[n][clock] for n in names) for group, names in groups.items()}
        print(f"  {case['threads']} threads  length {case['length']:>4}  "
              f"batch {case['batch']:2}  f32 {best['f32'] / rows['stance f32'][clock]:5.2f}  "
              f"bf16 {rows['openvino bf16'][clock] / rows['stance bf16'][clock]:5.2f}  "
              f"int8 {best['int8'] / rows['stance int8'][clock]:5.2f}  "
              f"int8 to the best of all {best['any'] / rows['stance int8'][clock]:5.2f}  "
              f"int8 to bf16 {rows['openvino bf16'][clock] / rows['stance int8'][clock]:5.2f}")
    for case in results:
        alone = next((c for c in results if c["threads"] == 1 and c["length"] == case["length"]
                      and c["batch"] == case["batch"]), case)
        if alone is not case:
            # By the wall, whatever the ratios are of: processor time would not tell.
            wall = "ms" if clock == "cpu_ms" else clock
            faster = {name: alone["engines"][name][wall] / row[wall]
                      for name, row in case["engines"].items()}
            print(f"  {case['threads']} threads × one  length {case['length']:>4}  "
                  f"batch {case['batch']:2}  "
                  + "  ".join(f"{name} {ratio:4.2f}" for name, ratio in faster.items()))


if __name__ == "__main__":
    main()
