"""A part of a product: a height field or a mesh with maps of its surface, and the shapes meshes are made of.

World: the product lies on the ground z = 0 within about [-1, 1]^2, seen from above. Maps are laid over a part along z
("planar"), so letters on its top come out straight.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from .textures import grid


@dataclass
class Part:
    """A piece of one material map.

    Attributes:
        albedo: (n, n, 3) linear colour in 0..1. roughness, metallic: (n, n) in 0..1. A scalar or colour is spread.
        height: (n, n) in object units, or None for a mesh.
        vertices, faces: (V, 3), (F, 3), counter-clockwise from outside; None for a height field.
        extent: the canvas of the maps and the height field is [-extent, extent]^2 in object units.
        floor: where a height field ends: cells at or below are not there. None: it has no outline.
        flat: facets instead of smooth shading (meshes).
        inside: (3,) colour of a fresh break; None: that of the surface.
        foreign: it does not belong to the product.
        carried: of a broken piece, (n, n) bool: where its surface is whole, wherever it lies now; else None.
        pose: (4, 4) object to world.
    """

    albedo: np.ndarray
    roughness: np.ndarray = 0.4
    metallic: np.ndarray = 0.0
    height: np.ndarray | None = None
    vertices: np.ndarray | None = None
    faces: np.ndarray | None = None
    extent: float = 1.0
    floor: float | None = None
    flat: bool = False
    inside: np.ndarray | None = None
    foreign: bool = False
    carried: np.ndarray | None = None
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))

    def __post_init__(self):
        sized = [np.shape(a) for a in (self.height, self.albedo, self.roughness, self.metallic) if np.ndim(a) >= 2]
        size = sized[0][0] if sized else 64
        self.albedo = np.array(np.broadcast_to(self.albedo, (size, size, 3)), np.float32)
        self.roughness = np.array(np.broadcast_to(self.roughness, (size, size)), np.float32)
        self.metallic = np.array(np.broadcast_to(self.metallic, (size, size)), np.float32)
        if self.height is not None:
            self.height = np.array(self.height, np.float32)

    @property
    def size(self):
        """Cells of the canvas along a side."""
        return len(self.roughness)

    @property
    def cell(self):
        """Width of a cell in object units."""
        return 2 * self.extent / self.size

    @property
    def scale(self):
        """World units in an object unit."""
        return float(np.cbrt(abs(np.linalg.det(self.pose[:3, :3]))))

    def copy(self):
        kept = {
            name: value.copy()
            for name in ("albedo", "roughness", "metallic", "height", "vertices")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **kept)

    def placed(self, x=0.0, y=0.0, z=0.0, angle=0.0, scale=1.0):
        """A copy scaled, turned around z and moved."""
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        move = np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, scale, z], [0, 0, 0, 1.0]])
        return replace(self, pose=move @ self.pose)

    def points(self):
        """Points of its surface in the world, (P, 3)."""
        points = self.vertices
        if self.height is not None:
            points = np.stack([*grid(self.size, self.extent), self.height], -1).reshape(-1, 3)
            if self.floor is not None:
                points = points[points[:, 2] > self.floor]
        return points @ self.pose[:3, :3].T + self.pose[:3, 3]

    def at(self, x, y):
        """Row and column of the canvas cell under object coordinates, clipped to the canvas."""
        return tuple(
            np.clip((axis + self.extent) / self.cell, 0, self.size - 1).astype(int)
            for axis in (np.asarray(y), np.asarray(x))
        )

    def normals(self):
        """Smooth normals of a mesh at its vertices, (V, 3), object coordinates."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        faced = np.cross(b - a, c - a)
        total = np.stack(
            [
                sum(np.bincount(self.faces[:, k], faced[:, axis], len(self.vertices)) for k in range(3))
                for axis in range(3)
            ],
            -1,
        )
        return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12)

    def carve(self, depth):
        """Press the surface in by a map `depth` (n, n), object units; negative raises it.

        A mesh moves along its normals, on its upper side only, and never by more than a part of its thickness.
        """
        if self.height is not None:
            body = self.height > self.floor if self.floor is not None else True
            self.height = np.where(body, self.height - depth, self.height).astype(np.float32)
            return
        normals = self.normals()
        moved = depth[self.at(self.vertices[:, 0], self.vertices[:, 1])] * np.clip(normals[:, 2] * 4 + 0.4, 0, 1)
        thick = np.ptp(self.vertices, axis=0).min()
        self.vertices = self.vertices - normals * np.clip(moved, -0.2 * thick, 0.3 * thick)[:, None]

    def surface(self):
        """World vertices (V, 3), faces (F, 3), normals (V, 3) and texture coordinates (V, 2)."""
        if self.height is not None:
            size = self.size
            vertices = np.stack([*grid(size, self.extent), self.height], -1).reshape(-1, 3)
            faces = _quads(size)
            if self.floor is not None:
                faces = faces[(self.height.ravel()[faces] > self.floor).any(1)]
            down, across = np.gradient(self.height, self.cell)
            normals = np.stack([-across, -down, np.ones_like(across)], -1).reshape(-1, 3)
        elif self.flat:
            vertices = self.vertices[self.faces].reshape(-1, 3)
            faces = np.arange(len(vertices)).reshape(-1, 3)
            a, b, c = (vertices[k::3] for k in range(3))
            normals = np.repeat(np.cross(b - a, c - a), 3, axis=0)
        else:
            vertices, faces, normals = self.vertices, self.faces, self.normals()
        coordinates = (vertices[:, :2] + self.extent) / (2 * self.extent)
        normals = normals @ np.linalg.inv(self.pose[:3, :3])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        return vertices @ self.pose[:3, :3].T + self.pose[:3, 3], faces, normals, coordinates


