"""The memory of a process, which Linux alone tells."""

import re


def process_memory(status: str, field: str) -> int:
    """Bytes of a field of Linux's /proc/PID/status, from its text; getrusage would count what the parent held."""
    return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB$", status, flags=re.MULTILINE).group(1))
