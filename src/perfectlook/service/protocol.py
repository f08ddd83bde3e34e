"""uvicorn's HTTP/1.1, less its patience with those who connect and do not get to the point."""

from asyncio import Transport

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient(seconds: float) -> type[H11Protocol]:
    """Return a protocol that closes connections where the head of a request takes longer than that.

    It is counted from the connection's beginning or, for a further request, from its first byte; however
    slowly bytes trickle in.
    """

    class Patient(H11Protocol):
        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            """Wait for the first request, not for ever."""
            super().connection_made(transport)
            self._waiting = False
            self._wait()

        def data_received(self, data: bytes) -> None:
            """Take what comes; where that is no whole head yet, wait for the rest, not for ever."""
            super().data_received(data)
            if self._has_begun_a_head() and not self._waiting:
                self._wait()

        def _wait(self) -> None:
            self._waiting = True
            self.loop.call_later(seconds, self._close_if_still_at, vars(self)["cycle"])

        def _close_if_still_at(self, cycle: object) -> None:
            self._waiting = False
            if vars(self)["cycle"] is not cycle:
                if self._has_begun_a_head():
                    self._wait()
            elif self._is_between_requests() and not self.transport.is_closing():
                self.transport.close()

        def _is_between_requests(self) -> bool:
            cycle = vars(self)["cycle"]
            return cycle is None or cycle.response_complete

        def _has_begun_a_head(self) -> bool:
            return self._is_between_requests() and bool(self.conn.trailing_data[0])

    return Patient
