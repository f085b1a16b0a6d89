#!/usr/bin/env python3
"""What an archive costs, and beside what: everything that docs/scale.md says, in one run.

    python3 -m venv /tmp/archive
    /tmp/archive/bin/pip install -r benches/peers/requirements.txt wheels/stance-*.whl
    /tmp/archive/bin/python benches/archive.py target/release/stance --threads 1 2

Each row is a command on so many documents and on three times as many, on a file each: the
difference is without start-up. `CPU` is the time of all its processes on their cores, `wall` is the
clock's. Rounds take turns, and of a file the fastest round counts: what else runs on the machine
only adds to a time. It prints:

- cost: documents a second by length, and by threads;
- growth: the time with 10 and 100 actors of a document, against one;
- peers: the time of a document of 300 words in `stance score`, in the Python package (a call for
  each, or one for all), by curl from `stance serve` one by one, and, of the encoder alone, in
  ONNX Runtime with the same weights and the same tokens (a document at a time, or 32 windows of
  like length), and in this program's encoder (with --peer);
- memory: the most that is resident, by the number of documents, with the model and, for numbers
  that no model would do in time, with a tiny one of random weights.

A row whose packages are not installed says so. The encoder alone is less than the product: it
finds no actors, asks no heads and writes no answers.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benches/peers"), str(ROOT / "python/tests")]
TICKS = os.sysconf("SC_CLK_TCK")
# Documents of the smaller file, by their words.
COUNTS = {50: 200, 300: 60, 1000: 20}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", type=Path, help="the program `stance`")
    parser.add_argument("--model", default="default", help="a name or a folder, as of stance score")
    parser.add_argument("--dtype", default="f32", choices=["f32", "int8"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="the first is of all rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=float, default=1.0, help="times as many documents as usual")
    parser.add_argument("--peer", type=Path, help="the program `--bench peer`, for this encoder alone")
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--tiny-memory", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--only", nargs="+", default=["cost", "growth", "peers", "memory"])
    return parser.parse_args()


# Documents


def texts(count, words):
    """Texts that begin at different words of the same text."""
    all_words = (ROOT / "examples/en.txt").read_text("utf-8").split()
    for number in range(count):
        at = number * 3
        yield " ".join(all_words[(at + i) % len(all_words)] for i in range(words))


def plain(count, words):
    return ({"text": text} for text in texts(count, words))


def named(count, actors):
    """300 words with the same hundred names, of which so many are judged."""
    names = [f"Party {number + 10}" for number in range(100)]
    text = " ".join(f"{name} met." for name in names)
    asked = [{"id": name, "names": [name]} for name in names[:actors]]
    return ({"text": f"{text} In round {n} nobody won.", "actors": asked} for n in range(count))


def short(count):
    """About ten words."""
    rng = random.Random(1)
    words = (ROOT / "examples/en.txt").read_text("utf-8").split()
    for number in range(count):
        yield {"id": f"d{number}", "text": f"Spain {' '.join(rng.choices(words, k=9))}."}


def written(path, documents):
    with open(path, "w", encoding="utf-8") as out:
        for document in documents:
            out.write(json.dumps(document) + "\n")
    return path


# Commands and their time


def spent(pid):
    """Seconds on a core of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(command, threads, beside=None):
    """Wall and CPU seconds of a command, and KiB resident; with the time of a process beside it."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    before = spent(beside) if beside else 0.0
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"archive.py: {command[0]} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime + (spent(beside) - before if beside else 0.0)
    return wall, cpu, usage.ru_maxrss


class Rows:
    """Commands on two files each, timed in turns."""

    def __init__(self, folder, rounds, size):
        self.folder, self.rounds, self.size = folder, rounds, size
        self.rows = {}

    def add(self, name, command, documents, count, *about, threads=1, beside=None):
        """`command` makes a command of a file; `documents` gives so many documents."""
        count = max(2, round(count * self.size))
        files = []
        for number in (count, 3 * count):
            said = "-".join(map(str, (documents.__name__, *about, number)))
            path = self.folder / f"{said}.jsonl"
            if not path.exists():
                written(path, documents(number, *about))
            files.append(path)
        self.rows[name] = (command, files, 2 * count, threads, beside)

    def times(self):
        """By name: wall and CPU seconds of a document."""
        found = {}
        for _ in range(self.rounds):
            for name, (command, files, _, threads, beside) in self.rows.items():
                for file in files:
                    wall, cpu, _ = run(command(file), threads, beside)
                    best = found.get((name, file), (wall, cpu))
                    found[name, file] = (min(wall, best[0]), min(cpu, best[1]))
        times = {}
        for name, (_, files, more, _, _) in self.rows.items():
            few, many = (found[name, file] for file in files)
            times[name] = tuple((many[i] - few[i]) / more for i in (0, 1))
        return times


def scorer(options, folder, model=None):
    model = model or options.model

    def command(file):
        asked = ["--model", model, "--dtype", options.dtype, "--device", "cpu", "--overwrite"]
        output = ["--output", folder / "out.jsonl", "--progress", "none"]
        return [options.program, "score", file, *asked, *output]

    return command


# What is printed


def cost(options, folder):
    rows = Rows(folder, options.rounds, options.size)
    for threads in options.threads:
        for words, count in COUNTS.items():
            name = (words, threads)
            rows.add(name, scorer(options, folder), plain, count, words, threads=threads)
    times = rows.times()
    print("| words | threads | a second, wall | a second of CPU | hours for a million, CPU "
          "| wall, × the first |\n| --- | --- | --- | --- | --- | --- |")
    for (words, threads), (wall, cpu) in times.items():
        faster = times[words, options.threads[0]][0] / wall
        print(f"| {words} | {threads} | {1 / wall:.1f} | {1 / cpu:.1f} | {cpu * 1e6 / 3600:.1f} "
              f"| {faster:.2f} |")


def growth(options, folder):
    rows = Rows(folder, options.rounds, options.size)
    for actors in (1, 10, 100):
        rows.add(actors, scorer(options, folder), named, 40, actors, threads=options.threads[0])
    times = rows.times()
    print("| actors of a document | CPU ms a document | × one actor |\n| --- | --- | --- |")
    for actors, (_, cpu) in times.items():
        print(f"| {actors} | {cpu * 1e3:.1f} | {cpu / times[1][1]:.3f} |")


def peers(options, folder):
    rows = Rows(folder, options.rounds, options.size)
    threads = options.threads[0]
    server, address = serve(options, threads)
    export = folder / "export"
    contender = [sys.executable, str(ROOT / "benches/contender.py")]
    model = model_folder(options)
    missing = {}

    def add(name, command, needs=(), beside=None):
        lacking = [module for module in needs if not importable(module)]
        if lacking:
            missing[name] = f"not measured: no {', '.join(lacking)}"
        else:
            rows.add(name, command, plain, COUNTS[300], 300, threads=threads, beside=beside)

    def python(kind, *more):
        return lambda file: [*contender, kind, file, *more]

    def curl(file):
        # One process of curl for each, as from a script.
        loop = f"""while IFS= read -r line; do
          curl -fsS -o /dev/null -H 'content-type: application/json' \
            -d "{{\\"documents\\":[$line]}}" {address}/v1/classify || exit 1
        done"""
        return ["bash", "-c", f"{{ {loop}; }} <{file}"]

    add("stance score", scorer(options, folder))
    for kind, name in (("each", "a call for each"), ("all", "one call")):
        add(f"Python package, {name}", python(kind, options.model, options.dtype), ["stance"])
    add("curl, one by one", curl, beside=server.pid)
    onnx = ["onnxruntime", "onnx", "tokenizers", "safetensors"]
    if all(map(importable, onnx)):
        run([*contender, "export", model, export, options.dtype], threads)
    for size, name in ((1, "a document at a time"), (32, "32 windows at a time")):
        add(f"ONNX Runtime, {name}", python("onnx", model, export, size, threads), onnx)
    if options.peer:
        peer = python("peer", model, options.peer.resolve(), options.dtype)
        add("this encoder alone, 32 windows at a time", peer, ["tokenizers"])
    times = rows.times()
    server.terminate()
    server.wait()
    own = times["stance score"]
    print(f"300 words, {options.dtype}, {threads} threads\n"
          "| | wall ms a document | CPU ms a document | wall, × stance score | CPU, × stance score |\n"
          "| --- | --- | --- | --- | --- |")
    for name, (wall, cpu) in times.items():
        print(f"| {name} | {wall * 1e3:.1f} | {cpu * 1e3:.1f} | {wall / own[0]:.2f} "
              f"| {cpu / own[1]:.2f} |")
    for name, why in missing.items():
        print(f"| {name} | {why} | | | |")


def memory(options, folder):
    from tiny_model import write_tiny

    print("| documents | model | MiB resident at the most | × the first | minutes |\n"
          "| --- | --- | --- | --- | --- |")
    tiny = folder / "tiny"
    tiny.mkdir()
    write_tiny(tiny)
    for name, model, counts in (("", options.model, options.memory), ("tiny", tiny, options.tiny_memory)):
        first = None
        for count in counts:
            file = written(folder / "short.jsonl", short(count))
            wall, _, resident = run(scorer(options, folder, model)(file), options.threads[0])
            first = first or resident
            print(f"| {count:,} | {name or model} | {resident / 1024:.0f} | {resident / first:.3f} "
                  f"| {wall / 60:.1f} |", flush=True)
            file.unlink()


def serve(options, threads):
    asked = ["--model", options.model, "--dtype", options.dtype, "--port", "0"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    server = subprocess.Popen([options.program, "serve", *asked, "--log-level", "error"],
                              stdout=subprocess.PIPE, text=True, env=environment)
    address = None
    for line in server.stdout:
        address = address or next((w for w in line.split() if w.startswith("http://")), None)
        if line.startswith("model "):
            return server, address.rstrip("/")
    sys.exit("archive.py: the service did not start")


def model_folder(options):
    return ROOT / "models/default" if options.model == "default" else Path(options.model)


def importable(module):
    from importlib.util import find_spec

    return find_spec(module) is not None


def main():
    options = arguments()
    options.program = options.program.resolve()
    model = json.loads((model_folder(options) / "manifest.json").read_text())
    print(f"{model['name']} {model['version']}, {options.dtype}; {options.rounds} rounds")
    for name in options.only:
        folder = Path(tempfile.mkdtemp())
        try:
            print(f"\n{name}", flush=True)
            {"cost": cost, "growth": growth, "peers": peers, "memory": memory}[name](options, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
