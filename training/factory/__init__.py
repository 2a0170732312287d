"""Rendered products: path-traced twins, intact and damaged, with exact masks, from parametric shapes.

`python -m training.factory FOLDER --pairs 8000` fills a folder that `training.train` reads. Every
picture is made here, from formulas and a seed; nothing is downloaded and nothing needs a licence.

To add a product, write a function with `@family` in a module of `families/`; it draws from `build.rng`, returns parts:

    @family("rubber ring")
    def ring(build):
        build.material = "rubber"
        x, y = grid(SIZE)
        thick = build.rng.uniform(0.1, 0.3)
        if build.change("pinched", "deformed"):  # None for the intact product; nothing else changes with it
            thick = thick * (1 - 0.7 * np.exp(-((x - 0.7) ** 2 + y**2) / 0.03))
        height = plate(np.abs(np.hypot(x, y) - 0.7) - thick / 2, 0.2, 0.1)
        return [Part(paint(build.rng), 0.6, height=height, floor=0.0)]

To add a damage that befalls many products, write a function with `@damage` in marks.py, breaks.py, pieces.py or
matter.py; it changes the part it is given, or puts others in its place. Neither knows of the renderer.
"""

from . import breaks, marks, matter, pieces  # noqa: F401  they register the damages
from . import families as families  # and these the products
