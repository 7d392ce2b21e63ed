"""Webhooks: forms and ticket systems that sign what they send instead of carrying an API key."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from barometer.errors import UnauthorizedError

NAME_HEADER: Final = "X-Barometer-Webhook"
SIGNATURE_HEADER: Final = "X-Barometer-Signature"
"""`t=UNIX TIME,v1=HEX`: HMAC-SHA256 of the time, a dot and the body; more than one `v1` may be
given while a secret is exchanged."""
BODY_SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
"""`sha256=HEX`, as GitHub and others sign: of the body alone."""
CLOCKS_DIFFER_S: Final = 300
"""How far a signature's time may lie from now."""
SHORTEST_SECRET: Final = 16
ENTRY: Final = re.compile(r"(?P<name>[\w.-]{1,64}):(?P<secret>\S+)")
SIGNED: Final = re.compile(r"t=(?P<time>\d{1,12})(?P<signatures>(?:,v1=[0-9a-fA-F]{64}){1,4})")
BODY_SIGNED: Final = re.compile(r"sha256=(?P<signature>[0-9a-fA-F]{64})")

Secrets = Mapping[str, tuple[str, ...]]
"""The secrets of each webhook by its name; two while one takes the other's place."""


def parse_secrets(value: str) -> Secrets:
    """Read `name:secret` entries, separated by spaces or commas.

    Raises:
        ValueError: an entry is written otherwise, or a secret is short. No entry is repeated.
    """
    secrets: dict[str, tuple[str, ...]] = {}
    for number, entry in enumerate(value.replace(",", " ").split(), start=1):
        found = ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(
                f"entry {number} is not written name:secret, the name of letters, digits, dots, "
                "hyphens and underscores"
            )
        name, secret = found["name"], found["secret"]
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(
                f"the secret of {name!r} has fewer than {SHORTEST_SECRET} characters: make one "
                "with `openssl rand -hex 32`"
            )
        secrets[name] = (*secrets.get(name, ()), secret)
    return secrets


@dataclass(frozen=True)
class SignedCall:
    """Who says that he sends, and what proves it; the body is not read yet."""

    name: str
    at: int | None
    """The time that is signed; None where only the body is."""
    signatures: tuple[str, ...]

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "SignedCall | None":
        """The call that the headers tell of, or None where they tell of none.

        Raises:
            UnauthorizedError: a header is missing or unreadable, or the time is not near now.
        """
        name = headers.get(NAME_HEADER)
        signed, body_signed = headers.get(SIGNATURE_HEADER), headers.get(BODY_SIGNATURE_HEADER)
        if name is None and signed is None and body_signed is None:
            return None
        if not name:
            raise UnauthorizedError(f"the webhook's name is missing: send it as {NAME_HEADER}.")
        if signed is not None:
            return cls._timed(name, signed)
        if body_signed is None:
            raise UnauthorizedError(f"the signature is missing: send it as {SIGNATURE_HEADER}.")
        found = BODY_SIGNED.fullmatch(body_signed)
        if found is None:
            raise UnauthorizedError(f"{BODY_SIGNATURE_HEADER} must be written sha256=HEX.")
        return cls(name, None, (found["signature"],))

    @classmethod
    def _timed(cls, name: str, signed: str) -> "SignedCall":
        found = SIGNED.fullmatch(signed)
        if found is None:
            raise UnauthorizedError(f"{SIGNATURE_HEADER} must be written t=UNIX TIME,v1=HEX.")
        at = int(found["time"])
        if abs(time.time() - at) > CLOCKS_DIFFER_S:
            raise UnauthorizedError(
                f"the signature's time is more than {CLOCKS_DIFFER_S // 60} minutes from now: sign "
                "each call when it is sent, and set the sender's clock."
            )
        signatures = tuple(part.removeprefix("v1=") for part in found["signatures"].split(",")[1:])
        return cls(name, at, signatures)

    def check(self, secrets: Secrets, body: bytes) -> None:
        """Check that the webhook of this name signed `body`; in constant time.

        Raises:
            UnauthorizedError: it did not, or there is none; which of the two is not told.
        """
        told = body if self.at is None else b"%d." % self.at + body
        right = False
        # A name that is not known takes as long as one that is.
        for secret in secrets.get(self.name, ("",)):
            expected = hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()
            for signature in self.signatures:
                right |= hmac.compare_digest(expected, signature.lower())
        if not right or self.name not in secrets:
            raise UnauthorizedError(
                "the signature is not right: check the webhook's name and secret (as in "
                "BAROMETER_WEBHOOK_SECRETS), and that the body is sent as it was signed."
            )
