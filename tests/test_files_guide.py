"""docs/files.md names what there is."""

from barometer.collection import SCHEMA
from barometer.file_columns import FIELDS
from barometer.settings import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "files.md").read_text()


def test_guide_names_each_field_and_each_column() -> None:
    files, collected = GUIDE.split("## Collecting")
    assert [name for name in FIELDS if f"`{name}`" not in files] == []
    assert [name for name in SCHEMA.names if f"`{name}`" not in collected] == []
