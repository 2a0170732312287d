"""Damage that takes a product apart: cracked through, broken in pieces, a piece snapped off. Pieces become parts."""

import numpy as np
from scipy import ndimage

from .damage import Unsuited, damage
from .matter import lump
from .parts import Part, merged
from .textures import grid, noise, over, smoothstep, turn

FOOT = 0.03  # side of the squares, world units, by which parts are found to lie over each other
SOLID = "brittle", "plastic", "wood", "other"  # what breaks instead of yielding


def _footprint(part):
    """The squares of the ground that a part covers, as sorted numbers."""
    column, row = np.floor(part.points()[:, :2] / FOOT).astype(int).T
    return np.unique(10_000 * row + column)


def _over_another(part, others):
    """Whether a part lies over or under one of the others that belong to the product."""
    mine = _footprint(part)
    theirs = [_footprint(other) for other in others if not other.foreign]
    return any(len(np.intersect1d(mine, each)) > 0.05 * min(len(mine), len(each)) for each in theirs)


def _middle(part, cells):
    """Object coordinates of the middle of `cells` (n, n), and the radius of a disc as large."""
    x, y = grid(part.size, part.extent)
    return np.array([x[cells].mean(), y[cells].mean()]), np.sqrt(cells.sum() / np.pi) * part.cell


def _largest(cells):
    labels, count = ndimage.label(cells)
    return labels == 1 + np.argmax(ndimage.sum(cells, labels, np.arange(1, count + 1)))


def _beyond(spot, body, share, heading, style="line"):
    """Cells of `body` (n, n) beyond a ragged break: about `share` of it, where `heading` points to, and in one piece.

    style: "line", "corner" (two faces that meet), or "bite" (arcs about points outside).
    """
    rng, part = spot.rng, spot.part
    (middle_x, middle_y), size = _middle(part, body)
    along, across = turn(*(axis - at for axis, at in zip(grid(part.size, part.extent), (middle_x, middle_y))), heading)
    if style == "bite":
        rim, wide = along[body].max(), size * np.sqrt(share)
        arcs = rng.uniform(-1, 1, int(rng.integers(1, 4))) * wide
        side = -np.min([np.hypot(along - rim, across - arc) for arc in arcs], axis=0)
    elif style == "corner":
        half = rng.uniform(0.4, 0.9)
        side = np.minimum(*(turn(along, across, angle)[0] for angle in (-half, half)))
    else:
        side = along + rng.normal(0, 0.25) * across**2 / size
    side = side + size * rng.uniform(0.02, 0.1) * noise(part.size, rng.uniform(2.2, 3.2), rng)
    beyond = body & (side > np.quantile(side[body], 1 - share))
    beyond = body & ~_largest(body & ~_largest(beyond))  # islands go with what is around them
    if not 40 < beyond.sum() < body.sum() - 40:
        raise Unsuited
    return beyond


class _Break:
    """The part of a spot that is being broken: what all of its pieces have in common.

    Attributes:
        body: cells of the part, (n, n) bool. size: radius of a disc as large. heading: from its middle to the spot.
        floor: height at which it ends. fresh: (n, n, 3) colour of its faces. wide: (n, n) their width from above.
        drop: share of its height by which they slope.

    Raises:
        Unsuited: it bears or covers other parts, which would be left in the air.
    """

    def __init__(self, spot):
        self.spot, self.others = spot, [part for part in spot.parts if part is not spot.part]
        rng, part = spot.rng, spot.part
        if _over_another(part, self.others):
            raise Unsuited
        self.body = spot.body()
        middle, self.size = _middle(part, self.body)
        self.heading = np.arctan2(spot.y - middle[1], spot.x - middle[0]) + rng.normal(0, 0.3)
        self.floor = part.floor if part.floor is not None else float(part.height.min()) - rng.uniform(0.1, 0.25)
        self.fresh = np.clip(spot.fresh() * (1 + 0.13 * noise(part.size, 1.6, rng)[..., None]), 0.003, 0.93)
        wide = part.cell * np.exp(rng.uniform(np.log(1.5), np.log(9)))
        self.wide = wide * np.clip(1 + 0.5 * noise(part.size, 2.0, rng), 0.3, 2.5)
        self.drop = rng.uniform(0.05, 0.7)

    def piece(self, cells):
        """The piece of these cells, where it was, with its fresh faces."""
        part = self.spot.part.copy()
        away = ndimage.distance_transform_edt(~(self.body & ~cells)) * part.cell
        torn = smoothstep(self.wide, 0, away)
        part.albedo = over(part.albedo, self.fresh, smoothstep(0, 0.3, torn)).astype(np.float32)
        part.roughness = over(part.roughness, np.float32(0.85), torn)
        part.metallic = part.metallic * (1 - torn)
        sloped = part.height - self.drop * (part.height - self.floor) * torn
        part.floor = self.floor
        part.height = np.where(self.body & ~cells, self.floor - 0.2, sloped).astype(np.float32)
        part.carried = (torn == 0) & (True if part.carried is None else part.carried)
        return part

    def put(self, pieces):
        """Put the pieces where the part was, with crumbs about them or none, and a bed under what had no outline."""
        spot, rng = self.spot, self.spot.rng
        if any(_over_another(piece, self.others) for piece in pieces):
            raise Unsuited
        number = next(i for i, part in enumerate(spot.parts) if part is spot.part)
        spot.parts[number : number + 1] = pieces
        if spot.part.floor is None:
            level = np.full((16, 16), self.floor)
            bed = Part(rng.uniform(0.01, 0.3), 0.9, height=level, extent=2.0, foreign=True, pose=spot.part.pose)
            spot.parts.append(bed)
        if rng.random() < 0.65:
            spot.parts.append(self._crumbs(pieces, int(rng.choice([3, 8, 20, 40]))))

    def _crumbs(self, pieces, count):
        """`count` crumbs strewn along the faces of these pieces, as one foreign part."""
        rng, meshes = self.spot.rng, []
        size = min(self.size, 0.6) * rng.uniform(0.008, 0.028) * self.spot.part.scale
        for _ in range(count):
            piece = pieces[rng.integers(len(pieces))]
            rows, columns = np.nonzero(~piece.carried & (piece.height > piece.floor))
            chosen = rng.integers(len(rows))
            x, y = (np.array([columns[chosen], rows[chosen]]) + 0.5) * piece.cell - piece.extent
            point = piece.pose @ (x, y, self.floor, 1)
            point[:2] += rng.normal(0, 4 * size, 2)
            point[2] += max(_above(each, point) for each in pieces)
            vertices, faces = lump(rng, size * np.exp(rng.normal(0, 0.5)), rng.uniform(0.5, 0.9), 0.2)
            meshes.append((vertices + point[:3], faces))
        vertices, faces = merged(meshes)
        colour = self.fresh.mean((0, 1)) * rng.uniform(0.7, 1)
        return Part(colour, 0.85, vertices=vertices, faces=faces, extent=8.0, foreign=True)


