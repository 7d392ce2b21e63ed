import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from barometer.redis_server import connect
from serving.cache import ENTRY_OVERHEAD, Layer, MemoryLayer, RedisLayer
from tests.servers import free_port
from tests.serving.counted import lookups

KEYS = st.sampled_from([f"barometer:text:{name}" for name in "abcde"])
STEPS = st.lists(
    st.one_of(
        st.dictionaries(KEYS, st.binary(max_size=40), max_size=4),
        st.lists(KEYS, max_size=6, unique=True),
    ),
    max_size=12,
)


def test_layers_give_what_was_put_last_or_nothing(redis_url: str) -> None:
    client = connect(redis_url)

    @given(steps=STEPS)
    @settings(deadline=None, max_examples=60)
    def check(steps: list[dict[str, bytes] | list[str]]) -> None:
        client.flushall()
        small, large = MemoryLayer("small", 700), MemoryLayer("large", 1_000_000)
        layers: list[Layer] = [small, large, RedisLayer("redis", client)]
        asyncio.run(follow(layers, steps))

    async def follow(layers: list[Layer], steps: list[dict[str, bytes] | list[str]]) -> None:
        truth: dict[str, bytes] = {}
        asked = 0
        before = [sum(lookups(layer.name)) for layer in layers]
        for step in steps:
            if isinstance(step, dict):
                truth |= step
                for layer in layers:
                    await layer.put_many(step, 60)
                continue
            asked += len(step)
            small, *whole = [await layer.get_many(step) for layer in layers]
            assert small.items() <= truth.items()
            assert whole == [{key: truth[key] for key in step if key in truth}] * 2
        after = [sum(lookups(layer.name)) for layer in layers]
        assert [b - a for a, b in zip(before, after, strict=True)] == [asked] * 3

    check()


async def test_memory_is_bounded_in_bytes_and_forgets_what_was_not_used() -> None:
    layer = MemoryLayer("memory", 10 * (ENTRY_OVERHEAD + 102))
    for number in range(10):
        await layer.put_many({f"{number:02}": b"x" * 100}, 60)
    assert await layer.get_many(["00"])  # used: now the newest
    await layer.put_many({"10": b"x" * 100}, 60)
    assert set(await layer.get_many([f"{n:02}" for n in range(11)])) == {
        "00", "02", "03", "04", "05", "06", "07", "08", "09", "10",
    }  # fmt: skip
    await layer.put_many({"big": b"x" * 10_000}, 60)
    assert await layer.get_many(["big", "10"]) == {}  # over the bound alone
    await layer.put_many({"fits": b"x"}, 60)
    assert await layer.get_many(["fits"]) == {"fits": b"x"}


async def test_what_is_kept_ends(redis: Redis) -> None:
    for layer in (MemoryLayer("memory", 1_000), RedisLayer("redis", redis)):
        hits, misses = lookups(layer.name)
        await layer.put_many({"brief": b"1"}, 0.05)
        await layer.put_many({"long": b"2"}, 60)
        await asyncio.sleep(0.3)
        assert await layer.get_many(["brief", "long"]) == {"long": b"2"}
        assert lookups(layer.name) == (hits + 1, misses + 1)
    left = await RedisLayer("redis", redis).seconds_left(["brief", "long"])
    assert left["brief"] == 0
    assert 50 < left["long"] <= 60


async def test_layer_without_redis_holds_nothing_and_says_so() -> None:
    hits, misses = lookups("redis")
    layer = RedisLayer("redis", connect(f"redis://127.0.0.1:{free_port()}/0"))
    assert not layer.degraded
    assert await layer.get_many(["a"]) == {}
    await layer.put_many({"a": b"1"}, 60)
    assert await layer.seconds_left(["a"]) == {"a": 0}
    assert layer.degraded
    assert lookups("redis") == (hits, misses + 1)
