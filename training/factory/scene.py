"""The studio: camera, light, ground, and the path tracer (Mitsuba 3), which is imported when it is first needed."""

import ctypes.util
import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from zsad_core.errors import InputError

from . import grounds
from .parts import Part, block

SAMPLES = 11  # a pixel
BOUNCES = 4
ROWS = 64  # of the map of light
MOST_PARTS = 96


@lru_cache(maxsize=1)
def renderer():
    """The module `mitsuba`, ready to use on one thread.

    Raises:
        InputError: it is not installed, or finds no LLVM to compile with.
    """
    if "DRJIT_LIBLLVM_PATH" not in os.environ and (found := ctypes.util.find_library("LLVM-19")):
        os.environ["DRJIT_LIBLLVM_PATH"] = found
    try:
        import drjit
        import mitsuba

        mitsuba.set_variant("llvm_ad_rgb")
        drjit.set_thread_count(1)
    except ImportError as error:
        raise InputError(
            f"The renderer cannot be loaded ({error}): run pip install -r training/factory/requirements.txt, "
            "and install LLVM 17 or later (Debian and Ubuntu: apt install libllvm19)."
        ) from error
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


@dataclass(frozen=True)
class Camera:
    """origin, target, up: (3,) in the world; field of view in degrees."""

    origin: tuple
    target: tuple
    up: tuple
    view: float

    @classmethod
    def draw(cls, rng, fills):
        """A random camera: straight from above or tilted, near or far; one that sees no edge for products that fill."""
        if fills:
            tilt = np.radians(rng.choice([0, rng.uniform(2, 14)], p=[0.6, 0.4]))
            distance, shift = rng.uniform(0.55, 0.86), (0, 0)
        else:
            tilt = np.radians(rng.choice([0, rng.uniform(4, 38)], p=[0.4, 0.6]))
            near = rng.random() < 0.12  # a close-up
            distance, shift = (
                (rng.uniform(0.55, 0.9), rng.uniform(-0.3, 0.3, 2))
                if near
                else (rng.uniform(1.02, 1.4), rng.uniform(-0.08, 0.08, 2))
            )
        view, azimuth = rng.uniform(16, 32), rng.uniform(0, 2 * np.pi)
        distance /= np.tan(np.radians(view / 2))
        target = np.array([*shift, 0.12])
        direction = (np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), np.cos(tilt))
        roll = azimuth if tilt > 0.02 else rng.choice([azimuth, np.pi / 2])
        return cls(
            tuple(target + distance * np.array(direction)), tuple(target), (-np.cos(roll), -np.sin(roll), 0.0), view
        )

    @property
    def half(self):
        """Half the width of what is seen at the target, world units."""
        distance = np.linalg.norm(np.subtract(self.origin, self.target))
        return float(distance * np.tan(np.radians(self.view / 2)))

    def sensor(self, size, window=None):
        """window: (left, top, side) in pixels, the square of the picture of `size` to render; all of it if None."""
        left, top, side = window or (0, 0, size)
        mitsuba = renderer()
        look = mitsuba.ScalarTransform4f().look_at(
            origin=[float(v) for v in self.origin],
            target=[float(v) for v in self.target],
            up=[float(v) for v in self.up],
        )
        # a crop of the film would be compiled into the kernel, and cost more than its rays: shift the axis instead
        narrow = np.degrees(2 * np.arctan(np.tan(np.radians(self.view / 2)) * side / size))
        return mitsuba.load_dict(
            {
                "type": "perspective",
                "fov": float(narrow),
                "principal_point_offset_x": (left + side / 2 - size / 2) / side,
                "principal_point_offset_y": (top + side / 2 - size / 2) / side,
                "to_world": look,
                "film": {
                    "type": "hdrfilm",
                    "width": side,
                    "height": side,
                    "rfilter": {"type": "box"},
                    "pixel_format": "rgb",
                },
                "sampler": {"type": "independent"},
            }
        )


@dataclass(frozen=True)
class Studio:
    """light: (ROWS, 2 ROWS, 3) radiance from every direction, row 0 from the zenith; ground: a Ground, or None."""

    light: np.ndarray
    ground: object

    @classmethod
    def draw(cls, rng, fills):
        return cls(sky(rng), None if fills else grounds.draw(rng))


