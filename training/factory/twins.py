"""Pairs from a seed: one intact picture, and twins of it with one damage each, with exact masks."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .build import FAMILIES, build, group
from .damage import DAMAGES, LARGEST, SMALLEST, Spot, Unsuited
from .photo import Look, denoise
from .scene import Camera, Stage, Studio
from .textures import colour_name

TWINS = 3  # of one intact picture
ATTEMPTS = 10  # to damage a product visibly
LEAST = 0.0004  # share of the picture that a mask has at least
MOST = 0.14
WINDOWS = 64, 96, 128, 192  # sides of the squares that are rendered again; each costs a kernel
FAINT = 11.0  # grey levels by which a damage must change its mask on average
KIND_WEIGHTS = {"badly printed": 2.0}  # the others 1; not every product offers every kind


@dataclass(frozen=True)
class Twin:
    """intact, damaged: uint8 (S, S, 3); mask: bool (S, S). The rest is what the pictures show, in words."""

    intact: np.ndarray
    damaged: np.ndarray
    mask: np.ndarray
    family: str
    damage: str
    kind: str
    name: str
    material: str
    colour: str
    ground: str


def changed(intact, damaged, tolerance):
    """Where a damage is: what the same rays meet differs.

    Args:
        intact, damaged: float32 (2S, 2S, 9): position, normal, albedo. tolerance: distance in the world that counts.
    Returns:
        bool (S, S): pixels of which at least half has changed, without specks.
    """
    moved = np.abs(damaged[..., 0:3] - intact[..., 0:3]).max(-1) > tolerance
    tilted = (damaged[..., 3:6] * intact[..., 3:6]).sum(-1) < np.cos(np.radians(13))
    before, after = (np.sqrt(np.clip(features[..., 6:9], 0, 1)) for features in (intact, damaged))
    recoloured = np.abs(after - before).max(-1) > 0.045
    difference = moved | tilted | recoloured
    side = len(difference) // 2
    mask = difference.reshape(side, 2, side, 2).mean((1, 3)) >= 0.5
    closed = ndimage.binary_closing(np.pad(mask, 2))[2:-2, 2:-2]
    return without_specks(mask | closed)


def without_specks(mask, least=6):
    """A mask without its connected pieces of fewer than `least` pixels."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = ndimage.sum(mask, labels, np.arange(count + 1))
    return mask & (sizes[labels] >= least)


def visible(mask, intact, damaged, grain):
    """`mask` trimmed to where the noise-free pictures, (S, S, 3) in 0..1, differ by more than their grain will."""
    difference = ndimage.gaussian_filter(np.abs(damaged - intact).max(-1) * 255, 1.2)
    return without_specks(mask & ndimage.binary_dilation(difference > max(6.0, grain * 255 * 1.6 + 4)))


def make_twins(seed, families=None, size=256, count=TWINS):
    """Up to `count` pairs of one product, camera and light; an empty list where none came out visible.

    Args:
        seed: the same seed and families give the same pairs. families: names of `FAMILIES` to draw from, all if None.
    Returns:
        list of Twin, each with another kind of damage.
    """
    rng = np.random.default_rng([int(seed), 77])
    names = sorted(families or FAMILIES)
    weights = np.array([FAMILIES[name].weight for name in names])
    family = names[rng.choice(len(names), p=weights / weights.sum())]
    product_seed, fills = int(rng.integers(1 << 40)), FAMILIES[family].fills
    camera, studio = Camera.draw(rng, fills), Studio.draw(rng, fills)
    return Session(rng, family, product_seed, camera, studio, size).twins(count)


