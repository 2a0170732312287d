"""`python -m training.factory FOLDER --pairs 8000`: renders products, intact and damaged, with masks.

It may be stopped at any moment; the same command goes on where it was. A seed gives the same pairs again, as long as it
may draw from the same families.
"""

import argparse
import sys

from zsad_core.command_line import command_line
from zsad_core.errors import InputError

from .build import FAMILIES
from .production import fill, samples


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser("python -m training.factory", description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where the pictures and index.csv go; a folder that was begun is gone on with")
    parser.add_argument("--pairs", type=int, default=8000, help="pairs that the folder shall hold (default: 8000)")
    parser.add_argument("--processes", type=int, default=1, help="one thread each (default: 1)")
    parser.add_argument("--families", nargs="+", metavar="NAME", help="only these; see --list")
    parser.add_argument("--size", type=int, help="pixels along a side (default: 256; of samples 512)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--samples", action="store_true", help="one product of each family instead, as assets/samples")
    parser.add_argument("--list", action="store_true", help="list the families and leave")
    options = parser.parse_args(arguments)
    from . import families  # noqa: F401  registers them

    if options.list:
        print("\n".join(f"{key}: {family.name}" for key, family in sorted(FAMILIES.items())))
        return 0
    try:
        if unknown := sorted(set(options.families or ()) - set(FAMILIES)):
            raise InputError(f"No family is called {', '.join(unknown)}; --list names them.")
        from .scene import renderer

        renderer()
        if options.samples:
            samples(options.folder, options.families or sorted(FAMILIES), options.size or 512, options.first)
        else:
            fill(
                options.folder,
                options.pairs,
                options.processes,
                options.families,
                options.size or 256,
                options.first,
            )
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
