"""A Kafka cluster without Kafka: the one that librdkafka carries for tests, in its own process.

    python -m tests.kafka_host

It prints the address of its broker, which speaks the real protocol over TCP, and then obeys lines
on standard input: `topic NAME PARTITIONS`, `down`, `up`, `forget NAME OFFSET` (the records before
it, in partition 0), `advertise HOST PORT`. It forgets everything when it ends.
"""

import ctypes
import sys
from importlib import util
from pathlib import Path
from typing import Any

ALL_BROKERS = -1
ONLY_BROKER = 1


def library() -> Any:
    """librdkafka, by way of the extension that is linked to it."""
    spec = util.find_spec("confluent_kafka")
    assert spec is not None
    assert spec.origin is not None
    [extension] = Path(spec.origin).parent.glob("cimpl.*.so")
    lib = ctypes.CDLL(str(extension))
    pointer = ctypes.c_void_p
    for function in (lib.rd_kafka_conf_new, lib.rd_kafka_new, lib.rd_kafka_mock_cluster_new):
        function.restype = pointer
    lib.rd_kafka_new.argtypes = [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    lib.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    lib.rd_kafka_mock_topic_create.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    lib.rd_kafka_mock_partition_delete_records.argtypes = [
        pointer, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64
    ]  # fmt: skip
    lib.rd_kafka_mock_broker_set_host_port.argtypes = [
        pointer, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int
    ]  # fmt: skip
    lib.rd_kafka_mock_broker_set_host_port.restype = None
    lib.rd_kafka_mock_set_controller_id.argtypes = [pointer, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_down.argtypes = [pointer, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_up.argtypes = [pointer, ctypes.c_int32]
    return lib


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    lib = library()
    fault = ctypes.create_string_buffer(512)
    handle = lib.rd_kafka_new(0, lib.rd_kafka_conf_new(), fault, len(fault))
    cluster = lib.rd_kafka_mock_cluster_new(handle, 1)
    lib.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    lib.rd_kafka_mock_set_controller_id(cluster, ONLY_BROKER)
    say(lib.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    for line in sys.stdin:
        match line.split():
            case ["topic", name, partitions]:
                failed = lib.rd_kafka_mock_topic_create(cluster, name.encode(), int(partitions), 1)
            case ["down"]:
                failed = lib.rd_kafka_mock_broker_set_down(cluster, ALL_BROKERS)
            case ["up"]:
                failed = lib.rd_kafka_mock_broker_set_up(cluster, ALL_BROKERS)
            case ["forget", name, offset]:
                failed = lib.rd_kafka_mock_partition_delete_records(
                    cluster, name.encode(), 0, int(offset)
                )
            case ["advertise", host, port]:
                failed = lib.rd_kafka_mock_broker_set_host_port(
                    cluster, ONLY_BROKER, host.encode(), int(port)
                )
            case _:
                failed = True
        say("failed" if failed else "done")


if __name__ == "__main__":
    main()
