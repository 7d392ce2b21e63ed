"""What `barometer evaluate` says of a model is true of the rows it was measured on."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import binom
from sklearn.metrics import f1_score

from barometer.errors import InputError
from barometer.labels import TASKS
from barometer.text import model_input
from inference.calibration import expected_calibration_error
from inference.classifier import Classifier
from tests.command_line import barometer
from tests.conftest import STARTER
from training.data import Rows, TaskData
from training.evaluate import evaluate_rows
from training.study.baselines import majority, tfidf
from training.study.intervals import accuracy_of, confusion, intervals, macro_f1_of, relative_gains
from training.study.reliability import reliability
from training.study.slices import FEWEST, slice_figures
from training.study.study import evaluation_report, prepare_output, write_report

SAID = {
    "emotion": ["i feel so sad", "i feel happy today", "i feel loving and tender", "i feel furious",
                "i feel terrified", "i feel amazed and surprised"],
    "sentiment": ["this is awful, i hate it", "the shop opens at nine", "this is great, i love it"],
}  # fmt: skip


def rows_of(task: str, times: int) -> Rows:
    texts = [f"{text} {'again ' * n}".strip() for n in range(times) for text in SAID[task]]
    return Rows(texts, list(range(len(TASKS[task]))) * times)


@pytest.fixture(scope="module")
def data() -> dict[str, TaskData]:
    return {
        task: TaskData(
            task, rows_of(task, 4), rows_of(task, 2), rows_of(task, 1), rows_of(task, 3), 0
        )
        for task in TASKS
    }


def test_interval_of_accuracy_is_the_binomial_one_and_stays_so() -> None:
    n, right = 1000, 930
    table = np.array([[500, 40], [30, 430]])
    low, high = intervals(table)["accuracy"]
    expected = [binom.ppf(bound, n, right / n) / n for bound in (0.025, 0.975)]
    assert [low, high] == pytest.approx(expected, abs=0.002)
    assert intervals(table)["accuracy"] == (low, high)
    narrow = intervals(table * 100)["accuracy"]
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 10, rel=0.15)


def test_figures_of_tables_agree_with_rows_even_where_a_class_is_missing() -> None:
    rng = np.random.default_rng(3)
    for classes in (3, 6):
        truth = rng.integers(0, classes - 1, 200)
        guess = np.where(rng.random(200) < 0.7, truth, rng.integers(0, classes - 1, 200))
        table = confusion(truth, guess, classes)
        assert accuracy_of(table) == pytest.approx((truth == guess).mean())
        assert macro_f1_of(table) == pytest.approx(f1_score(truth, guess, average="macro"))


def test_gain_is_relative_and_paired() -> None:
    truth = np.tile([0, 1], 200)
    baseline = np.zeros(400, int)
    guess = np.where(np.arange(400) < 320, truth, 1 - truth)
    gains = relative_gains(truth, guess, baseline, 2)
    gain, (low, high) = gains["accuracy"]
    assert gain == pytest.approx(0.8 / 0.5 - 1)
    assert low < gain < high
    assert gains["macro_f1"][0] == pytest.approx(0.8 / (1 / 3) - 1)
    # The same answers gain nothing on any resample, however hard the rows.
    assert relative_gains(truth, guess, guess, 2)["accuracy"] == (0.0, (0.0, 0.0))
    assert relative_gains(truth, truth, 1 - truth, 2)["accuracy"][0] == np.inf


def test_baselines_learn_from_the_training_rows_alone() -> None:
    train = Rows(["we cry", "we cry", "we laugh", "you cry"] * 3, [0, 0, 1, 0] * 3)
    rows = Rows(["they laugh", "they cry", "laugh laugh"], [1, 1, 1])
    assert majority(train, rows).tolist() == [0, 0, 0]
    assert tfidf(train, rows).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("original", "slices"),
    [
        ("so good 😂", {"with emoji", "without negation"}),
        ("I ❤️ this", {"with emoji", "without negation"}),
        ("i dont care :(", {"with negation", "with emoticon"}),
        ("@anna_b she can't, mail me@example.com", {"with negation", "with mention"}),
        ("a knot in my note, see http://x.org", {"without negation"}),
        ("what a <3 day", {"with emoticon", "without negation"}),
    ],
)
def test_text_falls_into_its_slices(original: str, slices: set[str]) -> None:
    figures = slice_figures(Rows([model_input(original)], [1]), np.array([1]), 3)
    filled = {name for name, found in figures.items() if found["rows"]}
    assert filled == slices | {"short (up to 8 words)"}


def test_slices_count_right_and_say_nothing_about_no_rows() -> None:
    texts = ["not " + "x " * 9] * FEWEST + ["y " * 18] * 5
    truth = [0] * FEWEST + [1] * 5
    guess = np.array([0] * (FEWEST - 3) + [1] * 3 + [1] * 5)
    found = slice_figures(Rows(texts, truth), guess, 3)
    medium, long = found["medium (9 to 17 words)"], found["long (18 words and more)"]
    assert medium["rows"] == found["with negation"]["rows"] == FEWEST
    assert medium["accuracy"] == pytest.approx(1 - 3 / FEWEST)
    assert medium["intervals"]["accuracy"][0] < medium["accuracy"]
    assert (long["rows"], long["accuracy"], long["intervals"]) == (5, 1.0, None)
    assert found["short (up to 8 words)"] == {
        "rows": 0, "accuracy": None, "macro_f1": None, "intervals": None,
    }  # fmt: skip


def test_bins_add_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet([1, 1, 1], 300)
    labels = rng.integers(0, 3, 300)
    bins = [found for found in reliability(probabilities, labels) if found["rows"]]
    total = sum(b["rows"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / 300
    assert total == pytest.approx(expected_calibration_error(probabilities, labels))
    assert reliability(np.array([[1.0, 0.0]]), np.array([0]))[-1]["rows"] == 1


def test_study_is_of_the_named_split_and_its_files_are_complete(
    classifier: Classifier, data: dict[str, TaskData], tmp_path: Path
) -> None:
    seen: list[tuple[int, int, str]] = []
    report = evaluation_report(classifier, data, "release", lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(6))
    assert {steps for _, steps, _ in seen} == {5}
    emotion = report["tasks"]["emotion"]
    assert emotion["rows"] == 18
    assert not emotion["set_apart"]  # the starter knows nothing of these release rows
    assert evaluation_report(classifier, data, "validation")["tasks"]["emotion"]["set_apart"]
    plain = evaluate_rows(classifier, "emotion", data["emotion"].release)
    assert {name: emotion[name] for name in plain} == plain
    assert np.trace(emotion["confusion"]) / 18 == pytest.approx(emotion["accuracy"], abs=1e-4)
    assert emotion["calibration"]["error_after"] == emotion["expected_calibration_error"]
    beaten = emotion["baselines"]["majority class"]
    assert beaten["accuracy"] == pytest.approx(1 / 6, abs=1e-4)
    assert beaten["relative_gain"]["accuracy"]["gain"] == pytest.approx(
        emotion["accuracy"] * 6 - 1, abs=1e-3
    )
    files = write_report(report, tmp_path)
    assert [file.name for file in files] == [
        "emotion-confusion.png", "emotion-reliability.png",
        "sentiment-confusion.png", "sentiment-reliability.png", "evaluation.json",
    ]  # fmt: skip
    assert json.loads(files[-1].read_text()) == report
    for file in files[:-1]:
        picture = imread(file)
        assert min(picture.shape[:2]) > 500
        assert picture.std() > 0.05


def test_output_that_is_no_folder_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"output: .*taken"):
        prepare_output(tmp_path / "taken")


def test_command_prints_every_table_and_writes_its_files(tmp_path: Path) -> None:
    for task in TASKS:
        (tmp_path / task).mkdir()
        for split, times in (("train", 12), ("validation", 2), ("test", 1)):
            rows = rows_of(task, times)
            lines = [
                json.dumps({"text": f"{text} {split}", "label": label}) + "\n"
                for text, label in zip(rows.texts, rows.labels, strict=True)
            ]
            (tmp_path / task / f"{split}.jsonl").write_text("".join(lines))
    settings = {
        "BAROMETER_EMOTION_DATA": str(tmp_path / "emotion"),
        "BAROMETER_SENTIMENT_DATA": str(tmp_path / "sentiment"),
        "COLUMNS": "200",
    }
    done = barometer("evaluate", str(STARTER), state=tmp_path / "state", **settings)
    assert done.returncode == 0, done.stderr
    for part in ("starter on the validation rows", "TF-IDF + logistic regression", "surprise",
                 "no rows", "with negation", "names swapped: same emotion"):  # fmt: skip
        assert part in done.stdout
    written = tmp_path / "state" / "evaluations" / "starter" / "validation"
    assert str(written) in done.stdout
    assert json.loads((written / "evaluation.json").read_text())["split"] == "validation"
