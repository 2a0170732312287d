"""The products of the factory and the damage done to them, without the renderer."""

import numpy as np
import pytest

from training.captions import DAMAGE
from training.factory.build import FAMILIES, GROUPS, Build, build, family
from training.factory.damage import DAMAGES, Spot, Unsuited, damage
from training.factory.parts import Part, ball, block, lathe, tube
from training.factory.pieces import broken_apart, cracked_through, snapped_off
from training.factory.textures import colour_name, grid, letters


def same(first, second):
    """Whether two lists of parts are alike in every array."""
    names = "albedo", "roughness", "metallic", "height", "vertices", "faces", "pose"
    return len(first) == len(second) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for a, b in zip(first, second) for name in names
    )


# ---- families


def test_there_are_many_families_and_a_quarter_fills_the_picture():
    weights = {True: 0.0, False: 0.0}
    for each in FAMILIES.values():
        weights[each.fills] += each.weight
    assert len(FAMILIES) >= 45
    assert weights[True] >= 0.25 * sum(weights.values())


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.slow
def test_a_family_is_the_same_for_a_seed_and_its_changes_change_it(name):
    parts, making = build(name, 3)
    assert same(parts, build(name, 3)[0])
    assert making.name and making.material and set(making.offered.values()) <= set(DAMAGE)
    for part in parts:
        assert all(np.isfinite(array).all() for array in part.surface())
    for change in [each for each in sorted(making.offered) if not each.startswith("print")][:3]:
        faulty, said = build(name, 3, change, 5)
        assert not same(faulty, parts)
        assert (said.material, said.name) == (making.material, making.name)


def test_a_change_leaves_the_rest_of_the_product_as_it_was():
    intact, _ = build("blister", 2)
    damaged, _ = build("blister", 2, "missing_pill", 7)
    kept = [any(same([part], [other]) for other in intact) for part in damaged]
    assert len(damaged) == len(intact) - 1
    assert kept.count(False) == 1  # the tray, in which a pocket is empty now


def test_a_family_is_added_with_one_function(monkeypatch):
    monkeypatch.delitem(FAMILIES, "pebble", raising=False)

    @family("pebble", weight=0.5)
    def pebble(making):
        making.material = "stone"
        size = making.rng.uniform(0.5, 0.9)
        if making.change("too_small", "deformed"):
            size *= 0.5
        vertices, faces = ball()
        return [Part(0.4, vertices=size * vertices, faces=faces)]

    intact, making = build("pebble", 0)
    small, _ = build("pebble", 0, "too_small")
    assert making.name == "pebble" and making.offered == {"too_small": "deformed"}
    assert np.allclose(small[0].vertices, 0.5 * intact[0].vertices)
    del FAMILIES["pebble"]


@pytest.mark.parametrize("change", [name for name in build("battery", 0)[1].offered if name.startswith("print")])
def test_a_misprint_changes_the_print_and_little_around_it(change):
    mark = letters("AB7", 160, height=0.3)
    assert np.array_equal(Build("label", 0).imprint(mark), mark)
    misprint = Build("label", 0, change, 4).imprint(mark)
    rows, columns = np.nonzero(np.abs(misprint - mark) > 0.2)
    assert len(rows) > 20
    assert np.abs(rows - 80).max() < 60 and np.abs(columns - 80).max() < 75


# ---- damages


def spot(part, rng, x=0.2, y=-0.1, radius=0.06):
    """A spot on the top of a part before a camera that looks straight down on [-1, 1]^2."""
    x_seen, y_seen = grid(400)
    positions = np.stack([x_seen, y_seen, np.full_like(x_seen, 0.3)], -1).astype(float)
    pixel = int((y + 1) * 200), int((x + 1) * 200)
    top = np.array([0.0, 0.0, 1.0])
    where = dict(x=x, y=y, z=0.3, radius=radius, point=np.array([x, y, 0.3]), normal=top, reach=radius)
    others = [Part(0.5, height=np.zeros((8, 8))) for _ in range(3)]
    seen = dict(positions=positions, pixel=pixel, size=200 * radius, colour=part.albedo.mean((0, 1)))
    return Spot(part=part, parts=[part, *others], rng=rng, **where, **seen)


