"""Each read of the dashboard and the API comes to its rows by an index, in both databases."""

from sqlalchemy import Engine, func, select

from barometer.tables import PostRow
from benchmarks.plans import explain, fill, verdicts

POSTS = 20_000


def test_no_question_reads_a_large_table_from_end_to_end(engine: Engine) -> None:
    fill(engine, POSTS)
    found = verdicts(engine)
    assert {verdict.question: verdict.scans for verdict in found if verdict.scans} == {}
    assert all(verdict.paths for verdict in found if "keywords, a week" not in verdict.question)


def test_a_read_without_an_index_is_called_a_scan(engine: Engine) -> None:
    fill(engine, 100)

    def authors() -> object:
        with engine.connect() as connection:
            counted = select(func.count()).where(PostRow.author == "nobody")
            return connection.execute(counted).all()

    _, scans = explain(engine, authors)
    assert len(scans) == 1
    assert scans[0].startswith("posts by")
