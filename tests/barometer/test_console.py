"""What comes from outside is only text on a terminal."""

import pytest

from barometer.console import harmless, one_line, out, print_table

FAMILY = "👩\u200d👩\u200d👧"
PERSIAN = "نم\u200cک"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07gone", "�[2J�]0;title�gone"),
        ("\x9b31m red \x85", "�31m red �"),
        ("\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c", "�gnp.exe� �x� ��"),
        ("back\b\b\r\x00\x7f", "back�����"),
        ("half \ud83d, tag \U000e0041, line \u2028 and \u2029", "half �, tag �, line � and �"),
        ("[red]x[/red] [link=file:///]", "[red]x[/red] [link=file:///]"),
        (f"{FAMILY} {PERSIAN} 日本 é\n\tnext", f"{FAMILY} {PERSIAN} 日本 é\n\tnext"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_marked(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_line_is_cut_to_its_columns() -> None:
    assert one_line("  two\n words\t ", 20) == "two words"
    assert one_line("0123456789", 10) == "0123456789"
    assert one_line("0123456789a", 10) == "012345678…"
    assert one_line("日本語の電車", 8) == "日本語…"
    heaped = one_line("Z" + "\u0301" * 500 + "algo", 10)
    assert heaped == "Z" + "\u0301" * 4 + "algo"
    assert len(one_line("\u0301" * 100_000, 10)) < 100


def test_table_shows_markup_and_escapes_as_text() -> None:
    with out.capture() as captured:
        print_table("[bold]t\x1b", ("a",), [("[red]x[/red]\x1b[1m",)])
    assert "[bold]t�" in captured.get()
    assert "[red]x[/red]�[1m" in captured.get()
    assert "\x1b" not in captured.get()
