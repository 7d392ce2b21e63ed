"""Scorers by number: each has its own name, the same after a restart, and its share of cores."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from barometer.errors import ConflictError, InputError
from barometer.settings import Settings
from flows.machine import processes
from serving.worker_name import worker_name
from serving.workers import worker_processes

HOST = socket.gethostname()


def test_each_living_worker_has_a_name_that_the_next_one_takes_up(tmp_path: Path) -> None:
    with ExitStack() as living, ExitStack() as dying:
        assert living.enter_context(worker_name(tmp_path)) == f"{HOST}-1"
        assert dying.enter_context(worker_name(tmp_path)) == f"{HOST}-2"
        assert living.enter_context(worker_name(tmp_path)) == f"{HOST}-3"
        dying.close()
        assert living.enter_context(worker_name(tmp_path)) == f"{HOST}-2"
        assert living.enter_context(worker_name(tmp_path, "mine")) == "mine"
        with pytest.raises(ConflictError, match="mine"), worker_name(tmp_path, "mine"):
            pass


@pytest.mark.parametrize("bad", ["../x", "a b", "x" * 129, "é"])
def test_name_that_is_no_file_name_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InputError, match="--name"), worker_name(tmp_path, bad):
        pass


def test_workers_share_the_cores_and_show_their_metrics_apart(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, work_metrics_port=9_100)
    listed = worker_processes(settings, 3, "blue", cores=8)
    assert [process.name for process in listed] == ["scorer-1", "scorer-2", "scorer-3"]
    assert [process.command[-2:] for process in listed] == [
        ["--name", f"blue-{n}"] for n in (1, 2, 3)
    ]
    assert [dict(process.env) for process in listed] == [
        {"BAROMETER_THREADS": "2", "BAROMETER_WORK_METRICS_PORT": str(9_100 + n)} for n in range(3)
    ]
    set_by_hand = worker_processes(Settings(threads=5), 2, cores=8)
    assert [dict(process.env) for process in set_by_hand] == [{}, {}]


def test_machine_runs_as_many_scorers_as_the_setting_says(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, workers=3)
    names = [process.name for process in processes(settings, replay=False)]
    assert [name for name in names if "scorer" in name] == ["scorer-1", "scorer-2", "scorer-3"]
    alone = processes(settings.model_copy(update={"workers": 1}), replay=False)
    assert "scorer" in [process.name for process in alone]
