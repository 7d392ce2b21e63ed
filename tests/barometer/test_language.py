"""Languages are told from short posts, and English is never taken for another."""

import json
from pathlib import Path

import pytest

from barometer.language import detect, known_code

SENTENCES = [
    json.loads(line)
    for line in (Path(__file__).parent / "sentences.jsonl").read_text("utf-8").splitlines()
]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NO_ROWS = "the public emotion and sentiment rows are not on this machine"


def test_short_posts_in_twelve_languages_are_told_and_english_is_never_another() -> None:
    told = [(row["language"], detect(row["text"])) for row in SENTENCES]
    assert len({language for language, _ in told}) == 13
    assert all(found == language for language, found in told if language != "en")
    assert {found for language, found in told if language == "en"} <= {"en", None}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("やばい", "ja"),
        ("Привет", "ru"),
        ("안녕하세요", "ko"),
        ("\U0001d4f2 \U0001d4ea\U0001d4f6 \U0001d4fc\U0001d4f8 happy today my dear friends", "en"),
        ("¯\\_(ツ)_/¯ whatever you say", None),
        ("Danke!", None),
        ("@SomebodyDeutsch done.", None),
        ("https://beispiel.example/das-ist-ein-deutscher-satz ok", None),
        ("Tom &amp; ich fahren heute mit dem Zug nach Hause", "de"),
        ("💪💪", None),
        ("\ue000\U000fffff", None),
        ("", None),
        ("\U0001cde6\u00e1f\u3822", None),
    ],
)
def test_scripts_names_links_and_what_is_too_short(text: str, language: str | None) -> None:
    assert detect(text) == language


@pytest.mark.parametrize(
    ("told", "code"),
    [("de", "de"), ("pt-BR", "pt"), ("zh_Hant", "zh"), (" EN ", "en"), ("iw", "he"), ("nb", "no"),
     ("und", None), ("qme", None), ("zxx", None), ("english", None), ("", None), ("xx-Arab", None)],
)  # fmt: skip
def test_told_codes_take_one_form_or_none(told: str, code: str | None) -> None:
    assert known_code(told) == code


@pytest.mark.parametrize("file", ["emotion/validation", "replay/airlines"])
def test_hardly_any_english_post_is_taken_for_another(file: str) -> None:
    path = SHARED / f"{file}.jsonl"
    if not path.exists():
        pytest.skip(NO_ROWS)
    texts = [json.loads(row)["text"] for row in path.read_text("utf-8").splitlines()[:3_000]]
    foreign = [text for text in texts if detect(text) not in ("en", None)]
    assert len(foreign) <= len(texts) / 1_000
    assert sum(detect(text) is None for text in texts[:500]) <= 25
