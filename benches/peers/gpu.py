#!/usr/bin/env python3
"""The encoder on a GPU against PyTorch on the same weights, ratios in one run.

    cargo bench --no-run --bench peer --features cuda      # names the program that it built
    python3 benches/peers/gpu.py --peer PROGRAM

It needs PyTorch, transformers and what `requirements.txt` lists for `run.py`.

PyTorch runs the BertModel of transformers with its fused attention: in f32 with and without tf32,
in bf16, and in bf16 compiled for every shape. Engines take turns; a turn is one pass, or several
short ones of which the first does not count, because the GPU goes from one program to another
in it. The first turns warm up. Times are medians, until the GPU is done; that of this encoder is
from ids in the memory of the CPU; those of PyTorch are on the GPU before. Neither includes the
way of the states back. Where sequences differ in length PyTorch pads them to the longest, as its
users must, and this encoder does not; tokens and operations are counted without the padding.
States are held against this encoder's on the CPU in f32. An engine that fails is reported, and
the others go on.
"""

import argparse
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from run import MIX, ROOT, packed, padded, tensors

# Turns that warm up, and that are timed at the least; seconds of passes in a turn at the least.
WARM, LEAST, TURN = 3, 5, 0.02
# Seconds after which a case ends and an engine that does not answer is given up.
PATIENCE = 60

