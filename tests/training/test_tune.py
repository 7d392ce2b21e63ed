"""Searches with real Ray, MLflow and a tiny encoder, each in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from barometer.errors import ConflictError, InputError, NotFoundError, UnavailableError
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHALLENGER, EXPERIMENT, mlflow_client
from inference.model_folder import open_model_folder
from inference.registry import version_of
from training.search.plan import Request
from training.search.ray_session import Share, share_of
from training.search.tune import SEARCHES, tune

SEED = "5"
"""Of a search whose second trial ASHA lets past its first epoch, so that there is more to do."""


class Home:
    """A state folder with the settings of a search in it."""

    def __init__(self, folder: Path, base: Path, rows: Path) -> None:
        self.target = folder / "searched"
        self.settings = Settings(
            state_dir=folder / "state",
            base_model=str(base),
            emotion_data=str(rows / "emotion"),
            sentiment_data=str(rows / "sentiment"),
        )
        chosen = ("state_dir", "base_model", "emotion_data", "sentiment_data")
        given = {f"BAROMETER_{n.upper()}": str(getattr(self.settings, n)) for n in chosen}
        self.environment = {**os.environ, **given}

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "barometer", "tune", str(self.target), *options],
            cwd=REPOSITORY, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def tune(self, *options: str) -> dict[str, Any]:
        process = self.start(*options)
        try:
            out, err = process.communicate(timeout=600)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, err
        result: dict[str, Any] = json.loads(out)
        return result

    def runs(self) -> list[Any]:
        """MLflow's runs of trials, in the order of the trials."""
        client = mlflow_client(self.settings)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        found = client.search_runs([experiment.experiment_id])
        trials = [run for run in found if "barometer.trial" in run.data.tags]
        return sorted(trials, key=lambda run: run.data.tags["barometer.trial"])

    def kept_epochs(self, trial: int) -> int:
        """Epochs of a trial that Ray has kept, checkpoint and all, for a resume."""
        for file in (self.settings.state / SEARCHES).glob("*/experiment_state-*.json"):
            try:
                trials = json.loads(file.read_text())["trial_data"]
            except json.JSONDecodeError:  # it is being written
                continue
            for own, kept in trials:
                if json.loads(own)["trial_id"].endswith(f"_{trial - 1:05}"):
                    return int((json.loads(kept)["last_result"] or {}).get("epoch", 0))
        return 0

    def search_run(self) -> Any:
        client = mlflow_client(self.settings)
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        [run] = client.search_runs([experiment], "tags.`barometer.kind` = 'search'")
        return run

    def files(self, run: Any, folder: str | None = None) -> set[str]:
        listed = mlflow_client(self.settings).list_artifacts(run.info.run_id, folder)
        return {Path(file.path).name for file in listed}

    def attempt(self, request: Request | None, target: Path | None = None, **changed: Any) -> None:
        """Tune in this process: for what fails before Ray starts."""
        settings = self.settings.model_copy(update=changed)
        silent: Any = lambda *_: None  # noqa: E731
        tune(settings, request, target or self.target, silent, silent, silent)

    def scores(self, run: Any) -> list[tuple[int, float]]:
        history = mlflow_client(self.settings).get_metric_history(run.info.run_id, "score")
        return [(point.step, point.value) for point in history]


@pytest.fixture
def home(tmp_path: Path, base: Path, rows: Path) -> Home:
    return Home(tmp_path, base, rows)


def ray_processes(since: float) -> list[str]:
    found = []
    for process in psutil.process_iter(["name", "create_time", "status"]):
        known = process.info
        ours = known["name"] in ("raylet", "gcs_server") or known["name"].startswith("ray::")
        if ours and known["create_time"] >= since and known["status"] != psutil.STATUS_ZOMBIE:
            found.append(known["name"])
    return found


