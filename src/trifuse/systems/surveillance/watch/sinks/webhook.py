"""Records as HTTP POST requests, with a body of one's own if need be."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import fields
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.watch.incidents import Alert
from trifuse.systems.surveillance.watch.sinks.outbox import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trifuse.systems.surveillance.watch.records import Record

# What a template may name: what alerts and the other records hold.
NAMES = (
    *(one.name for one in fields(Alert)),
    *("record", "wall_time", "latency_s", "zone", "kind", "path", "silent_s"),
)
_TEMPORARY = (408, 425, 429)


class Webhook:
    """Posts a record as JSON, or the template's text with $names replaced by values, escaped for JSON texts.

    Raises ConfigurationError for an address that is none and for names that no record has.
    """

    def __init__(self, url: str, template: str | None = None, *, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("the webhook has no address", expected="http://… or https://…")
        self._url, self._timeout_s = url, timeout_s
        self._template = None if template is None else _checked(Template(template))
        # Paths of webhooks are often their secret.
        self.shown = f"{parts.scheme}://{parts.hostname}"

    def __call__(self, record: Record) -> None:
        """Post a record. Raises DeliveryError; a client error of HTTP is a lasting one."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is http or https
            self._url, self.body(record), {"Content-Type": "application/json"}, method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=self._timeout_s).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            lasting = 400 <= error.code < 500 and error.code not in _TEMPORARY
            raise DeliveryError(f"it answers {error.code}", lasting=lasting) from error
        except urllib.error.URLError as error:
            raise DeliveryError(f"it cannot be reached ({_reason(error)})") from error
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"it does not answer ({_reason(error)})") from error

    def body(self, record: Record) -> bytes:
        """Write the request's body."""
        if self._template is None:
            return json.dumps(record, ensure_ascii=False).encode()
        return self._template.substitute(_Values(record)).encode()


class _Values(dict[str, str]):
    """A record's values as parts of JSON texts; what it lacks is empty."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__({name: _escaped(value) for name, value in record.items()})

    def __missing__(self, name: str) -> str:
        return ""


def _escaped(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _checked(template: Template) -> Template:
    unknown = sorted(set(template.get_identifiers()) - set(NAMES))
    if unknown or not template.is_valid():
        raise ConfigurationError(
            "the webhook's template cannot be filled",
            got=f"${unknown[0]}" if unknown else "a $ that is no name ($$ writes one)",
            expected=", ".join(f"${name}" for name in NAMES),
        )
    return template


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error or type(error).__name__