class Session:
    """One product before one camera.

    Args:
        seed, unit: of the product, as `build`. look_rng: draws the camera's look; `rng`, which draws the rest, if None.
    """

    def __init__(self, rng, family, seed, camera, studio, size, unit=None, look_rng=None):
        self.rng, self.family, self.seed, self.studio, self.size = rng, family, seed, studio, size
        self.unit, self.look_rng = unit, look_rng or rng
        self.parts, self.making = build(family, seed, unit=unit)
        self.stage = Stage(studio, camera, size)
        self.scene = self.stage.scene(self.parts)
        self.features = self.stage.features(self.scene)
        self.product = self._on_product(self.features)
        self.half = camera.half

    def _on_product(self, features):
        lit = (features[..., 3:6] ** 2).sum(-1) > 0.5
        return lit & ((features[..., 2] > 0.006) if self.studio.ground is not None else True)

    def twins(self, count):
        if self.product.mean() < 0.05:
            return []
        self.raw = self.stage.radiance(self.scene, int(self.rng.integers(1 << 20)))
        self.clean = denoise(self.raw, _halved(self.features))
        self.look = Look.draw(self.look_rng, self.clean, self.studio.ground is None)
        self.picture = self.look.develop(self.clean)
        if not 0.04 < self.picture.mean() < 0.96:
            return []
        found, kinds = [], set()
        for _ in range(ATTEMPTS):
            if len(found) == count:
                break
            try:
                twin = self._twin(kinds)
            except Unsuited:
                continue
            if twin:
                found.append(twin)
                kinds.add(twin.kind)
        return found

    def _twin(self, kinds):
        kind, name, parts = self._damaged(kinds)
        scene = self.stage.scene(parts)
        features = self.stage.features(scene)
        tolerance = 0.008 * self.half
        whole = self._carried(parts, features)[..., None]
        mask = changed(self.features, np.where(whole, self.features, features), tolerance)
        if not LEAST < mask.mean() < MOST:
            return None
        left, top, side = window = _window(changed(self.features, features, tolerance))
        raw = self.raw.copy()
        raw[top : top + side, left : left + side] = self.stage.radiance(scene, int(self.rng.integers(1 << 20)), window)
        within = slice(top, top + side), slice(left, left + side)
        clean = self.clean.copy()
        fresh = denoise(raw[within], _halved(features)[within])
        blend = _feather(window, self.size)[..., None]
        clean[within] = clean[within] * (1 - blend) + fresh * blend
        picture = self.look.develop(clean)
        mask = visible(mask, self.picture, picture, self.look.grain)
        if mask.mean() < LEAST or np.abs(picture - self.picture)[mask].mean() * 255 < FAINT:
            return None
        return Twin(
            intact=self.look.expose(self.picture, self.rng),
            damaged=self.look.expose(picture, self.rng),
            mask=mask,
            family=self.family,
            damage=name,
            kind=kind,
            name=self.making.name,
            material=self.making.material,
            colour=colour_name(np.median(self.picture[self.product[::2, ::2]], axis=0) ** 2.2),
            ground=self.studio.ground.name if self.studio.ground else "none",
        )

    def _carried(self, parts, features):
        """Where whole surface of a broken piece is seen, bool (2S, 2S): it has moved, but there it is not damaged."""
        carried = np.zeros(features.shape[:2], bool)
        for part in parts:
            if part.carried is not None:
                alone = self.stage.features(self.stage.scene([part]))
                seen = self._on_product(alone) & (np.abs(alone[..., :3] - features[..., :3]).max(-1) < 1e-4)
                turned = (features[..., :3] - part.pose[:3, 3]) @ np.linalg.inv(part.pose[:3, :3]).T
                carried |= seen & part.carried[part.at(turned[..., 0], turned[..., 1])]
        return carried

    def _damaged(self, done):
        """(kind, name, parts) of one random damage of a kind that is not in `done`."""
        rng, materials = self.rng, group(self.making.material)
        suited = [
            name
            for name, damage in DAMAGES.items()
            if name not in FAMILIES[self.family].without and any(damage.suits(part, materials) for part in self.parts)
        ]
        kinds = sorted(({DAMAGES[name].kind for name in suited} | set(self.making.offered.values())) - done)
        weights = np.array([KIND_WEIGHTS.get(kind, 1.0) for kind in kinds])
        kind = str(rng.choice(kinds, p=weights / weights.sum()))
        suited = [name for name in suited if DAMAGES[name].kind == kind]
        changes = sorted(name for name, of in self.making.offered.items() if of == kind)
        if changes and (not suited or rng.random() < 0.55):
            name = str(rng.choice(changes))
            parts, _ = build(self.family, self.seed, name, int(rng.integers(1 << 40)), self.unit)
            return kind, name, self._same(parts)
        weights = np.array([DAMAGES[name].weight for name in suited])
        name = str(rng.choice(suited, p=weights / weights.sum()))
        parts = list(self.parts)
        for _ in range(int(rng.choice([1, 1, 1, 1, 1, 2, 3]))):
            parts = self._act(DAMAGES[name], materials, parts)
        return kind, name, parts

    def _same(self, parts):
        """Rebuilt parts, those that came out as before replaced by the very objects, of which the meshes exist."""
        before = {_fingerprint(part): part for part in self.parts}
        return [before.get(_fingerprint(part), part) for part in parts]

    def _act(self, damage, materials, parts):
        rng, features = self.rng, self.features
        area = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
        size = np.sqrt(area / np.pi) * 2 * self.size
        candidates = self.product
        if damage.edge and self.studio.ground is not None and rng.random() < 0.7:
            inward = ndimage.distance_transform_edt(np.pad(self.product, 1, constant_values=True))[1:-1, 1:-1]
            candidates = self.product & (inward < max(4, 0.7 * size))
        rows, columns = np.nonzero(candidates)
        chosen = rng.integers(len(rows))
        pixel = rows[chosen], columns[chosen]
        point, normal = features[pixel][0:3].astype(float), features[pixel][3:6].astype(float)
        reach = np.sqrt(area / np.pi) * 2 * self.half
        suited = [i for i, part in enumerate(parts) if not part.foreign and damage.suits(part, materials)]
        gaps = [_gap(parts[i], point) if len(parts) > 1 else 0.0 for i in suited]
        if min(gaps) > max(0.08, 0.5 * reach):
            raise Unsuited  # what is seen there is another part
        number = suited[int(np.argmin(gaps))]
        part = parts[number].copy()
        x, y, z = np.linalg.solve(part.pose, [*point, 1.0])[:3]
        new = [*parts[:number], part, *parts[number + 1 :]]
        damage.act(
            Spot(
                part=part,
                parts=new,
                rng=rng,
                x=x,
                y=y,
                z=z,
                radius=reach / part.scale,
                point=point,
                normal=normal / (np.linalg.norm(normal) + 1e-9),
                reach=reach,
                positions=features[..., 0:3].astype(float),
                pixel=pixel,
                size=size,
                colour=features[pixel][6:9].astype(float),
            )
        )
        return new


