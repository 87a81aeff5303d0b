"""Ways to carry bytes to a board; each is a ``hil.ports.Transport``."""

from boards.transports.loopback import LoopbackTransport
from boards.transports.pty import PtyTransport
from boards.transports.scripted import ScriptedTransport
from boards.transports.serial_port import SerialTransport
from boards.transports.sockets import SocketTransport
from boards.transports.tcp import connect_tcp

__all__ = [
    "LoopbackTransport",
    "PtyTransport",
    "ScriptedTransport",
    "SerialTransport",
    "SocketTransport",
    "connect_tcp",
]
