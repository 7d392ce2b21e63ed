"""How fast posts are stored, and what that costs beside the model: posts a second by batch size.

    python -m benchmarks.store
    python -m benchmarks.store --postgres postgresql://me@127.0.0.1/scratch

Stores synthetic posts into a scratch SQLite file, or into the PostgreSQL database that is named,
which is filled first so that its indexes have some depth. `processor` is this process' own time
for one post; PostgreSQL's processes have theirs beside it. The model's line is the starter over
the same texts on one thread: a scorer does both for each post.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from sqlalchemy import Engine

from barometer.console import print_line, print_table
from barometer.database import engine_for, migrate
from barometer.errors import ConflictError
from barometer.store import Judged, store
from benchmarks.synthetic import judged_posts, track_events
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from ingestion.replay import bundled_recording, load_recording
from serving.parts import STARTER

SIZES = (1, 32, 256, 1024)
BATCH = 256
"""What `BAROMETER_SCORER_BATCH` is unless it is set."""
POSTS_OF_A_SIZE = {1: 500, 32: 6_000, 256: 20_000, 1024: 20_000}


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--postgres", default="", help="URL of a PostgreSQL database to fill")
    parser.add_argument("--first", type=int, default=50_000, help="posts that are there before")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barometer-store-") as scratch:
        url = chosen.postgres or f"sqlite:///{scratch}/store.db"
        migrate(url)
        engine = engine_for(url)
        _prepare(engine, chosen.first)
        rows = [(f"store, batches of {size}", *_storing(engine, size)) for size in SIZES]
    rows.append(("the model alone, one thread", *_classifying()))
    model, storing = rows[-1][-1], rows[SIZES.index(BATCH)][-1]
    title = f"{engine.dialect.name}, {chosen.first:,} posts there before"
    print_table(title, ("what", "posts", "a second", "ms a post", "processor ms a post"), rows)
    share = model / (model + storing)
    print_line(f"classifying and storing batches of {BATCH}: {share:.0%} of the model's speed")


def _prepare(engine: Engine, first: int) -> None:
    with suppress(ConflictError):  # an earlier run tracked them
        track_events(engine)
    _in_batches(engine, list(judged_posts(first, prefix=uuid4().hex[:8])), 5_000)


def _storing(engine: Engine, size: int) -> tuple[int, int, float, float]:
    judged = list(judged_posts(POSTS_OF_A_SIZE[size], prefix=uuid4().hex[:8]))
    return _timed(len(judged), lambda: _in_batches(engine, judged, size))


def _in_batches(engine: Engine, judged: list[Judged], size: int) -> None:
    for start in range(0, len(judged), size):
        store(engine, judged[start : start + size])


def _classifying() -> tuple[int, int, float, float]:
    classifier = Classifier(open_model_folder(STARTER), threads=1)
    # Made-up words would cut into more tokens than people's, and flatter the share below.
    texts = [line.text for line in load_recording(bundled_recording()).lines] * 5
    classifier.score(texts[:256])
    return _timed(len(texts), lambda: [classifier.score(texts[n : n + 256])
                                       for n in range(0, len(texts), 256)])  # fmt: skip


def _timed(posts: int, work: Callable[[], object]) -> tuple[int, int, float, float]:
    """Posts, posts a second, and milliseconds a post: by the clock, and of this processor."""
    began, used = time.perf_counter(), time.process_time()
    work()
    seconds, busy = time.perf_counter() - began, time.process_time() - used
    return posts, round(posts / seconds), 1000 * seconds / posts, 1000 * busy / posts


if __name__ == "__main__":
    main()
