"""What every answer is made of."""

from pydantic import BaseModel, ConfigDict, Field


class Content(BaseModel):
    """What every answer is made of: frozen, each field's docstring its description."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, protected_namespaces=())


class Problem(Content):
    """Why a request failed (RFC 9457)."""

    type: str = Field(examples=["urn:barometer:invalid-input"])
    """The kind of problem: `urn:barometer:` and its stable name, or `about:blank`."""
    title: str = Field(examples=["Invalid input"])
    """The kind in words."""
    status: int = Field(examples=[422])
    """The HTTP status."""
    detail: str = Field(examples=["text: Input should be a valid string."])
    """What is wrong, and the remedy."""
    field: str | None = Field(None, examples=["text"])
    """The part of the request that is wrong; absent where it is none in particular."""