@dataclass
class Resumed:
    """A search that was killed in its second trial, after an epoch, and what came of it resumed."""

    home: Home
    before: list[Any]
    """The trials' runs as the killed search left them."""
    scores_before: list[tuple[int, float]]
    """Of the first trial, which had ended."""
    second_before: list[tuple[int, float]]
    """Of the second one, which went on."""
    result: dict[str, Any]
    left_by_kill: list[str]
    left: list[str]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, base: Path, rows: Path) -> Resumed:
    home = Home(tmp_path_factory.mktemp("search"), base, rows)
    started, deadline = time.time(), time.monotonic() + 600
    process = home.start("--trials", "3", "--epochs", "4", "--seed", SEED)
    while not home.kept_epochs(trial=2):  # the second trial has a checkpoint, the first has ended
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(ConflictError, match="is running"):
        home.attempt(None)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    while (left_by_kill := ray_processes(started)) and time.monotonic() < deadline:
        time.sleep(0.2)
    before = home.runs()
    first, second = (home.scores(run) for run in before)
    result = home.tune("--resume", "--json")
    return Resumed(home, before, first, second, result, left_by_kill, ray_processes(started))


def test_resumed_search_runs_no_finished_trial_twice_and_doubles_no_run(resumed: Resumed) -> None:
    first, second = resumed.before
    assert (first.info.status, second.info.status) == ("FINISHED", "RUNNING")
    runs = resumed.home.runs()
    assert [run.info.run_id for run in runs[:2]] == [first.info.run_id, second.info.run_id]
    assert len(runs) == len(resumed.result["trials"]) == 3
    assert resumed.home.scores(runs[0]) == resumed.scores_before
    assert resumed.left_by_kill == resumed.left == []


def test_resumed_trial_goes_on_from_its_checkpoint(resumed: Resumed) -> None:
    before, after = resumed.second_before, resumed.home.scores(resumed.home.runs()[1])
    assert after[: len(before)] == before
    later = [step for step, _ in after[len(before) :]]
    [epochs] = [t["epochs"] for t in resumed.result["trials"] if t["trial"] == 2]
    # Its last epoch may have been logged, and not yet kept: that one alone is run again.
    assert later[0] in (len(before), len(before) + 1)
    assert later[0] > 1
    assert later == list(range(later[0], epochs + 1))


def test_search_nests_its_trials_and_registers_the_best_as_challenger(resumed: Resumed) -> None:
    home, result = resumed.home, resumed.result
    client = mlflow_client(home.settings)
    assert version_of(client, "barometer", CHALLENGER) == result["version"] == "1"
    recipe = open_model_folder(home.target).metrics["recipe"]
    best = result["trials"][0]
    assert {name: recipe[name] for name in best["config"]} == best["config"]
    runs = home.runs()
    by_number = {trial["trial"]: trial for trial in result["trials"]}
    for number, run in enumerate(runs, start=1):
        trial, reached = by_number[number], dict(home.scores(run))
        assert run.info.status == {"finished": "FINISHED", "stopped": "KILLED"}[trial["state"]]
        assert float(run.data.params["learning_rate"]) == trial["config"]["learning_rate"]
        assert sorted(reached) == list(range(1, trial["epochs"] + 1))
        assert max(reached.values()) == trial["score"] <= best["score"]
    [parent] = {run.data.tags["mlflow.parentRunId"] for run in runs}
    search = home.search_run()
    assert search.info.run_id == parent
    assert search.info.status == "FINISHED"
    assert search.data.metrics["score"] == best["score"]
    assert search.data.params["space.learning_rate"] == "LogUniform [5e-05, 0.0008)"
    assert home.files(search) == {"data", "trials.json", "trials.png"}
    chosen = runs[best["trial"] - 1]
    assert home.files(chosen, "export") == {"export.json", "export.md"}
    commit = chosen.data.tags["mlflow.source.git.commit"]
    assert client.get_model_version("barometer", "1").tags["git_commit"] == commit
    assert search.data.tags["mlflow.source.git.commit"] == commit
    assert list((home.settings.state / SEARCHES).iterdir()) == []


def test_population_changes_recipes_within_runs_that_go_on(home: Home) -> None:
    result = home.tune(
        "--trials", "2", "--epochs", "2", "--scheduler", "pbt", "--concurrent", "2",
        "--no-register", "--json",
    )  # fmt: skip
    assert result["version"] is None
    assert home.target.is_dir()
    runs = home.runs()
    assert len(runs) == 2
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert "learning_rate" not in run.data.params
        assert run.data.params["max_tokens"] == "128"
        assert run.data.metrics["config.learning_rate"] > 0
        assert {step for step, _ in home.scores(run)} == {1, 2}


