"""A tiny model with weights that mean nothing, loaded at once (as tests/common/tiny_model.rs)."""

import hashlib
import json
import math
import shutil
import struct
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUCKETS = 18


def write_tiny(folder):
    """Writes its files into a folder."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(ROOT / "tests/fixtures/encoders/bert" / name, folder / name)
    hidden, inner, heads, topics = 32, 16, 4, ["medtop:11000000", "medtop:16000000"]
    config = {
        "schema": 1,
        "window_tokens": 64,
        "window_overlap": 16,
        "topics": topics,
        "attention_heads": heads,
        "inner": inner,
        "calibration": {
            "stance_temperature": 1.0,
            "stance_threshold": 0.5,
            "topic_temperature": 1.0,
            "topic_threshold": 0.5,
        },
    }
    (folder / "stance.json").write_text(json.dumps(config))
    shapes = {"stance.distance": [BUCKETS, heads], "stance.named": [2, hidden]}
    dense = [
        ("stance.query", hidden, hidden),
        ("stance.key", hidden, hidden),
        ("stance.value", hidden, hidden),
        ("stance.mix", 4 * hidden, inner),
        ("stance.inner", inner, inner),
        ("stance.output", inner, 3),
        ("stance.gate", inner, 1),
        ("topic.inner", hidden, inner),
        ("topic.output", inner, len(topics)),
    ]
    for name, inputs, outputs in dense:
        shapes[f"{name}.weight"] = [outputs, inputs]
        shapes[f"{name}.bias"] = [outputs]
    write_safetensors(folder / "heads.safetensors", shapes)
    files = {}
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest = {
        "schema": 1,
        "name": "tiny",
        "version": "0.0.1",
        "created": "2026-01-01T00:00:00Z",
        "license": "Apache-2.0",
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def write_safetensors(path, shapes):
    header, data, at = {}, [], 0
    for name, shape in shapes.items():
        values = np.sin(np.arange(math.prod(shape), dtype=np.float32)) * np.float32(0.3)
        end = at + values.nbytes
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        data.append(values.tobytes())
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