def _gap(part, point):
    """Distance from a world point to the surface points of a part; of a coarse mesh, to its centres of faces too."""
    points = part.points()
    if part.vertices is not None and len(points) < 400:
        corners = points[part.faces]
        mixes = np.random.default_rng(0).dirichlet((1, 1, 1), 24)
        points = np.concatenate([points, np.einsum("kc,fcd->fkd", mixes, corners).reshape(-1, 3)])
    return float(np.sqrt(((points[:: max(1, len(points) // 20000)] - point) ** 2).sum(1).min()))


def _fingerprint(part):
    arrays = part.height, part.vertices, part.albedo, part.roughness, part.metallic, part.pose
    return tuple(hash(array.tobytes()) if array is not None else 0 for array in arrays)


def _halved(features):
    """Features of the four quarters of each pixel averaged, (S, S, 9)."""
    side = len(features) // 2
    return features.reshape(side, 2, side, 2, -1).mean((1, 3)).astype(np.float32)


def _window(mask, pad=16):
    """(left, top, side) of a square around a mask with room for its shadow, of one of few sizes."""
    size = len(mask)
    rows, columns = np.nonzero(mask)
    need = max(np.ptp(rows), np.ptp(columns)) + 1 + 2 * pad
    side = next((side for side in WINDOWS if need <= side < size), size)
    left, top = (int(np.clip((axis.min() + axis.max()) // 2 - side // 2, 0, size - side)) for axis in (columns, rows))
    return left, top, side


def _feather(window, size, width=8):
    """Weight (side, side) that falls to 0 at those edges of a window that lie inside the picture."""
    left, top, side = window
    ticks = np.arange(side)

    def ramp(start):
        low = (ticks + 1) / width if start > 0 else np.ones(side)
        high = (side - ticks) / width if start + side < size else np.ones(side)
        return np.clip(np.minimum(low, high), 0, 1)

    return np.minimum(ramp(top)[:, None], ramp(left)[None])
