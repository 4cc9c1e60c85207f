"""Requests to servers: JSON there, bytes back, and one exception for what can go wrong."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from undertow.errors import UserError

UNREACHABLE = (ConnectionRefusedError, socket.gaierror, InvalidURL, ssl.SSLCertVerificationError)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_REFUSAL = 1 << 16  # bytes


class HttpProblem(Exception):
    """No proper response.

    Attributes:
        text: What happened, as in 'HTTP 500', 'timed out', 'no connection: ...'.
        code: HTTP code of a refusal; None where there was no response.
        body: What came with a refusal.
        unreachable: Nobody is there, or under another name: waiting rarely mends it.
    """

    def __init__(
        self, text: str, *, code: int | None = None, body: bytes = b"", unreachable: bool = False
    ) -> None:
        self.text = text
        self.code = code
        self.body = body
        self.unreachable = unreachable
        super().__init__(text)


def key_headers(variable: str | None, where: str) -> dict[str, str]:
    """Return the headers that bring the API key in an environment variable; None: there is none.

    Args:
        variable: Its name.
        where: The field that names it.

    Raises:
        UserError: It is not set.
    """
    if variable is None:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UserError(
            f"the environment variable {variable} is not set",
            where=where,
            fix="export it with the API key of the server",
        )
    return {"Authorization": f"Bearer {key}"}


def send(
    url: str,
    body: Any = None,
    *,
    headers: Mapping[str, str],
    timeout: float,
    longest: int,
) -> bytes:
    """Return the body of a response; a request with a body is a POST of JSON, else a GET.

    A server on this machine is never asked through a proxy.

    Args:
        url: Where the request goes.
        body: What is sent, as JSON; None sends nothing.
        headers: Sent to this address, and not to one that it redirects to.
        timeout: Longest wait for the next bytes, in seconds.
        longest: Bytes that are read at most.

    Raises:
        HttpProblem: There was no response with a code of success.
    """
    sent = None if body is None else json.dumps(body).encode()
    try:
        request = Request(url, sent)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_unredirected_header(name, value)  # a key is for no other host
        with _opener(url).open(request, timeout=timeout) as response:
            return bytes(response.read(longest))
    except HTTPError as error:
        with error:
            said = _refusal(error)
        raise HttpProblem(f"HTTP {error.code}", code=error.code, body=said) from error
    except TimeoutError as error:
        raise HttpProblem("timed out") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            raise HttpProblem("timed out") from error
        unreachable = isinstance(reason, UNREACHABLE)
        raise HttpProblem(f"no connection: {reason}", unreachable=unreachable) from error


def _opener(url: str) -> OpenerDirector:
    """Return what opens an address."""
    return build_opener(ProxyHandler({})) if urlsplit(url).hostname in LOOPBACK else build_opener()


def _refusal(error: HTTPError) -> bytes:
    """Return what a refusal says, if it can still be read."""
    try:
        return error.read(LONGEST_REFUSAL)
    except (OSError, HTTPException):
        return b""