def sky(rng, rows=ROWS):
    """Light of a studio: a soft dome with darker and brighter sides, and lamps of various sizes, (rows, 2 rows, 3)."""
    elevation, azimuth = np.meshgrid(
        (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi, (np.arange(2 * rows) + 0.5) / rows * np.pi, indexing="ij"
    )
    toward = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    setting = rng.choice(["soft", "key", "ring", "raking", "boxes"], p=[0.26, 0.26, 0.12, 0.18, 0.18])
    side = rng.uniform(0, 2 * np.pi)
    lopsided = 1 + rng.uniform(0, 0.8) * np.cos(azimuth - side) * np.cos(elevation)
    dome = rng.uniform(*{"soft": (0.3, 0.9), "key": (0.06, 0.35)}.get(setting, (0.15, 0.5)))
    light = np.repeat((dome * lopsided * (0.6 + 0.4 * np.sin(np.abs(elevation))))[..., None], 3, -1)
    count = {"ring": 6, "boxes": int(rng.integers(2, 4)), "key": 1}.get(setting, int(rng.integers(1, 4)))
    for lamp in range(count):
        height = np.radians(rng.uniform(10, 30) if setting == "raking" and lamp == 0 else rng.uniform(35, 80))
        place = side + lamp * 2 * np.pi / count + rng.uniform(-0.4, 0.4)
        if setting == "ring":
            height, place = np.radians(62), lamp * np.pi / 3
        aim = np.array([np.cos(height) * np.cos(place), np.cos(height) * np.sin(place), np.sin(height)])
        wide = np.radians({"key": rng.uniform(4, 14), "raking": rng.uniform(5, 16)}.get(setting, rng.uniform(10, 30)))
        off = np.arccos(np.clip(toward @ aim, -1, 1))
        spot = 1 / (1 + np.exp((off - wide) / (0.06 * wide + 0.02)))
        if setting == "boxes":  # a rectangle, as metal mirrors it
            right = np.array([-np.sin(place), np.cos(place), 0])
            across, along = toward @ right, toward @ np.cross(aim, right)
            spot = (np.abs(across) < wide * 0.6) * (np.abs(along) < wide * 1.6) * (toward @ aim > 0.2) * 1.0
        share = 1.0 if lamp == 0 or setting == "ring" else rng.uniform(0.15, 0.7)
        power = share * rng.uniform(1.2, 2.6) / max(np.sin(height), 0.35)
        weight = (spot * np.cos(elevation)).sum() * (np.pi / rows) ** 2 + 1e-4  # its solid angle
        light += (power / weight * spot)[..., None] * np.array([1, rng.uniform(0.92, 1), rng.uniform(0.8, 1.06)])
    return ndimage.gaussian_filter(light, (0.6, 0.6, 0)).astype(np.float32)


def _bitmap(array):
    mitsuba = renderer()
    array = np.ascontiguousarray(array[..., None] if array.ndim == 2 else array, np.float32)
    return mitsuba.load_dict({"type": "bitmap", "data": mitsuba.TensorXf(array), "raw": True, "wrap_mode": "mirror"})


def _mesh(name, vertices, faces, normals, coordinates, albedo, roughness, metallic):
    mitsuba = renderer()
    properties = mitsuba.Properties()
    properties["mesh_bsdf"] = mitsuba.load_dict(
        {
            "type": "principled",
            "base_color": _bitmap(np.clip(albedo, 0.004, 0.95)),
            "roughness": _bitmap(np.clip(roughness, 0.06, 1)),
            "metallic": _bitmap(np.clip(metallic, 0, 1)),
            "specular": 0.5,
        }
    )
    mesh = mitsuba.Mesh(
        name, len(vertices), len(faces), has_vertex_normals=True, has_vertex_texcoords=True, props=properties
    )
    values = mitsuba.traverse(mesh)
    values["vertex_positions"] = np.ascontiguousarray(vertices, np.float32).ravel()
    values["faces"] = np.ascontiguousarray(faces, np.uint32).ravel()
    values["vertex_normals"] = np.ascontiguousarray(normals, np.float32).ravel()
    values["vertex_texcoords"] = np.ascontiguousarray(coordinates, np.float32).ravel()
    values.update()
    return mesh


@lru_cache(maxsize=1)
def _environment():
    """The one light of all scenes, with its parameters.

    A kernel is compiled for how many objects have been alive at once and for which of them is the light; with one light
    and room for many meshes made at the start, it is compiled once.
    """
    mitsuba = renderer()
    vertices, faces = block(1, 1, 1)
    cube = Part(0.5, vertices=vertices, faces=faces)
    room = [_mesh("room", *cube.surface(), cube.albedo, cube.roughness, cube.metallic) for _ in range(MOST_PARTS)]
    del room
    turn = mitsuba.ScalarTransform4f().rotate([1, 0, 0], 90)  # the map's pole is y
    dark = mitsuba.Bitmap(np.ones((ROWS, 2 * ROWS, 3), np.float32))
    light = mitsuba.load_dict({"type": "envmap", "bitmap": dark, "to_world": turn})
    return light, mitsuba.traverse(light)


def _lit(radiance):
    """The light, with this radiance (ROWS, 2 ROWS, 3)."""
    light, values = _environment()
    wrapped = np.concatenate([radiance, radiance[:, :1]], 1)
    channels = values["data"].shape[2]
    values["data"] = renderer().TensorXf(np.ascontiguousarray(np.pad(wrapped, ((0, 0), (0, 0), (0, channels - 3)))))
    values.update()
    return light


class Stage:
    """A studio and a camera, for a product and its twins; meshes of parts that a twin shares are made once."""

    def __init__(self, studio, camera, size):
        self.camera, self.size = camera, size
        self._meshes = {}  # by identity of the part, which is kept alive beside its mesh
        self._first = []  # the parts of the intact product, whose meshes are kept
        self._fixed = {"light": _lit(studio.light)}
        if studio.ground is not None:
            corner = np.array([(-6, -6, 0), (6, -6, 0), (6, 6, 0), (-6, 6, 0)], float)
            self._fixed["ground"] = _mesh(
                "ground",
                corner,
                np.array([(0, 1, 2), (0, 2, 3)]),
                np.array([(0, 0, 1.0)] * 4),
                corner[:, :2] * (2.5 / 6) + 0.5,
                studio.ground.albedo,
                studio.ground.roughness,
                studio.ground.metallic,
            )

    def scene(self, parts):
        """The product on the stage, for `features` and `radiance`."""
        scene = {"type": "scene", **self._fixed}
        alive = {id(part) for part in [*self._first, *parts]}
        self._meshes = {key: kept for key, kept in self._meshes.items() if key in alive}
        self._first = self._first or list(parts)
        for number, part in enumerate(parts):
            if id(part) not in self._meshes:
                vertices, faces, normals, coordinates = part.surface()
                if "ground" not in self._fixed:  # most of a product that fills the picture lies outside it
                    off = np.abs(vertices[:, :2] - self.camera.target[:2]).max(1)
                    faces = faces[(off < 1.5 * self.camera.half + 0.2)[faces].any(1)]
                maps = part.albedo, part.roughness, part.metallic
                mesh = _mesh(f"part{number}", vertices, faces, normals, coordinates, *maps) if len(faces) else None
                self._meshes[id(part)] = part, mesh
            if (mesh := self._meshes[id(part)][1]) is not None:
                scene[f"part{number:03d}"] = mesh
        return renderer().load_dict(scene)

    def features(self, scene):
        """What one ray through each quarter of a pixel meets, float32 (2 size, 2 size, 9): position, normal, albedo."""
        sensor = self.camera.sensor(2 * self.size)
        image = renderer().render(scene, sensor=sensor, spp=1, seed=7, integrator=_integrator("features"))
        return np.nan_to_num(np.array(image)[..., :9])

    def radiance(self, scene, seed, window=None):
        """Light that reaches the camera, float32 (h, w, 3), linear; of `window` (left, top, side) only, if given."""
        sensor = self.camera.sensor(self.size, window)
        image = renderer().render(scene, sensor=sensor, spp=SAMPLES, seed=seed, integrator=_integrator("path"))
        return np.nan_to_num(np.array(image))


@lru_cache(maxsize=2)
def _integrator(which):
    if which == "path":
        return renderer().load_dict({"type": "path", "max_depth": BOUNCES, "rr_depth": 3})
    return renderer().load_dict({"type": "aov", "aovs": "p:position,n:sh_normal,a:albedo"})