_QUADS = {}


def _quads(rows, columns=None):
    """Triangles of a grid of vertices, (F, 3), counter-clockwise seen from +z of (column, row)."""
    columns = columns or rows
    if (rows, columns) not in _QUADS:
        number = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
        pairs = np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2)
        _QUADS[rows, columns] = pairs.reshape(-1, 3)
    return _QUADS[rows, columns]


def _wrapped(rings, segments):
    """Triangles of `rings` closed rings of `segments` vertices, and of caps on the two vertices that follow them."""
    ring = np.arange(rings - 1)[:, None] * segments
    i = ring + np.arange(segments)
    j = ring + (np.arange(segments) + 1) % segments
    sides = [np.stack([i, j, i + segments], -1), np.stack([j, j + segments, i + segments], -1)]
    k, following, last = np.arange(segments), (np.arange(segments) + 1) % segments, (rings - 1) * segments
    first_cap = np.stack([np.full(segments, rings * segments), following, k], -1)
    last_cap = np.stack([np.full(segments, rings * segments + 1), last + k, last + following], -1)
    return np.concatenate([side.reshape(-1, 3) for side in sides] + [first_cap, last_cap])


def lathe(along, radius, segments=96, upright=False):
    """Solid of revolution around x (around z if `upright`): positions (n,), radii (n,) or (n, segments).

    Returns: vertices, faces, as `Part` takes them.
    """
    along, radius = np.asarray(along, float), np.asarray(radius, float)
    radius = np.broadcast_to(radius[:, None] if radius.ndim == 1 else radius, (len(along), segments))
    angle = np.arange(segments) / segments * 2 * np.pi
    rings = np.stack(
        [np.broadcast_to(along[:, None], radius.shape), radius * np.cos(angle), radius * np.sin(angle)], -1
    )
    ends = np.array([[along[0], 0, 0], [along[-1], 0, 0]])
    vertices = np.concatenate([rings.reshape(-1, 3), ends])
    if along[-1] < along[0]:
        vertices = vertices * (1, 1, -1)  # mirrored, so that the faces look outward
    return (vertices[:, [1, 2, 0]] if upright else vertices), _wrapped(len(along), segments)


def tube(path, radius, segments=12):
    """A bar of round section along a path (n, 3); radius a number or (n,).

    Returns: vertices, faces.
    """
    path = np.asarray(path, float)
    radius = np.broadcast_to(radius, len(path))
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    reference = np.array([0, 0, 1.0]) if np.abs(along[:, 2]).mean() < 0.8 else np.array([1.0, 0, 0])
    side = np.cross(reference, along)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(along, side)
    angle = np.arange(segments) / segments * 2 * np.pi
    circle = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    rings = path[:, None] + radius[:, None, None] * circle
    return np.concatenate([rings.reshape(-1, 3), path[:1], path[-1:]]), _wrapped(len(path), segments)


def block(half_x, half_y, height):
    """A box on the ground; to be shaded flat. Returns: vertices, faces."""
    corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (half_x, half_y)
    vertices = np.concatenate([np.c_[corner, np.zeros(4)], np.c_[corner, np.full(4, height)]])
    sides = [(i, (i + 1) % 4, (i + 1) % 4 + 4) for i in range(4)] + [(i, (i + 1) % 4 + 4, i + 4) for i in range(4)]
    return vertices, np.array([(4, 5, 6), (4, 6, 7), (0, 2, 1), (0, 3, 2)] + sides)


def ball(rings=40, segments=64):
    """Unit sphere. Returns: vertices, faces."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    return lathe(np.sin(angle), np.maximum(np.cos(angle), 1e-3), segments, upright=True)


def merged(meshes):
    """Several (vertices, faces) as one."""
    meshes = list(meshes)
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in meshes])
    faces = [faces + offset for (_, faces), offset in zip(meshes, offsets)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces)
