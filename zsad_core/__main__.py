"""The command line of the core: `python -m zsad_core inspect`, or `zsad inspect` where the wheel is installed."""

import argparse
import sys
from pathlib import Path

from zsad_core import inspect_command, profile_command
from zsad_core.command_line import command_line


@command_line
def main(arguments=None) -> int:
    """Runs the command line on a list of arguments (by default the process's own).

    Returns:
        The exit code; wrong usage exits with 2. `inspect_command.EXIT_CODES` says what they mean.
    """
    options = _parse(arguments)
    return options.run(options)


def _parse(arguments) -> argparse.Namespace:
    program = "zsad" if Path(sys.argv[0]).stem == "zsad" else "python -m zsad_core"
    parser = argparse.ArgumentParser(program, description="Zero-shot anomaly detection.")
    commands = parser.add_subparsers(dest="command", required=True)
    inspect_command.add_parser(commands)
    profile_command.add_parser(commands)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
