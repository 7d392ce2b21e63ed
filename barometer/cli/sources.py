"""Commands about the sources: how each stands, and what one gives."""

from datetime import datetime
from typing import Annotated, Any

import typer

from barometer.console import ago, one_line, print_json, print_line, print_table
from barometer.errors import InputError
from barometer.options import Json
from barometer.settings import settings

app = typer.Typer(invoke_without_command=True)
KEYWORD = "today"
"""What is looked for where nobody says: a word that people of every network write."""
BESIDES_POST = 36
"""Columns of a sample's table that time, author and borders take."""


@app.callback()
def list_sources(context: typer.Context, *, json_: Json = False) -> None:
    """Show every source and whether it is ready; or test one.

    Example: barometer sources test rss
    """
    if context.invoked_subcommand:
        if json_:
            raise InputError("--json: write it behind the command that it is for.", "json")
        return
    from barometer.database import ready_engine
    from ingestion.states import source_lines

    lines = source_lines(settings(), ready_engine(settings()))
    if json_:
        print_json([vars(line) for line in lines])
        return
    rows = []
    for line in lines:
        limited = line.state == "limited"
        limit = f"until {line.limited_until:%Y-%m-%d %H:%M} UTC. " if limited else ""
        last = ago(line.last_post_at)
        rows.append((line.name, line.state, last, line.posts_today, limit + line.detail))
    print_table("Sources", ("source", "state", "last post", "today", "detail"), rows)


@app.command("test")
def sample_source(
    name: Annotated[str, typer.Argument(help="A source that `sources` lists.")],
    *,
    keyword: Annotated[str, typer.Option(help="What the posts are to mention.")] = KEYWORD,
    limit: Annotated[int, typer.Option(help="At most so many posts.", min=1, max=50)] = 5,
    json_: Json = False,
) -> None:
    """Fetch a few posts from a source and show them; nothing is stored.

    It works while nothing else runs. What it asks counts in the source's allowance.

    Example: barometer sources test rss --keyword "night trains"
    """
    from ingestion.sample import take_sample

    sample = take_sample(settings(), name, keyword, limit)
    if json_:
        shown = ("created_at", "author", "text", "url", "id", "language")
        posts = [post.model_dump(mode="json", include=set(shown)) for post in sample.posts]
        error = str(sample.fault) if sample.fault else None
        print_json({"source": name, "keyword": keyword, "posts": posts, "error": error})
    elif sample.posts:
        rows = [_row(post.created_at, post.author, post.text, post.url) for post in sample.posts]
        print_table(f"{name} about {keyword!r}", ("written", "author", "post"), rows)
    elif not sample.fault:
        waited = f" within {sample.waited_s:g} s" if sample.waited_s else ""
        print_line(f"{name} answers, and has nothing about {keyword!r}{waited}: try --keyword.")
    if sample.fault:
        raise sample.fault


def _row(written: datetime, author: str | None, text: str, url: str | None) -> tuple[Any, ...]:
    """Time, author, and the text cut to the rest of a line, above the address."""
    from barometer.console import out

    width = max(out.width - BESIDES_POST, 24)
    post = one_line(text, width)
    return (ago(written), one_line(author or "-", 16), f"{post}\n{one_line(url)}" if url else post)