def plate(rng):
    x, y = grid(200)
    albedo = 0.4 + 0.02 * rng.normal(size=(200, 200, 1)) * np.ones(3)
    return Part(albedo, height=np.where(np.maximum(abs(x), abs(y)) < 0.8, 0.3, -0.1), floor=0.0)


def bar():
    along = np.linspace(-0.9, 0.9, 160)
    vertices, faces = lathe(along, np.full(160, 0.2))
    return Part(0.4 * np.ones((200, 200, 3)), vertices=vertices + (0, 0, 0.2), faces=faces)


def acted(name, seed):
    """(part before, spot after) of a damage on a part that suits it, trying a few places as the factory does."""
    for attempt in range(20):
        rng = np.random.default_rng([seed, attempt])
        intact = bar() if DAMAGES[name].needs == "mesh" else plate(rng)
        edge = 0.8 if DAMAGES[name].edge and DAMAGES[name].needs else 0.2
        where = spot(intact.copy(), rng, x=edge)
        try:
            DAMAGES[name].act(where)
            return intact, where
        except Unsuited:
            continue
    raise AssertionError(f"{name} never acts")


def test_damages_and_changes_cover_the_eight_kinds():
    of_damages = {each.kind for each in DAMAGES.values()}
    of_changes = {kind for name in ("battery", "gear") for kind in build(name, 1)[1].offered.values()}
    assert of_damages | of_changes == set(DAMAGE)
    assert of_damages == set(DAMAGE) - {"badly printed"}


BREAKS = broken_apart, cracked_through, snapped_off  # these act on all of the part


@pytest.mark.parametrize("name", sorted(set(DAMAGES) - {each.__name__ for each in BREAKS}))
def test_a_damage_changes_the_product_and_only_near_where_it_acts(name):
    intact, where = acted(name, 1)
    part = where.part
    added = [each for each in where.parts if each.foreign]
    removed = all(each is not part for each in where.parts)
    x, y = grid(200)
    far = np.hypot(x - where.x, y - where.y) > 0.75
    touched = np.zeros((200, 200), bool)
    for map_ in ("albedo", "roughness"):
        difference = np.abs(getattr(part, map_) - getattr(intact, map_)) > 0.03
        touched |= difference.any(-1) if difference.ndim == 3 else difference
    if part.height is not None:
        touched |= np.abs(part.height - intact.height) > 0.004
        moved = touched.any()
    else:
        moved = np.abs(part.vertices - intact.vertices).max() > 0.01
    assert moved or added or removed
    assert not (touched & far).any()
    assert all(np.hypot(*(each.points().mean(0)[:2] - where.point[:2])) < 0.75 for each in added)
    assert (part.albedo >= 0).all() and (part.albedo <= 1).all()


@pytest.mark.parametrize("name", ["dent", "chip", "crack", "stain", "hole"])
def test_a_damage_acts_on_meshes_too(name):
    part = bar()
    where = spot(part.copy(), np.random.default_rng(0), x=0.2, y=0.0)
    DAMAGES[name].act(where)
    ends = np.abs(part.vertices[:, 0] - 0.2) > 0.6
    assert np.array_equal(where.part.vertices[ends], part.vertices[ends])
    assert not np.array_equal(where.part.albedo, part.albedo) or not np.array_equal(where.part.vertices, part.vertices)


def test_a_damage_of_an_unknown_kind_is_refused():
    with pytest.raises(KeyError, match="no kind of damage"):
        damage("haunted")


def test_rust_is_for_metal_only():
    assert DAMAGES["rust"].suits(plate(np.random.default_rng(0)), "metal")
    assert not DAMAGES["rust"].suits(plate(np.random.default_rng(0)), "wood")


# ---- products broken in pieces


