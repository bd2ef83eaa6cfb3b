"""One JSON request to a server that the user names, with limits: waiting, trying again, giving up, cancelling.

Only the standard library's client is used: it follows no redirect, asks no proxy and keeps no connection.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Final
from urllib.parse import urlsplit

from facewitness.errors import ConfigError, EndpointError

_TRIED_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TICK_S: Final = 0.05
_PIECE_BYTES: Final = 1 << 16
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Patience:
    """How long and how often a server is waited for, and how much it may say.

    Attributes:
        connect_s: Seconds for a connection.
        read_s: Seconds without a byte.
        total_s: Seconds for everything, with all tries.
        retries: Further tries after 408, 425, 429, 5xx or a broken connection, as long as no answer has begun.
        backoff_s: Wait before the first of them; it doubles each time.
        max_wait_s: Longest wait between tries, also where the server asks for a longer one.
        max_bytes: Size of an answer.

    Raises:
        ConfigError: If a value is not positive (``retries`` and ``backoff_s`` may be 0).
    """

    connect_s: float = 10.0
    read_s: float = 120.0
    total_s: float = 600.0
    retries: int = 3
    backoff_s: float = 0.5
    max_wait_s: float = 30.0
    max_bytes: int = 4 << 20

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            least = 0 if item.name in ("retries", "backoff_s") else 1e-9
            if not least <= value < float("inf"):
                msg = f"{item.name} must be a number above 0, got {value}"
                raise ConfigError(msg)


@dataclass(frozen=True)
class Address:
    """Where requests go.

    Attributes:
        secure: https instead of http.
        host: Name or number of the machine.
        port: Port.
        path: Path of the requests.
    """

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, *, ending: str = "/chat/completions") -> Address:
        """Read an address; what is missing of the path (``/v1`` and ``ending``) is added.

        Raises:
            ConfigError: If it is not http or https, has no host, or carries a name, password, query or fragment.

        Example:
            >>> Address.of("http://localhost:8000").path, Address.of("https://a.example/api/v1/").path
            ('/v1/chat/completions', '/api/v1/chat/completions')
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            msg = f"{url!r} is no address of an endpoint ({error}); expected such as http://localhost:8000/v1"
            raise ConfigError(msg) from error
        if parts.username is not None or parts.password is not None:
            msg = "the endpoint's address carries a name or password; give a key with --api-key-env or --api-key-file"
            raise ConfigError(msg)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
        if wrong or not url.isascii() or not url.isprintable() or " " in url:
            msg = f"{url!r} is no address of an endpoint; expected http or https, such as http://localhost:8000/v1"
            raise ConfigError(msg)
        path = parts.path.rstrip("/") or "/v1"
        path = path if path.endswith(ending) else path + ending
        secure = parts.scheme == "https"
        return cls(secure, str(parts.hostname), port or (443 if secure else 80), path)

    @property
    def readable_on_the_way(self) -> bool:
        """Whether requests leave this machine without encryption."""
        return not self.secure and self.host not in _LOCAL

    def __str__(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        standard = self.port == (443 if self.secure else 80)
        return f"{'https' if self.secure else 'http'}://{name}{'' if standard else f':{self.port}'}"


class _Watch:
    """Shuts a connection down when somebody cancels or the time is up: a blocked read has no other way to end."""

    def __init__(self, connection: socket.socket, deadline: float, cancel: Callable[[], bool]) -> None:
        self.reason = ""
        self._socket = connection
        self._deadline = deadline
        self._cancel = cancel
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="facewitness-endpoint", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(_TICK_S):
            self.reason = "cancelled" if self._cancel() else "late" if time.monotonic() > self._deadline else ""
            if self.reason:
                with suppress(OSError):  # closed already
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, which another thread reads
                return

    def stop(self) -> None:
        """End the watch; a second call does nothing."""
        self._done.set()
        self._thread.join()


class Reply:
    """An answer that is being read; use it as a context manager.

    Attributes:
        status: HTTP status.
        content_type: Its kind, without parameters.
        retry_after_s: Seconds after which the server wants to be asked again; None where it does not say.
        location: Where it redirects to; empty where it does not.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, address: Address, patience: Patience, watch: _Watch
    ) -> None:
        self._connection = connection
        self._address = address
        self._patience = patience
        self._watch = watch
        self._read = 0
        self._response = connection.getresponse()
        self.status = self._response.status
        self.content_type = (self._response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        self.retry_after_s = _seconds(self._response.getheader("Retry-After"))
        self.location = self._response.getheader("Location") or ""

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled; what was read so far is then all there is."""
        return self._watch.reason == "cancelled"

    def lines(self) -> Iterator[bytes]:
        """Lines without their ends, as they come.

        Raises:
            EndpointError: If nothing comes for too long, the connection breaks, or there is too much.
        """
        while line := self._taken(lambda: self._response.readline(self._patience.max_bytes + 1)):
            yield line.rstrip(b"\r\n")

    def everything(self, limit: int | None = None) -> bytes:
        """The rest of the body.

        Args:
            limit: Bytes after which the rest is left out; None refuses more than the patience allows.

        Raises:
            EndpointError: As `lines`.
        """
        found = bytearray()
        while piece := self._taken(lambda: self._response.read1(_PIECE_BYTES)):
            found += piece
            if limit is not None and len(found) >= limit:
                return bytes(found[:limit])
        return bytes(found)

    def _taken(self, read: Callable[[], bytes]) -> bytes:
        try:
            data = read()
        except TimeoutError as error:
            raise self._silent() from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.cancelled:
                return b""
            if self._watch.reason:
                raise too_late(self._address, self._patience) from error
            raise _broken(self._address, error) from error
        if self._watch.reason == "late":
            raise too_late(self._address, self._patience)
        self._read += len(data)
        if self._read > self._patience.max_bytes:
            msg = f"{self._address} answered with more than {self._patience.max_bytes:,} bytes, which is no answer"
            raise EndpointError(msg)
        return b"" if self.cancelled else data

    def _silent(self) -> EndpointError:
        msg = f"{self._address} said nothing for {self._patience.read_s:g} s; give it longer, or a smaller model"
        return EndpointError(msg)

    def close(self) -> None:
        """Close the connection."""
        self._watch.stop()
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class _Failure:
    """A try that gave no answer and may be repeated after ``wait_s`` (None: after the usual wait)."""

    error: EndpointError
    wait_s: float | None = None


@dataclass(frozen=True)
class Request:
    """What to send.

    Attributes:
        address: Where to.
        body: JSON.
        headers: Further headers.
        patience: Limits.
    """

    address: Address
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    patience: Patience


def post(request: Request, cancel: Callable[[], bool]) -> Reply | None:
    """Send a request, again where that may help, and give the answer of which only the head has been read.

    Args:
        request: What to send, where to, and how patiently.
        cancel: Asked many times a second; a true answer ends everything.

    Returns:
        The answer, of whatever status is no reason to try again; None when somebody cancelled.

    Raises:
        EndpointError: If the server cannot be reached, is late, redirects, or still fails after the last try.
    """
    patience = request.patience
    deadline = time.monotonic() + patience.total_s
    wait = patience.backoff_s
    for attempt in range(patience.retries + 1):
        outcome = None if cancel() else _attempt(request, deadline, cancel)
        if not isinstance(outcome, _Failure):
            return outcome
        if attempt == patience.retries:
            raise _after(outcome.error, attempt + 1)
        pause = min(wait if outcome.wait_s is None else max(wait, outcome.wait_s), patience.max_wait_s)
        if time.monotonic() + pause >= deadline:
            raise _after(outcome.error, attempt + 1)
        if _paused(pause, cancel):
            return None
        wait *= 2
    return None


def _after(error: EndpointError, tries: int) -> EndpointError:
    return error if tries == 1 else EndpointError(f"{error} (tried {tries} times)")


def _paused(seconds: float, cancel: Callable[[], bool]) -> bool:
    """Wait; whether somebody cancelled meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancel():
            return True
        time.sleep(min(_TICK_S, left))
    return cancel()


def _attempt(request: Request, deadline: float, cancel: Callable[[], bool]) -> Reply | _Failure | None:
    address, patience = request.address, request.patience
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late(address, patience)
    kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=min(patience.connect_s, left))
    try:
        connection.connect()
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return _Failure(_unreachable(address, error))
    connection.sock.settimeout(patience.read_s)
    watch = _Watch(connection.sock, deadline, cancel)
    try:
        connection.request("POST", address.path, request.body, {"Content-Type": "application/json", **request.headers})
        reply = Reply(connection, address, patience, watch)
    except BaseException as error:
        watch.stop()
        connection.close()
        if watch.reason == "cancelled":
            return None
        if watch.reason:
            raise too_late(address, patience) from error
        return _failed(address, patience, error)
    return _judged(reply, address)


def _failed(address: Address, patience: Patience, error: BaseException) -> _Failure:
    """What a request without an answer was: a broken connection may be tried again, a silent server may not."""
    if isinstance(error, TimeoutError):
        msg = f"{address} did not begin to answer within {patience.read_s:g} s; give it longer, or a smaller model"
        raise EndpointError(msg) from error
    if isinstance(error, OSError | http.client.HTTPException | ValueError):
        return _Failure(_broken(address, error))
    raise error


def _judged(reply: Reply, address: Address) -> Reply | _Failure:
    if reply.status in _TRIED_AGAIN:
        with reply:
            msg = f"{address} answered with status {reply.status}; it is overloaded or broken, look at its log"
            return _Failure(EndpointError(msg), reply.retry_after_s)
    if 300 <= reply.status < 400:
        with reply:
            msg = (
                f"{address} wants to send the request elsewhere ({reply.location[:200]!r}); pictures and keys go only "
                "to the address that you name, so name the right one"
            )
            raise EndpointError(msg)
    return reply


def _seconds(value: str | None) -> float | None:
    """A Retry-After in seconds; its other form, a date, counts as none."""
    return float(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 8 else None


def _unreachable(address: Address, error: Exception) -> EndpointError:
    if isinstance(error, TimeoutError):
        return EndpointError(f"{address} cannot be reached in time; is the server running, and is the address right?")
    return EndpointError(f"{address} cannot be reached ({_reason(error)}); is the server running there?")


def _broken(address: Address, error: Exception) -> EndpointError:
    return EndpointError(f"the connection to {address} broke ({_reason(error)}); look at the server's log")


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said[:200] or type(error).__name__


def too_late(address: Address, patience: Patience) -> EndpointError:
    """The error of an answer that took longer than everything may take."""
    return EndpointError(f"{address} did not end its answer within {patience.total_s:g} s; give it longer")
