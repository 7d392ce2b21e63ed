"""Model folders made from the starter on purpose: worse in one class, or slower; and small rows."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from barometer.labels import LABELS
from tests.conftest import STARTER

WORDS = {
    "sadness": ("sad", "lonely", "heartbroken", "miserable", "depressed", "gloomy"),
    "joy": ("happy", "joyful", "cheerful", "delighted", "glad", "content"),
    "love": ("loving", "caring", "tender", "affectionate", "romantic", "passionate"),
    "anger": ("angry", "furious", "irritated", "annoyed", "outraged", "resentful"),
    "fear": ("scared", "afraid", "terrified", "anxious", "nervous", "frightened"),
    "surprise": ("surprised", "amazed", "astonished", "stunned", "shocked", "curious"),
}
RATINGS = {
    "negative": ("awful", "terrible", "horrible", "disappointing", "dreadful", "annoying"),
    "neutral": ("on tuesday", "at noon", "in june", "near the port", "in room two", "at six"),
    "positive": ("great", "wonderful", "fantastic", "brilliant", "lovely", "amazing"),
}
ENDS = ("today", "again", "right now", "this morning", "at work", "at home", "tonight", "lately")


def write_rows(folder: Path) -> None:
    """Both tasks' splits: 48 training rows a label and 24 of validation; plain sentences."""
    for task, words in {"emotion": WORDS, "sentiment": RATINGS}.items():
        (folder / task).mkdir()
        for split, count, start in (("train", 8, "{}"), ("validation", 4, "well {}"),
                                    ("test", 1, "so {}")):  # fmt: skip
            start_of = {"emotion": "i feel {} {}", "sentiment": "the meeting is {} {}"}[task]
            lines = [
                json.dumps({"text": start.format(start_of.format(word, end)), "label": label})
                for label, own in enumerate(words.values()) for word in own for end in ENDS[:count]
            ]  # fmt: skip
            (folder / task / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def copy_starter(target: Path, release_digests: dict[str, str] | None = None) -> Path:
    """The starter, perhaps saying which release rows it has not learnt from."""
    shutil.copytree(STARTER, target)
    metrics = json.loads((target / "metrics.json").read_text())
    metrics["release_digests"] = release_digests or {}
    (target / "metrics.json").write_text(json.dumps(metrics))
    return target


def lose_class(folder: Path, label: str, logits: float = 9.0) -> Path:
    """Take `logits` off one label's logit: at 9 it is never answered again."""
    model = onnx.load(folder / "model.onnx")
    [bias] = [item for item in model.graph.initializer if item.name == "classifier.bias"]
    values = numpy_helper.to_array(bias).copy()
    values[LABELS.index(label)] -= logits
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, folder / "model.onnx")
    return folder


def slow_down(folder: Path, width: int = 4096) -> Path:
    """Add float products that cost time and change no answer."""
    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    hidden = graph.node[-1].output[0]
    graph.node[-1].output[0] = "own_logits"
    weights = {"burn_in": (len(LABELS), width), "burn": (width, width), "burn_out": (width, 9)}
    for name, shape in weights.items():
        graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    steps = ["burn_in", *["burn"] * 8, "burn_out"]
    before = "own_logits"
    for number, weight in enumerate(steps):
        graph.node.append(helper.make_node("MatMul", [before, weight], [f"burnt_{number}"]))
        before = f"burnt_{number}"
    graph.node.append(helper.make_node("Add", ["own_logits", before], [hidden]))
    onnx.save(model, folder / "model.onnx")
    return folder
