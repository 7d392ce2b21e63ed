"""README keeps its word: both commands on its first screen, every setting in its table."""

from barometer.settings import PREFIX, REPOSITORY, Settings

README = (REPOSITORY / "README.md").read_text()


def test_first_screen_shows_both_commands_and_a_picture() -> None:
    first_screen = "\n".join(README.splitlines()[:30])
    assert "make run" in first_screen
    assert "make test" in first_screen
    assert "docs/dashboard.png" in first_screen
    assert (REPOSITORY / "docs" / "dashboard.png").stat().st_size < 400_000


def test_every_setting_is_in_the_table_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        [row] = [
            line for line in README.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}`")
        ]
        default = (
            " ".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        )
        assert (default.removesuffix(".0") or "| none |") in row, (
            f"{name}: {default} is not in {row}"
        )


def test_every_top_level_folder_is_in_the_map() -> None:
    for room in (
        "barometer",
        "inference",
        "ingestion",
        "training",
        "monitoring",
        "serving",
        "flows",
    ):
        assert f"| `{room}/`" in README
