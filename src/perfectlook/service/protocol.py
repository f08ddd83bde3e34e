"""uvicorn's HTTP/1.1, less its patience with those who connect and say nothing."""

from asyncio import Transport

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient(seconds: float) -> type[H11Protocol]:
    """Return a protocol that closes connections whose first request has not begun after so long."""

    class Patient(H11Protocol):
        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            """Wait for the first request, not for ever."""
            super().connection_made(transport)
            self.loop.call_later(seconds, self._close_if_silent)

        def _close_if_silent(self) -> None:
            cycle, transport = vars(self)["cycle"], self.transport
            if cycle is None and not transport.is_closing():
                transport.close()

    return Patient
