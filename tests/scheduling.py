"""Which tests run on the same worker of `make test`, and which begin first."""

from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "machine": ("test_deployed", "test_machine", "test_ingest", "test_live", "test_dashboard",
                "test_bring_in", "test_api"),
    "ray": ("test_tune", "test_scheduler", "test_search_result"),
}  # fmt: skip
"""Files whose tests share a whole machine, or may not see another's Ray."""
LONG = ("machine", "ray", "test_release", "test_faults", "test_everything_fails")


def group_of(file: str) -> str:
    """The group of a test file, by its name without an ending; most are alone in theirs."""
    return next((group for group, files in TOGETHER.items() if file in files), file)


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole groups, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(Path(nodeid.partition("::")[0]).stem)