def test_every_trial_failing_is_one_error_with_its_cause(home: Home, tmp_path: Path) -> None:
    base = shutil.copytree(home.environment["BAROMETER_BASE_MODEL"], tmp_path / "short")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"vocab_size": 8}))
    home.environment["BAROMETER_BASE_MODEL"] = str(base)  # its tokenizer knows more words than it
    process = home.start("--trials", "1", "--epochs", "1")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 65
    assert "every trial of the search failed" in err
    assert "Traceback" not in err
    assert [run.info.status for run in home.runs()] == ["FAILED"]
    assert not home.target.exists()
    search = home.search_run()  # it tells all the same what it was to learn from
    assert search.info.status == "FAILED"
    assert home.files(search, "data") == {"data.json", "data.md", "data.png"}
    assert {item.dataset.name for item in search.inputs.dataset_inputs} == {"emotion", "sentiment"}
    assert len(search.data.tags["mlflow.source.git.commit"]) == 40


SESSION = """
import sys
from training.search.ray_session import ray_session
with ray_session(""):
    import ray
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.readline()
"""
INTRUDER = """
import ray, sys
ray.init(address=sys.argv[1], logging_level="ERROR")
"""


def role(process: psutil.Process) -> str:
    """What a process of Ray is: its script, or the name of what is no script."""
    scripts = [Path(word).stem for word in process.cmdline() if word.endswith(".py")]
    return scripts[0] if scripts else str(process.name())


def listens_outward(process: psutil.Process) -> bool:
    heard = [c.laddr.ip for c in process.net_connections("tcp") if c.status == "LISTEN"]
    return not {*heard} <= {"127.0.0.1", "::1"}


def test_ray_refuses_a_stranger_and_its_dashboard_stays_on_the_loopback() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], cwd=REPOSITORY, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as session:  # fmt: skip
        assert session.stdout is not None
        address = session.stdout.readline().strip()
        stranger = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "guessed" * 5,
            "RAY_NUM_REDIS_GET_RETRIES": "1",
        }  # fmt: skip
        refused = subprocess.run(
            [sys.executable, "-c", INTRUDER, address], env=stranger, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert refused.returncode != 0
        assert "InvalidAuthToken" in refused.stderr
        processes = psutil.Process(session.pid).children(recursive=True)
        [dashboard] = [process for process in processes if role(process) == "dashboard"]
        assert "--host=127.0.0.1" in dashboard.cmdline()
        outward = {role(process) for process in processes if listens_outward(process)}
        # A dashboard that serves pages comes with more packages than Barometer brings.
        assert "dashboard" not in outward
        # Were these to stay on the loopback, the token would be needless; it is not.
        assert {"gcs_server", "raylet"} <= outward
        session.communicate("\n", timeout=60)


def test_what_cannot_work_is_said_before_ray_starts(home: Home) -> None:
    with pytest.raises(NotFoundError, match="no unfinished search"):
        home.attempt(None)
    with pytest.raises(UnavailableError, match="BAROMETER_BASE_MODEL"):
        home.attempt(Request(), base_model=str(home.target / "nowhere"))
    with pytest.raises(InputError, match="target"):
        home.attempt(Request(), target=home.settings.state)
    with pytest.raises(UnavailableError, match="BAROMETER_MLFLOW_TRACKING_URI"):
        home.attempt(Request(), mlflow_tracking_uri="http://127.0.0.1:9")
    assert not (home.settings.state / SEARCHES).exists()


def test_trials_share_the_machines() -> None:
    def node(cpus: int, gpus: int = 0) -> dict[str, Any]:
        resources = {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})
        return {"Alive": True, "Resources": resources}

    assert share_of([node(2)], None) == Share(cpus=2, gpus=0.0, concurrent=1)
    assert share_of([node(16, 1)], None) == Share(cpus=16, gpus=1.0, concurrent=1)
    assert share_of([node(16, 1)], 4) == Share(cpus=4, gpus=0.25, concurrent=4)
    assert share_of([node(8, 4), node(8, 4), node(2)], None) == Share(2, 1.0, 8)
    assert share_of([node(8), node(4)], None) == Share(cpus=4, gpus=0.0, concurrent=2)
