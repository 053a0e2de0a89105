"""Servers of tests in threads of their own, which end with their `with` block.

A thread that is left behind spins on the number of its closed socket, or on whatever has that number next.
"""

import socketserver
import threading


class Attended(socketserver.TCPServer):
    """A server with a thread; to close it ends the thread, too."""

    thread: threading.Thread

    def attend(self) -> None:
        """Begin to serve."""
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def server_close(self) -> None:
        """End."""
        self.shutdown()
        self.thread.join()
        super().server_close()


def left_behind() -> list[str]:
    """Servers that nobody ended."""
    return [thread.name for thread in threading.enumerate() if "serve_forever" in thread.name]
