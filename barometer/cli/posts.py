"""Commands about posts: where they come from, and those that could not be stored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from barometer.console import print_json, print_line, print_table
from barometer.errors import InputError, SourceError
from barometer.options import Json
from barometer.settings import settings

if TYPE_CHECKING:
    from ingestion.intake import Reading

app = typer.Typer()


@app.command()
def ingest(
    *,
    source: Annotated[
        str, typer.Option(help="`replay` or a source that `sources` lists; rss if left out.")
    ] = "",
    event: Annotated[str, typer.Option(help="Only for this event's slug.")] = "",
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Follow the live source, or all of them, until stopped."),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Into Parquet files for training, not into the stream."),
    ] = False,
    json_: Json = False,
) -> None:
    """Read a source for the tracked events into the stream, once (a replay: until stopped).

    With --offline: each source that may be learned from (or --source) into STATE_DIR/collected.

    Example: barometer ingest --source rss --event budget
    """
    from ingestion.command import follow_sources, ingest_once

    if offline:
        if follow:
            raise InputError("--offline: choose between it and --follow.", "offline")
        _collect(source, event, json_=json_)
        return
    if follow:
        if event:
            raise InputError(
                "event: a live source is followed for all events; leave it out.", "event"
            )
        follow_sources(settings(), source or None)
        return
    source = source or "rss"
    readings = ingest_once(settings(), source, event or None)
    if json_:
        print_json([vars(reading) for reading in readings])
    else:
        _show("Read into the stream", "accepted", readings)
    if readings and all(reading.error for reading in readings):
        raise SourceError(f"{source}: no reading succeeded; the first says: {readings[0].error}")


def _collect(source: str, event: str, *, json_: bool) -> None:
    from ingestion.offline.collect import collect, plan_collecting

    plan = plan_collecting(settings(), source, event)
    readings = [collect(settings(), planned) for planned in plan.readings]
    if json_:
        lines = [vars(reading) for reading in readings]
        print_json({"readings": lines, "left_out": plan.left_out})
    else:
        _show("Collected for training", "collected", readings)
        for name, reason in plan.left_out.items():
            print_line(f"{name} {reason}")
    if readings and all(reading.error for reading in readings):
        raise SourceError(f"no reading succeeded; the first says: {readings[0].error}")


def _show(title: str, taken: str, readings: "Sequence[Reading]") -> None:
    columns = ("source", "event", taken, "duplicates", "rejected", "fault")
    rows = [
        (r.source, r.event, r.accepted, r.duplicates, r.rejected, r.error or "") for r in readings
    ]
    print_table(title, columns, rows)


@app.command()
def track(
    title: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    keyword: Annotated[
        list[str] | None, typer.Option(help="Words to look for; repeatable.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="What is read for it, of those that `sources` lists; repeatable. rss."),
    ] = None,
    slug: Annotated[str, typer.Option(help="Its name in addresses; made from the title.")] = "",
    json_: Json = False,
) -> None:
    """Track an event: its sources are read for it from the next run of the ingest flow on.

    Example: barometer track "City budget" --keyword budget --source rss --source bluesky
    """
    from barometer.database import ready_engine
    from barometer.events import event_row, new_event
    from barometer.events import track as start_tracking
    from barometer.search import link_stored
    from ingestion.catalog import kind_of

    kinds = [kind_of(name) for name in dict.fromkeys(source or ("rss",))]
    engine = ready_engine(settings())
    event = new_event(title, keyword or (), [kind.name for kind in kinds], slug or None)
    start_tracking(engine, event)
    linked = link_stored(engine, event_row(engine, event.slug).id, event.keywords)
    if json_:
        print_json(event.model_dump(mode="json") | {"linked": linked})
    else:
        print_line(f"tracking {event.title!r} as {event.slug}; {linked} stored posts mention it")
    for kind in kinds:
        missing = kind.missing(settings())
        if missing:
            print_line(f"{kind.name} is not read before you set {missing}", to_people=True)


@app.command("dead-letters")
def dead_letters(
    *,
    replay: Annotated[
        bool, typer.Option("--replay", help="Put them back into the stream.")
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them for ever.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    json_: Json = False,
) -> None:
    """List posts that could not be stored, with the reason; or try them again, or delete them.

    They are kept until one of the two is done.

    Example: barometer dead-letters --replay
    """
    from barometer.brokers import answering_broker

    if replay and delete:
        raise InputError("--delete: choose between it and --replay.", "delete")
    broker = answering_broker(settings())
    letters = broker.dead_letters(limit)
    if replay or delete:
        done = sum(map(broker.revive if replay else broker.discard, letters))
        if json_:
            print_json({"replayed" if replay else "deleted": done})
        else:
            print_line(f"{done} dead letters are {'in the stream again' if replay else 'deleted'}")
    elif json_:
        print_json([vars(letter) for letter in letters])
    else:
        rows = [(letter.id, letter.reason) for letter in letters]
        print_table("Dead letters", ("id", "reason"), rows)
