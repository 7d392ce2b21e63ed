"""Keywords as queries of a search: any of them, as long as the provider takes them."""

from collections.abc import Iterable, Sequence


def any_of(keywords: Iterable[str], longest: int) -> Sequence[str]:
    """`"a" OR "b" OR …`, in as few queries of at most `longest` characters as their order allows.

    Each keyword is a phrase in quotation marks, so that nothing in it is an operator.
    """
    queries: list[str] = []
    for keyword in keywords:
        phrase = '"' + " ".join(keyword.replace('"', " ").replace("\\", " ").split()) + '"'
        if phrase == '""':
            continue
        if queries and len(queries[-1]) + len(" OR ") + len(phrase) <= longest:
            queries[-1] += f" OR {phrase}"
        else:
            queries.append(phrase)
    return queries
