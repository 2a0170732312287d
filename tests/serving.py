"""The page on loopback, in this process, for the tests that use it from outside."""

import socket
from contextlib import contextmanager

import app


@contextmanager
def serving(backbone):
    """The address of the page over a backbone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo = app.create_demo(backbone)
    try:
        yield app.launch(demo, server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True)
    finally:
        demo.close(verbose=False)
