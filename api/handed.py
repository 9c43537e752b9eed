"""A uvicorn server whose connections are accepted by another process (`api/processes.py`) and handed over."""

import asyncio
import os
import socket
import struct

import uvicorn

REPORT = struct.Struct("!QQ")
"""What a process tells: how many connections it was handed so far, and how many of its own are open."""


class HandedServer(uvicorn.Server):
    """Serves what comes through `channel`; ends when the other end is closed, as on a signal."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        self._num_handed = 0
        self._reported: tuple[int, int] | None = None
        self._arriving: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start without a listening socket of its own."""
        assert not sockets, "connections come through the channel"
        await super().startup(sockets=[])
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._take)
        self._report()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: tell how busy it is, where that has changed."""
        self._report()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, finish what runs."""
        self._leave()
        await super().shutdown(sockets=sockets)

    def _take(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._leave()
            self.should_exit = True
            return
        for descriptor in descriptors:
            self._num_handed += 1
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task: asyncio.Task[object] = asyncio.create_task(self._serve_connection(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _serve_connection(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:  # its client left meanwhile
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn itself makes one
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _report(self) -> None:
        now = (self._num_handed, len(self.server_state.connections) + len(self._arriving))
        if now == self._reported or self._channel.fileno() < 0:
            return
        try:
            self._channel.send(REPORT.pack(*now))
        except OSError:  # the other end is full, or gone: then the reader knows
            return
        self._reported = now

    def _leave(self) -> None:
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()


def channel_of(descriptor: int) -> socket.socket:
    """The channel that this process inherited, kept from its own children."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
