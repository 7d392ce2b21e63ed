"""`barometer forget`: remove a person's posts, and keep later ones away."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from barometer.console import print_json, print_line, print_table, progress
from barometer.errors import InputError, UnavailableError
from barometer.options import Json
from barometer.settings import Settings, settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from barometer.broker import Erased
    from barometer.person import Person

app = typer.Typer()
Counts = dict[str, int | None]
"""What was removed from where; None: it is not known, or cannot be."""
BY_AGE = "removed by Kafka, by age alone"
UNSEEN = "not looked at: it does not answer"


@app.command()
def forget(
    *,
    author: Annotated[
        str, typer.Option(help="The name, as the source writes it; or a stored `author:…`.")
    ],
    source: Annotated[str, typer.Option(help="Only at this source; unset: at all.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and remove nothing.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take this author's posts again from now on.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    json_: Json = False,
) -> None:
    """Remove a person's posts everywhere, and take none of them in again. Counts stay.

    Example: barometer forget --author @anna@mastodon.social --dry-run
    """
    from barometer.authors import Authors
    from barometer.database import ready_engine
    from barometer.erasure import keep_away
    from barometer.person import Person
    from ingestion.catalog import KINDS

    config = settings()
    person = Person(Authors(config), author, source or None)
    engine = ready_engine(config)
    if undo:
        _undo(engine, person, as_json=json_)
        return
    if not dry_run and not yes:
        if json_ or not sys.stdin.isatty():
            raise InputError("--yes: is needed where nobody can be asked.", "yes")
        found, missing = _removed(config, engine, person, only_count=True)
        _show(found, "Would be removed", missing)
        typer.confirm("Remove them for ever, and take none in again?", abort=True)
    if not dry_run:
        keep_away(engine, person, [kind.name for kind in KINDS])
    counts, notes = _removed(config, engine, person, only_count=dry_run)
    if json_:
        print_json({"removed": not dry_run, **counts, "notes": notes})
    else:
        _show(counts, "Would be removed" if dry_run else "Removed", notes)
    if UNSEEN in notes.values():
        raise UnavailableError(
            "the stream does not answer, so what it holds of this author is still there: start it "
            "with `barometer up`, or check BAROMETER_REDIS_URL and BAROMETER_BROKER_URL; then run "
            "the command again."
        )


def _removed(
    config: Settings, engine: "Engine", person: "Person", *, only_count: bool
) -> tuple[Counts, dict[str, str]]:
    """What was removed, or would be; and notes on what could not be."""
    from barometer.erasure import posts_by, remove
    from barometer.hidden_names import count_posts

    with progress("looking for posts") as (bar, task):
        bar.update(task, total=count_posts(engine))
        ids = posts_by(engine, person, lambda rows: bar.advance(task, rows))
    posts, links = len(ids), 0
    if not only_count:
        posts = 0
        with progress("removing posts") as (bar, task):
            bar.update(task, total=len(ids))
            for of_batch, links_of_batch in remove(engine, ids):
                posts, links = posts + of_batch, links + links_of_batch
                bar.advance(task, of_batch)
    counts: Counts = {"posts": posts}
    if not only_count:
        counts["links_to_events"] = links
    counts["collected_rows"] = _collected(config.state / "collected", person, only_count=only_count)
    erased = _erased(config, person, only_count=only_count)
    counts["stream_entries"] = erased.entries if erased else None
    counts["dead_letters"] = erased.letters if erased else None
    notes = {}
    if erased is None:
        notes = dict.fromkeys(("stream_entries", "dead_letters"), UNSEEN)
    elif erased.entries is None:
        notes = {"stream_entries": BY_AGE}
    return counts, notes


def _collected(folder: Path, person: "Person", *, only_count: bool) -> int:
    if next(folder.rglob("*.parquet"), None) is None:
        return 0
    from barometer.collected_authors import remove_rows

    rows = 0
    with progress("reading collected files") as (bar, task):
        for of_file in remove_rows(folder, person, only_count=only_count):
            rows += of_file
            bar.advance(task)
    return rows


def _erased(config: Settings, person: "Person", *, only_count: bool) -> "Erased | None":
    from barometer.brokers import answering_broker

    try:
        broker = answering_broker(config)
        return broker.erase(person.wrote_json, only_count=only_count)
    except UnavailableError:
        return None


def _undo(engine: "Engine", person: "Person", *, as_json: bool) -> None:
    from barometer.forgotten import let_in

    mark = None if person.source is None else person.mark_at(person.source)
    done = let_in(engine, person.mark, mark)
    if as_json:
        print_json({"let_in": done})
    elif done:
        print_line("posts of this author are taken again from now on; removed ones stay removed")
    else:
        print_line("this author was not forgotten")


def _show(counts: Counts, title: str, notes: dict[str, str]) -> None:
    rows = [
        (name.replace("_", " "), notes.get(name) or (0 if count is None else count))
        for name, count in counts.items()
    ]
    print_table(title, ("where", "how many"), rows)
