"""When a connection reads on, and whether its client takes what was written."""

from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl

from app.cli.answer_writes import JoinedWrites


class Flow(FlowControl):
    """Reads nothing as long as requests wait for their turn, whoever wants to read on."""

    def __init__(self, connection: JoinedWrites, queue: Sized) -> None:
        """Take a connection, and the requests that wait on it."""
        super().__init__(connection)
        self._connection = connection
        self._queue = queue
        self._seen = (0, 0)

    def resume_reading(self) -> None:
        """Read on, unless somebody waits for a turn."""
        if self.read_paused and not self._queue:
            super().resume_reading()

    def stands_still(self) -> bool:
        """Say whether nothing was written since the last call, nor the client took what waits."""
        before, self._seen = self._seen, self._connection.outstanding()
        return self._seen == before and self._seen[1] > 0
