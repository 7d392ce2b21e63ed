"""Commands about stored posts: hand them to analysts, delete what is old or gone elsewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from barometer.console import print_json, print_line, progress
from barometer.errors import InputError
from barometer.options import Json
from barometer.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    *,
    parquet: Annotated[Path, typer.Option(help="The file to write; an older one is replaced.")],
    event: Annotated[str, typer.Option(help="Only posts of this event's slug.")] = "",
    since: Annotated[str, typer.Option(help="Written at this ISO 8601 time or later.")] = "",
    until: Annotated[str, typer.Option(help="Written before this time.")] = "",
    json_: Json = False,
) -> None:
    """Write stored posts to a Parquet file; docs/bi.md lists its columns.

    A time without a zone is UTC. Example: barometer posts export --parquet posts.parquet
    --since 2026-03-01
    """
    from barometer.events import event_row
    from barometer.parquet import Chosen, count_chosen, export_posts

    engine = _database()
    event_id = event_row(engine, event).id if event else None
    chosen = Chosen(event_id, _moment("since", since), _moment("until", until))
    with progress("exporting") as (bar, task):
        bar.update(task, total=count_chosen(engine, chosen))
        written = export_posts(engine, parquet, chosen, lambda posts: bar.advance(task, posts))
    if json_:
        size = parquet.stat().st_size
        print_json({"file": str(parquet), "posts": written, "bytes": size})
    else:
        print_line(f"{written:,} posts are in {parquet}")


@app.command()
def prune(
    *,
    keep_days: Annotated[
        int, typer.Option(help="Days to keep; as BAROMETER_POST_KEEP_DAYS says if left out.", min=0)
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and delete nothing.")] = False,
    json_: Json = False,
) -> None:
    """Delete posts and analyses older than so many days, a few hundred at a time.

    Hourly figures stay.

    Example: barometer posts prune --keep-days 400 --dry-run
    """
    from barometer.retention import Old, count_old
    from barometer.retention import prune as delete_old

    days = keep_days or settings().post_keep_days
    if not days:
        raise InputError(
            "keep-days: says how many days posts are kept; give it, or set "
            "BAROMETER_POST_KEEP_DAYS, which is 0: for ever.",
            "keep-days",
        )
    engine, now = _database(), datetime.now(UTC)
    keep = timedelta(days=days)
    old = count_old(engine, keep, now)
    if not dry_run:
        total = sum(vars(old).values())
        old = Old()
        with progress("pruning") as (bar, task):
            bar.update(task, total=total)
            for batch in delete_old(engine, keep, now):
                old += batch
                bar.advance(task, sum(vars(batch).values()))
    if json_:
        print_json({"before": now - keep, "deleted": not dry_run, **vars(old)})
    else:
        verb = "would be deleted" if dry_run else "were deleted"
        print_line(
            f"{old.posts:,} posts older than {days} days, {old.analyses:,} analyses of that time "
            f"and {old.minute_rollups:,} counts by the minute {verb}"
        )


@app.command()
def collected(
    file: Annotated[Path, typer.Argument(help="The jsonl file to write.")],
    *,
    rows: Annotated[int, typer.Option(help="At most so many.", min=1)] = 500,
    language: Annotated[
        str,
        typer.Option(help="Of these, such as de,fr, or all; if left out, those the model reads."),
    ] = "",
    json_: Json = False,
) -> None:
    """Write a sample of the collected posts for people to label; `adapt` reads it then.

    `ingest --offline` collects them. Example: barometer posts collected rows.jsonl --rows 200
    """
    from barometer.languages import languages_asked
    from training.collected_rows import write_sample

    languages = languages_asked(language or None, settings().languages)
    written = write_sample(settings().state / "collected", file, rows, languages)
    if json_:
        print_json({"file": str(file), "rows": written})
    else:
        print_line(f"{written:,} collected posts are in {file}")


@app.command()
def recheck(*, json_: Json = False) -> None:
    """Ask Reddit for posts of its own, and delete here those that were deleted there.

    Reddit's terms ask for it; the `recheck` flow does so daily. Those that were checked longest
    ago come first, and a check that breaks off is continued by the next.

    Example: barometer posts recheck --json
    """
    from ingestion.reddit.recheck import Checked
    from ingestion.reddit.recheck import recheck as check_stored
    from ingestion.reddit.stored import stored_of_reddit

    with progress("checking") as (bar, task):
        bar.update(task, total=stored_of_reddit(_database()))

        def advance(part: Checked) -> None:
            bar.advance(task, part.checked)

        done = check_stored(settings(), advance=advance)
    if json_:
        print_json(vars(done))
    else:
        print_line(
            f"{done.checked:,} posts were checked at Reddit: {done.deleted:,} are gone there and "
            f"were deleted, with {done.erased:,} entries of the stream and dead letters; "
            f"{done.nameless:,} have lost their author's name"
        )


@app.command("hide-authors")
def hide_authors(*, json_: Json = False) -> None:
    """Hide the authors' names that are stored plain, as BAROMETER_AUTHOR_NAMES says, for ever.

    Example: barometer posts hide-authors
    """
    from barometer.authors import Authors
    from barometer.hidden_names import count_posts, hide_names

    config = settings()
    if config.author_names == "plain":
        raise InputError(
            "BAROMETER_AUTHOR_NAMES: is plain, so names stay as they are: set it to hashed or "
            "none.",
            "author_names",
        )
    authors, engine, changed, files = Authors(config), _database(), 0, 0
    with progress("hiding names") as (bar, task):
        bar.update(task, total=count_posts(engine))
        for posts, of_page in hide_names(engine, authors):
            changed += of_page
            bar.advance(task, posts)
    collected = config.state / "collected"
    if next(collected.rglob("*.parquet"), None) is not None:
        from barometer.collected_authors import hide_names as hide_in_files

        files = sum(1 for _ in hide_in_files(collected, authors))
    if json_:
        print_json({"posts": changed, "files_read": files})
    else:
        print_line(f"names of {changed:,} posts are hidden; {files:,} collected files were read")


def _database() -> "Engine":
    from barometer.database import ready_engine

    return ready_engine(settings())


def _moment(name: str, given: str) -> datetime | None:
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise InputError(
            f"{name}: must be an ISO 8601 time, such as 2026-03-01 or 2026-03-01T12:00Z.", name
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
