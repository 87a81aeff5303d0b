"""A board as a Backend over a Transport: every ``program`` opens a board, greets it and loads a network."""

from __future__ import annotations

from collections.abc import Callable

from boards.board import Board
from boards.board_session import BoardSession, DriverSettings
from boards.info import BoardInfo
from boards.link import LinkSession
from boards.session_log import SessionLog
from hil.closing import undone_on_error
from hil.network import TernaryNetwork
from hil.ports import Capabilities, Transport
from hil.progress import OnProgress, ignore_progress

__all__ = ["BoardBackend", "BoardSession", "DriverSettings"]


class BoardBackend:
    """A board, or many of one kind: every ``program`` opens its own.

    Args:
        name: The target, as the user wrote it.
        open_board: Starts or names one board.
        settings: How to drive it.
        capabilities: What it promises; None asks the board, once, when somebody wants to know.
    """

    def __init__(
        self,
        name: str,
        open_board: Callable[[], Board],
        *,
        settings: DriverSettings | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or DriverSettings()
        self._open_board = open_board
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What the board promises."""
        if self._capabilities is None:
            info = self.identify()
            self._capabilities = Capabilities(
                exact=True,
                time_source=info.time_source,
                max_fan_in=info.vector_capacity,
                max_channels=info.channel_capacity,
            )
        return self._capabilities

    def identify(self) -> BoardInfo:
        """Greet a board and return what it says of itself."""
        board = self._open_board()
        try:
            with LinkSession(board.connect, policy=self.settings.policy) as link:
                return BoardInfo.decode(link.open())
        finally:
            board.close()

    def open(self) -> Board:
        """Start or name one board, without talking to it."""
        return self._open_board()

    def program(
        self, network: TernaryNetwork, *, seed: int = 0, on_progress: OnProgress = ignore_progress
    ) -> BoardSession:
        """Put a network on a board; boards are exact, so the seed changes nothing.

        Raises:
            InvalidValueError: The network does not fit.
            TargetUnavailableError: The board cannot be reached.
        """
        board = self._open_board()
        log = None
        if self.settings.record is not None:
            log = SessionLog(self.settings.record, {"target": self.name, "provenance": dict(board.provenance)})
        link = LinkSession(_connector(board, log), policy=self.settings.policy)

        def finish() -> None:
            if log is not None:
                log.close()

        with undone_on_error(link.close, board.close, finish):
            return BoardSession(board, link, network, settings=self.settings, on_progress=on_progress, on_close=finish)


def _connector(board: Board, log: SessionLog | None) -> Callable[[], Transport]:
    return board.connect if log is None else lambda: log.wrap(board.connect())