# What an engine of ours is compared with: PyTorch's in the same precision.
ALIKE = {"stance f32": ["torch f32"], "stance tf32": ["torch tf32"],
         "stance bf16": ["torch bf16", "torch bf16 compiled"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", required=True, help="the program `--bench peer`, built for the GPU")
    parser.add_argument("--model", type=Path, default=ROOT / "models/default", help="a BERT's folder")
    parser.add_argument("--seconds", type=float, default=0.5, help="per engine and case")
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--tokens", type=int, default=65_536, help="of a batch")
    parser.add_argument("--compiling", type=float, default=75,
                        help="seconds for all of torch.compile; later shapes go without")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda",
                        help="the CPU only to try this script out")
    parser.add_argument("--json", type=Path, help="also write the numbers here, after every case")
    return parser.parse_args()


def libraries():
    """The environment, with the CUDA libraries that PyTorch brings along behind the others."""
    torch = importlib.util.find_spec("torch")
    folders = sorted(Path(torch.origin).parents[1].glob("nvidia/*/lib")) if torch else []
    known = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return os.environ | {"LD_LIBRARY_PATH": ":".join(filter(None, [*known, *map(str, folders)]))}


class Ours:
    """A process of its own, started anew for the next case when one made it fail."""

    def __init__(self, program, model, form, device, place):
        self.command = [program, str(model), form, device]
        self.log, self.file = place / f"{form}-{device}.log", place / f"{form}-{device}.states"
        self.process = None

    def prepare(self, sequences):
        self.request = {"sequences": sequences, "states": None}
        self.line = json.dumps(self.request) + "\n"
        if self.process is None:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(self.command, env=libraries(), text=True, stderr=log,
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return {}

    def run(self):
        return self.ask(self.line)

    def states(self):
        self.ask(json.dumps(self.request | {"states": str(self.file)}) + "\n")
        states = np.fromfile(self.file, np.float32)
        self.file.unlink()
        return states.reshape(sum(map(len, self.request["sequences"])), -1)

    def ask(self, line):
        guard = threading.Timer(PATIENCE, self.process.kill)
        guard.start()
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            guard.cancel()
        if not answer:
            code = self.close()
            late = f" (no answer in {PATIENCE} s)" if code == -signal.SIGKILL else ""
            said = " ".join(self.log.read_text().splitlines()[-5:])
            raise RuntimeError(f"the program ended with status {code}{late}: {said}")
        return json.loads(answer)["seconds"]

    def close(self):
        """Ends the process; its exit status."""
        process, self.process = self.process, None
        if process is None:
            return None
        try:
            process.stdin.close()
            return process.wait(PATIENCE)
        except BrokenPipeError:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class Torch:
    def __init__(self, model, precision):
        self.model, self.precision = model, precision
        self.call = model

    def prepare(self, sequences):
        import torch

        torch.cuda.empty_cache()
        inputs, device = padded(sequences), self.model.device
        self.sequences = sequences
        self.inputs = {"input_ids": torch.from_numpy(inputs["ids"]).long().to(device)}
        if not inputs["mask"].all():  # without a mask attention has faster kernels
            self.inputs["attention_mask"] = torch.from_numpy(inputs["mask"]).long().to(device)
        return {}

    def forward(self):
        import torch

        # Set for each pass, since it holds for all engines.
        torch.set_float32_matmul_precision(self.precision)
        with torch.inference_mode():
            return self.call(**self.inputs).last_hidden_state

    def run(self):
        self.wait()
        start = time.perf_counter()
        self.forward()
        self.wait()
        return time.perf_counter() - start

    def wait(self):
        import torch

        if self.model.device.type == "cuda":
            torch.cuda.synchronize()

    def states(self):
        return packed(self.forward().float().cpu().numpy(), self.sequences)


class Compiled(Torch):
    """Compiled anew for every shape, as long as there is time left for it."""

    def __init__(self, model, precision, seconds):
        super().__init__(model, precision)
        self.left = seconds

    def prepare(self, sequences):
        import torch

        if self.left <= 0:
            raise RuntimeError("the time for compiling is spent (--compiling)")
        super().prepare(sequences)
        torch._dynamo.reset()
        self.call = torch.compile(self.model, dynamic=False)
        start = time.perf_counter()
        signal.signal(signal.SIGALRM, too_slow)
        signal.setitimer(signal.ITIMER_REAL, self.left)
        try:
            self.run()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            taken = time.perf_counter() - start
            self.left -= taken
        return {"compile_s": taken}


def too_slow(_signal, _frame):
    raise TimeoutError("compiling takes too long (--compiling)")


def bert(folder, device):
    """transformers' model with the weights of `folder`, in f32."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(**json.loads((folder / "config.json").read_text()), attn_implementation="sdpa")
    model = BertModel(config, add_pooling_layer=False).float().eval()
    weights = tensors(folder / "model.safetensors")
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    # Neither changes the states: the pooler stands behind them, and the ids only count.
    other = [name for name in (*missing, *unexpected) if not name.startswith("pooler.")
             and not name.endswith((".position_ids", ".token_type_ids"))]
    if other:
        raise RuntimeError(f"the model and transformers name tensors differently: missing {missing}, "
                           f"unexpected {unexpected}")
    if model.config._attn_implementation != "sdpa":
        raise RuntimeError(f"attention is {model.config._attn_implementation}, not sdpa")
    return model.to(device)


class Failures:
    def __init__(self):
        self.all = []

    def attempt(self, name, case, work):
        """What `work` gives; `None`, with a line in the output, when it fails."""
        try:
            return work()
        except Exception as error:
            message = f"{type(error).__name__}: {error}"[:2000]
            self.all.append({"engine": name, "case": case, "error": message})
            print(f"  {name:20} FAILED in {case}: {message}", flush=True)
            return None


def engines(options, place, failures):
    found = {f"stance {form}": Ours(options.peer, options.model, form, options.device, place)
             for form in ("f32", "tf32", "bf16")}
    exact = failures.attempt("torch f32", "loading", lambda: bert(options.model, options.device))
    half = failures.attempt("torch bf16", "loading",
                            lambda: bert(options.model, options.device).bfloat16())
    if exact is not None:
        found |= {"torch f32": Torch(exact, "highest"), "torch tf32": Torch(exact, "high")}
    if half is not None:
        found |= {"torch bf16": Torch(half, "high"),
                  "torch bf16 compiled": Compiled(half, "high", options.compiling)}
    return found


def machine(device):
    """The names and versions of what computes."""
    import torch
    import transformers

    card = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return {"card": card, "torch": torch.__version__, "cuda": torch.version.cuda,
            "transformers": transformers.__version__}


def driver():
    asked = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit"
    command = ["nvidia-smi", asked, "--format=csv,noheader"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def rate(device):
    """TFLOP/s of a large product in bf16: the mean of ten after three."""
    import torch

    size = 8192 if device == "cuda" else 512
    a, b, out = (torch.randn(size, size, device=device).bfloat16() for _ in range(3))
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for number in range(13):
        if number == 3:
            wait()
            start = time.perf_counter()
        torch.mm(a, b, out=out)
    wait()
    return 10 * 2 * size**3 / (time.perf_counter() - start) / 1e12


def operations(config, lengths):
    """Floating-point operations of a pass: the products of matrices and those of attention."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    dense = 2 * (4 * hidden**2 + 2 * hidden * inner)
    return config["num_hidden_layers"] * sum(n * dense + 4 * n * n * hidden for n in lengths)


def compare(states, reference):
    a, b = states.astype(np.float64), reference.astype(np.float64)
    if a.shape != b.shape or not np.isfinite(a).all():
        raise RuntimeError(f"states are {a.shape}, expected {b.shape} finite numbers")
    size = np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * size)
    return {"mean_cosine": float(cosine.mean()), "least_cosine": float(cosine.min()),
            "largest_relative_error": float((np.linalg.norm(a - b, axis=1) / size).max()),
            "largest_difference": float(np.abs(a - b).max())}


def parity(running, exact, sequences, failures):
    """How near every engine's states are to those of `exact`."""

    def states(engine):
        engine.prepare(sequences)
        return engine.states()

    reference = failures.attempt("stance f32 cpu", "parity", lambda: states(exact))
    exact.close()
    if reference is None:
        return {}
    print("\nparity with the CPU in f32, by token: cosine, ‖difference‖ / ‖state‖")
    rows = {}
    for name, engine in running.items():
        row = failures.attempt(name, "parity", lambda: compare(states(engine), reference))
        if row:
            rows[name] = row
            print(f"  {name:20} cosine mean {row['mean_cosine']:.7f} least {row['least_cosine']:.7f}  "
                  f"largest relative error {row['largest_relative_error']:.2e}", flush=True)
    return rows


def turn(engine):
    """Seconds of the passes that count."""
    taken = [engine.run()]
    while sum(taken) < TURN:
        taken.append(engine.run())
    return taken[1:] or taken


def measure(running, label, sequences, seconds, failures):
    """Median seconds of every engine, in turns, the number of passes, and what preparing took."""
    rows, times = {}, {}
    for name, engine in running.items():
        row = failures.attempt(name, label, lambda: engine.prepare(sequences))
        if row is not None:
            rows[name], times[name] = row, []
    start = time.perf_counter()
    for number in itertools.count(1 - WARM):
        for name in list(rows):
            taken = failures.attempt(name, label, lambda: turn(running[name]))
            if taken is None:
                del rows[name]
            elif number > 0:
                times[name] += taken
        if number == 0:
            start = time.perf_counter()
        passed = time.perf_counter() - start
        enough = number >= LEAST and passed > seconds * len(rows)
        if not rows or enough or (number > 0 and passed > PATIENCE):
            break
    for name, row in rows.items():
        timed = times[name]
        row |= {"seconds": float(np.median(timed)), "least_seconds": min(timed), "passes": len(timed)}
    return rows


def judge(rows, config, lengths, peak):
    """Adds what follows from the times; `peak` in TFLOP/s, `None` where it was not measured."""
    best = min((row["seconds"] for name, row in rows.items() if name.startswith("torch")), default=None)
    for row in rows.values():
        seconds = row["seconds"]
        row["ms"] = seconds * 1e3
        row["tokens_per_s"] = sum(lengths) / seconds
        row["sequences_per_s"] = len(lengths) / seconds
        row["times_best_torch"] = best and best / seconds
        row["tflops"] = operations(config, lengths) / seconds / 1e12
        row["percent_of_peak"] = peak and 100 * row["tflops"] / peak


def show(case):
    print(f"\n{case['label']}: {case['sequences']} sequences, {case['tokens']:,} tokens, "
          f"{case['padded']:,} with PyTorch's padding")

    def number(value, form):
        return "-".rjust(len(format(0, form))) if value is None else format(value, form)

    for name, row in case["engines"].items():
        print(f"  {name:20} {row['ms']:9.3f} ms  {row['tokens_per_s']:12,.0f} tokens/s  "
              f"{row['sequences_per_s']:10,.1f} sequences/s  "
              f"{number(row['times_best_torch'], '6.2f')} × best torch  {row['tflops']:7.2f} TFLOP/s  "
              f"{number(row['percent_of_peak'], '5.1f')} % of bf16")
    sys.stdout.flush()


def summary(cases):
    """How much faster this encoder is than PyTorch in the same precision."""
    print("\nratios: PyTorch's time / this encoder's time in the same precision (above 1: this encoder "
          "is faster)")
    for case in cases:
        seconds = {name: row["seconds"] for name, row in case["engines"].items()}
        ratios = []
        for ours, others in ALIKE.items():
            theirs = [seconds[name] for name in others if name in seconds]
            if ours in seconds and theirs:
                ratios.append(f"{ours.split()[1]:>4} {min(theirs) / seconds[ours]:5.2f}")
        print(f"  {case['label']:10} " + "  ".join(ratios))


def batches(options):
    """The lengths of each case's sequences."""
    for length in options.lengths:
        yield f"{length}", [length] * max(1, options.tokens // length)
    yield "mix", MIX * max(1, round(options.tokens / sum(MIX)))
    yield "one of 128", [128]


def main():
    options = arguments()
    began = time.perf_counter()
    config = json.loads((options.model / "config.json").read_text())
    failures, result = Failures(), {"cases": []}
    result["failures"] = failures.all
    result["machine"] = failures.attempt("torch", "versions", lambda: machine(options.device))
    if options.device == "cuda":
        result["driver"] = failures.attempt("nvidia-smi", "driver", driver)
    result["bf16_tflops"] = failures.attempt("torch bf16", "peak", lambda: rate(options.device))
    print(json.dumps({name: result.get(name) for name in ("machine", "driver", "bf16_tflops")}), flush=True)

    def save():
        result["took_s"] = time.perf_counter() - began
        if options.json:
            options.json.write_text(json.dumps(result, indent=1))

    def drawn(lengths):
        rng = np.random.default_rng(3)
        return [rng.integers(5, min(60_000, config["vocab_size"]), n).tolist() for n in lengths]

    with tempfile.TemporaryDirectory() as place:
        running = engines(options, Path(place), failures)
        exact = Ours(options.peer, options.model, "f32", "cpu", Path(place))
        result["parity"] = parity(running, exact, drawn(MIX), failures)
        save()
        for label, lengths in batches(options):
            rows = measure(running, label, drawn(lengths), options.seconds, failures)
            judge(rows, config, lengths, result["bf16_tflops"])
            result["cases"].append({"label": label, "sequences": len(lengths), "tokens": sum(lengths),
                                    "padded": len(lengths) * max(lengths), "engines": rows})
            show(result["cases"][-1])
            save()
        for engine in running.values():
            if isinstance(engine, Ours):
                engine.close()
    summary(result["cases"])
    save()
    print(f"({result['took_s']:.0f} s, {len(failures.all)} failures)")


if __name__ == "__main__":
    main()