def broken(act, seed, part=None):
    """(part before, pieces, what else was added) of a break; the spot is alone on the ground."""
    for attempt in range(20):
        rng = np.random.default_rng([seed, attempt])
        intact = part or plate(rng)
        intact.inside = np.array([0.1, 0.2, 0.7])
        where = spot(intact.copy(), rng, x=0.7)
        where.parts = [where.part]
        try:
            act(where)
            pieces = [each for each in where.parts if not each.foreign]
            return intact, pieces, [each for each in where.parts if each.foreign]
        except Unsuited:
            continue
    raise AssertionError(f"{act.__name__} never acts")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("act", BREAKS)
def test_the_pieces_are_of_the_product_with_fresh_faces_where_they_broke(act, seed):
    intact, pieces, _ = broken(act, seed)
    body = intact.height > 0
    of_pieces = [piece.height > piece.floor for piece in pieces]
    assert np.sum(of_pieces, axis=0).max() == 1  # each cell belongs to one piece
    for piece, cells in zip(pieces, of_pieces):
        whole, torn = cells & piece.carried, cells & ~piece.carried
        assert np.array_equal(piece.height[whole], intact.height[whole])
        assert np.array_equal(piece.albedo[whole], intact.albedo[whole])
        assert 20 < torn.sum() < 0.6 * body.sum()
        assert piece.albedo[torn][:, 2].mean() > 1.5 * piece.albedo[torn][:, 0].mean()  # blue inside
    if act is snapped_off:
        assert 0.5 * body.sum() < of_pieces[0].sum() < 0.97 * body.sum()
    else:
        assert len(pieces) >= 2 and np.array_equal(np.any(of_pieces, axis=0), body)


@pytest.mark.parametrize("seed", range(4))
def test_the_pieces_lie_apart_and_the_largest_where_it_was(seed):
    intact, pieces, _ = broken(broken_apart, seed)
    assert np.array_equal(pieces[0].pose, intact.pose)
    assert len(pieces[0].points()) == max(len(piece.points()) for piece in pieces)
    middle = pieces[0].points().mean(0)
    for piece in pieces[1:]:
        unmoved = piece.placed()
        unmoved.pose = intact.pose
        before, after = (np.linalg.norm(each.points().mean(0) - middle) for each in (unmoved, piece))
        assert after > 1.05 * before


def test_a_surface_that_fills_the_picture_cracks_down_to_what_it_was_laid_on():
    x, _ = grid(200)
    _, pieces, added = broken(cracked_through, 1, Part(0.5, height=0.01 * x))
    bed = next(each for each in added if each.height is not None)
    assert len(pieces) >= 2 and bed.height.max() <= min(piece.floor for piece in pieces) < -0.05


def test_what_bears_other_parts_is_not_broken():
    rng = np.random.default_rng(0)
    where = spot(plate(rng), rng, x=0.7)
    where.parts = [where.part, Part(0.1, height=np.full((40, 40), 0.4), extent=0.2)]
    with pytest.raises(Unsuited):
        broken_apart(where)
    assert len(where.parts) == 2


def test_metal_and_rubber_do_not_break_in_pieces():
    part = plate(np.random.default_rng(0))
    suited = {name: [act.__name__ for act in BREAKS if DAMAGES[act.__name__].suits(part, name)] for name in GROUPS}
    assert not suited["metal"] and not suited["rubber"]
    assert len(suited["brittle"]) == len(suited["wood"]) == 3


# ---- shapes


@pytest.mark.parametrize(
    "mesh",
    [
        lathe(np.linspace(-1, 1, 20), np.full(20, 0.5)),
        lathe(np.linspace(1, -1, 20), np.full(20, 0.5), upright=True),
        tube(np.linspace((0, 0, 0), (1, 1, 0), 12), 0.2),
        block(0.5, 0.4, 0.3),
        ball(),
    ],
    ids=["lathe", "upright lathe", "tube", "block", "ball"],
)
def test_meshes_are_closed_and_look_outward(mesh):
    vertices, faces = mesh
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    assert (a * np.cross(b, c)).sum() > 0  # six times the volume
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_colours_have_their_everyday_names():
    named = {(0.01, 0.01, 0.01): "black", (0.8, 0.8, 0.8): "white", (0.6, 0.02, 0.02): "red", (0.02, 0.05, 0.5): "blue"}
    assert {rgb: colour_name(rgb) for rgb in named} == named
