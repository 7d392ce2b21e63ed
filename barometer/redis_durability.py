"""Whether a Redis of somebody else's is set up to keep what it was given."""

from typing import Any, Final

from redis.exceptions import ResponseError

NAMES: Final = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync")


def doubts(redis: Any) -> list[str]:
    """What in the server's configuration may lose posts that were accepted; none if it is unknown.

    Many hosted servers let nobody read their configuration.
    """
    try:
        bound, policy, kept, synced = (_told(redis, name) for name in NAMES)
    except ResponseError:
        return []
    found = []
    if policy.startswith("allkeys") and bound != "0":
        found.append(f"maxmemory-policy {policy} may evict the stream: set noeviction")
    if kept != "yes":
        found.append(f"appendonly {kept} forgets what came last when Redis dies: set yes")
    elif synced != "always":
        found.append(f"appendfsync {synced} forgets what came last in a power cut: set always")
    return found


def _told(redis: Any, name: str) -> str:
    values = [*redis.config_get(name).values(), "unknown"]
    return values[0].decode() if isinstance(values[0], bytes) else str(values[0])
