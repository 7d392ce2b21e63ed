"""The models that this process answers with, and which of them a text goes to."""

from barometer.errors import NotFoundError
from barometer.tracking import CHAMPION
from inference.registry import LoadedModel


class Models:
    """The champion beside whatever else is loaded; readers hold what they picked until done."""

    def __init__(self, champion: LoadedModel, note: str = "") -> None:
        """`note` says why the champion is not the registry's; empty where it is."""
        self._champion = champion
        self.note = note

    @property
    def champion(self) -> LoadedModel:
        """What answers unless a request names another."""
        return self._champion

    def pick(self, wanted: str | None, text: str) -> LoadedModel:  # noqa: ARG002
        """The model for `text`: the one that is `wanted` (alias or version), else by traffic.

        Raises:
            NotFoundError: no such model is loaded.
        """
        if wanted in (None, CHAMPION, self.champion.version):
            return self.champion
        raise NotFoundError(
            f"model: {wanted!r} is not loaded; leave it out, or use 'champion' or "
            f"{self.champion.version!r}."
        )
