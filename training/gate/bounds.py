"""The gate's margins, and what they are worth on rows as few as there are."""

from pydantic import BaseModel, ConfigDict, Field


class Bounds(BaseModel):
    """How much worse a challenger may be, and how sure the gate must be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    level: float = Field(0.95, gt=0.5, lt=1)
    """Of every one-sided bound; 1 - level is the error of the tests, shared out where many are
    looked at together (classes: Bonferroni, "better on at least one": Holm)."""
    accuracy: float = Field(0.02, ge=0)
    """The lower bound of the difference in accuracy may not lie below minus this, on 1,000 rows.
    Where 6 % of the rows change sides (two runs on emotion) the bound lies 1.3 points below the
    difference itself, where 12 % do (sentiment) 1.8: so an observed loss of 0.7 or 0.2 points is
    the most that passes, and a model that is truly 2 points worse passes one time in twenty."""
    macro_f1: float = Field(0.03, ge=0)
    """The same for macro-F1, which a class of 36 rows makes half as wide again."""
    per_class: float = Field(0.03, ge=0)
    """How far the recall of a class may fall; more where its rows are so few that chance explains
    more (exact McNemar test on the class's own rows, shared out over the classes of the row set).
    Of 81 rows, 16 lost and 4 gained are refused; of 36, 7 lost and none gained."""
    class_most: float = Field(0.15, ge=0)
    """No loss of recall beyond this is explained by chance, in a class of `class_rows` or more."""
    class_rows: int = Field(20, ge=1)
    """With fewer rows, three changed ones would be such a loss."""
    class_f1: float = Field(0.01, ge=0)
    """A loss of recall is let pass where the class's F1 falls by no more than this: precision has
    paid for it. Otherwise a model that sees a class everywhere could never be replaced."""
    rows: int = Field(1000, ge=1)
    """Rows that `accuracy` and `macro_f1` are meant for; with n fewer, they widen by
    sqrt(rows / n), as the intervals do, so that the chance to pass stays the same."""
    fewest_rows: int = Field(50, ge=1)
    """Live rows of a task below this are not judged."""
    behaviour: float = Field(0.05, ge=0, le=1)
    """How much lower the pass rate of a behavioural test may be; more where its cases are so few
    that chance explains more (one-sided two-proportion test at `level`). Both models answer the
    same cases, so chance is rather over- than understated."""
    behaviour_all: float = Field(0.03, ge=0, le=1)
    """How much lower the pass rate over the cases of all behavioural tests may be."""
    latency: float = Field(1.10, ge=1)
    """Highest ratio of the median times."""
    resamples: int = Field(5000, ge=2000)
    """Of the paired bootstrap."""
