"""What callers are told of a fault: no folder of this machine, which is the log's alone."""

import re
from typing import Final

FOLDERS: Final = re.compile(
    r"(?:\b(?:file|sqlite):/*|(?<![\w.:/]))"  # a store's address is a folder too; a page's is none
    r"/(?:[^/\n'\":;,()]+/)+"  # spaces belong to names: rather a word too much than half a folder
)


def without_folders(reason: str) -> str:
    """`reason` with the last part only of each path: `model folder …/starter lacks model.onnx`."""
    return FOLDERS.sub("…/", reason)