def _above(piece, point):
    """How far the top of a piece is above a world point (4,) on its floor; 0 beside the piece."""
    x, y, z = np.linalg.solve(piece.pose, point)[:3]
    inside = max(abs(x), abs(y)) < piece.extent
    return max(float(piece.height[piece.at(x, y)]) - z, 0.0) * piece.scale * inside


def _moved(piece, cells, shift, angle):
    """The piece of these cells turned about its middle by `angle` and moved by `shift` (2,), object units."""
    middle, _ = _middle(piece, cells)
    c, s, pose = np.cos(angle), np.sin(angle), np.eye(4)
    pose[:2, :2] = (c, -s), (s, c)
    pose[:2, 3] = middle + shift - pose[:2, :2] @ middle
    piece.pose = piece.pose @ pose
    return piece


def _take_apart(spot, count, apart):
    """Break the part of a spot in `count` pieces, which move away from the largest by `apart` of their distance."""
    rng, broken = spot.rng, _Break(spot)
    shards, heading = [broken.body], broken.heading
    while len(shards) < count:
        whole = shards.pop()
        beyond = _beyond(spot, whole, rng.uniform(0.25, 0.5), heading)
        shards = sorted([*shards, whole & ~beyond, beyond], key=np.sum)
        heading += rng.choice([-1, 1]) * rng.uniform(0.9, 1.6)
    largest = shards.pop()
    pieces, (centre, _) = [broken.piece(largest)], _middle(spot.part, largest)
    for shard in shards:
        away = _middle(spot.part, shard)[0] - centre
        aside = 0.25 * rng.normal() * away[::-1] * (-1, 1)
        pieces.append(_moved(broken.piece(shard), shard, apart * (away + aside), 0.5 * apart * rng.normal()))
    broken.put(pieces)


@damage("cracked", 1.2, needs="height", only=SOLID)
def cracked_through(spot):
    """Ragged cracks from edge to edge, right through, which gape a little or much."""
    rng = spot.rng
    _take_apart(spot, int(rng.choice([2, 2, 2, 3, 4])), np.exp(rng.uniform(np.log(0.012), np.log(0.09))))


@damage("cracked", 2, needs="outline", only=(*SOLID, "soft"))
def broken_apart(spot):
    """Two to five pieces that lie apart."""
    rng = spot.rng
    _take_apart(spot, int(rng.choice([2, 2, 2, 3, 3, 4, 5])), np.exp(rng.uniform(np.log(0.09), np.log(0.6))))


@damage("incomplete", 1.5, needs="outline", only=(*SOLID, "soft"))
def snapped_off(spot):
    """A piece broken, or bitten, off the edge; it is gone or lies beside."""
    rng, broken = spot.rng, _Break(spot)
    style, share = rng.choice(["line", "line", "corner", "bite"]), np.exp(rng.uniform(np.log(0.05), np.log(0.45)))
    beyond = _beyond(spot, broken.body, share, broken.heading, style)
    pieces = [broken.piece(broken.body & ~beyond)]
    if style != "bite" and rng.random() < 0.5:
        far = broken.size * (rng.uniform(0.15, 0.6) + 0.5 * np.sqrt(share))
        shift = far * np.array([np.cos(broken.heading), np.sin(broken.heading)])
        pieces.append(_moved(broken.piece(beyond), beyond, shift, rng.normal(0, 0.7)))
        if _over_another(pieces[1], pieces[:1]):
            raise Unsuited
    broken.put(pieces)
