"""The FNN learns from text vectors and keeps an honest neutral point on vectors of another cone."""

import threading

import pytest
import torch
import torch.nn.functional as F

from zsad_core.classifier import LEAST_STEPS, ClassifierTraining

DIM = 48


class Cones:
    """Text and image vectors in two cones far apart, as in CLIP, with one small direction common to the states."""

    def __init__(self):
        draw = torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(DIM, DIM, generator=draw)).Q
        self.text_centre, self.image_centre, self.axis, self.others = basis[0], basis[1], basis[2], basis[3:]
        self.draw = draw

    def vectors(self, centre, count, across):
        """(count, DIM) unit vectors around a centre, moved along the state axis by `across`."""
        spread = torch.randn(count, len(self.others), generator=self.draw) @ self.others * 0.08
        return F.normalize(centre + across * self.axis + spread, dim=-1)


@pytest.fixture(scope="module")
def cones():
    return Cones()


def train(cones, seed=0, steps=120, stopped=None, abnormal=24, across=0.3, plain_share=0.0):
    normal, flawed = (
        cones.vectors(cones.text_centre, count, side) for count, side in ((12, -across), (abnormal, across))
    )
    training = ClassifierTraining(
        torch.cat([normal, flawed]),
        torch.arange(2).repeat_interleave(torch.tensor([12, abnormal])),
        (cones.vectors(cones.text_centre, 4, -0.3), cones.vectors(cones.text_centre, 2, 0.3)),
        (cones.vectors(cones.text_centre, 40, -0.2), cones.vectors(cones.text_centre, 40, 0.2)),
        hidden=32,
        plain_share=plain_share,
        noise_angle=50.0,
        steps=steps,
        logit_scale=20.0,
        generator=torch.Generator().manual_seed(seed),
        stopped=stopped or threading.Event(),
    )
    return training, list(training)


def test_it_learns_the_states_and_says_so_on_sentences_held_back(cones):
    training, steps = train(cones)
    assert steps[-1].classifier_loss < steps[0].classifier_loss
    assert steps[-1].text_accuracy > 0.99 and steps[-1].held_back_accuracy > 0.95
    assert training.held_back_accuracy == steps[-1].held_back_accuracy
    assert "held-back sentences" in str(steps[-1])


def test_image_vectors_far_from_the_text_are_told_apart_and_not_saturated(cones):
    classifier = train(cones)[0].classifier
    normal, abnormal = (
        classifier.probability(cones.vectors(cones.image_centre, 200, across)) for across in (-0.1, 0.1)
    )
    assert normal.mean() < 0.4 and abnormal.mean() > 0.6
    assert ((normal < 0.5).float().mean() + (abnormal > 0.5).float().mean()) / 2 > 0.9


def test_a_vector_equally_near_to_both_states_gets_exactly_the_neutral_point(cones):
    classifier = train(cones)[0].classifier
    anywhere = torch.randn(100, DIM, generator=torch.Generator().manual_seed(1))
    across = (anywhere @ classifier.axis)[:, None] * classifier.axis
    torch.testing.assert_close(classifier.probability(anywhere - across), torch.full((100,), 0.5), atol=1e-5, rtol=0)
    mirrored = classifier.probability(anywhere - 2 * across)
    torch.testing.assert_close(mirrored, 1 - classifier.probability(anywhere), atol=1e-5, rtol=0)


def test_logits_near_the_plane_are_as_steep_as_the_backbones_own(cones):
    training, _ = train(cones)
    images = cones.vectors(cones.text_centre, 500, 0.02)
    logits = training.classifier(images).diff(dim=-1)[:, 0]
    zero_shot = 20.0 * images @ (training._abnormal - training._normal)
    assert logits.mean().item() == pytest.approx(zero_shot.mean().item(), rel=0.5)


def test_the_length_of_a_vector_plays_no_part(cones):
    classifier = train(cones)[0].classifier
    images = cones.vectors(cones.image_centre, 10, 0.1)
    torch.testing.assert_close(classifier.probability(7 * images), classifier.probability(images))


def test_many_abnormal_vectors_do_not_outvote_the_normal_ones(cones):
    for abnormal in (12, 96):
        classifier = train(cones, abnormal=abnormal)[0].classifier
        assert classifier.probability(cones.vectors(cones.text_centre, 100, -0.2)).mean() < 0.3


def test_plain_prompts_keep_the_states_where_the_learned_ones_have_lost_them(cones):
    alone, beside = (train(cones, across=0.0, plain_share=share)[0] for share in (0.0, 0.75))
    assert alone.held_back_accuracy < 0.8 and beside.held_back_accuracy > 0.95
    abnormal = cones.vectors(cones.image_centre, 200, 0.1)
    assert beside.classifier.probability(abnormal).mean() > 0.6


def test_the_same_seed_gives_the_same_network(cones):
    images = cones.vectors(cones.image_centre, 10, 0.1)
    texts = torch.cat([cones.vectors(cones.text_centre, 6, side) for side in (-0.3, 0.3)])

    def probability(seed):
        training = ClassifierTraining(
            texts,
            torch.arange(2).repeat_interleave(6),
            (texts[:6], texts[6:]),
            (texts[:6], texts[6:]),
            hidden=8,
            plain_share=0.5,
            noise_angle=50.0,
            steps=20,
            logit_scale=20.0,
            generator=torch.Generator().manual_seed(seed),
            stopped=threading.Event(),
        )
        list(training)
        return training.classifier.probability(images)

    assert torch.equal(probability(5), probability(5))
    assert not torch.equal(probability(5), probability(6))


def test_a_stop_still_gives_a_trained_network_soon(cones):
    stopped = threading.Event()
    stopped.set()
    training, steps = train(cones, steps=1000, stopped=stopped)
    assert steps[-1].step == LEAST_STEPS and steps[-1].seconds_left == 0
    assert training.text_accuracy > 0.95
