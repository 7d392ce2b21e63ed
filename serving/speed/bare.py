"""The bare classifier in a process of its own: for each line of standard input, one round.

    python -m serving.speed.bare BATCH < rounds.jsonl

A line is a JSON list of texts. They are classified, BATCH at a time, and answered with a line of
two numbers: seconds and processor seconds.
"""

import json
import sys
import time

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from serving.parts import STARTER


def main() -> None:
    """Load the starter, on one thread, and answer."""
    batch = int(sys.argv[1])
    classifier = Classifier(open_model_folder(STARTER), threads=1)
    for line in sys.stdin:
        texts = json.loads(line)
        started, used = time.perf_counter(), time.process_time()
        for first in range(0, len(texts), batch):
            classifier.score(texts[first : first + batch])
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        sys.stdout.write(f"{seconds} {processor}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
