"""Which names and values look like secrets, so that none is written where it would be printed."""

from __future__ import annotations

from pipeline_kit.late_pattern import late_pattern

_SECRET_WORDS = late_pattern(
    r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|APIKEY|PAT|KEY)S?(?:_BASE64|_B64)?$",
)
_PUBLIC_KEYS = late_pattern(r"(?:^|_)(?:PUBLIC|CACHE|SORT|PRIMARY|FOREIGN|HOST)_KEYS?$")
_SECRET_VALUE = late_pattern(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bnpm_[A-Za-z0-9]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bsk_live_\w{10,}|\bdckr_pat_[\w-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]*:[^/\s:@]+@",
)


def is_secret_name(name: str) -> bool:
    """Return whether a variable or build argument called ``name`` usually holds a secret."""
    upper = name.upper()
    return _SECRET_WORDS.search(upper) is not None and _PUBLIC_KEYS.search(upper) is None


def is_secret_value(value: str) -> bool:
    """Return whether ``value`` has the form of a well-known credential or holds a URL with a password."""
    return _SECRET_VALUE.search(value) is not None
