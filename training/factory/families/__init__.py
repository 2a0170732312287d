"""The products, by theme. Importing this package registers them all in `build.FAMILIES`."""

from . import (  # noqa: F401  they register their families
    assemblies,
    electronics,
    fasteners,
    food,
    machined,
    materials,
    moulded,
    packaging,
    pharma,
    surfaces,
    wiring,
)
