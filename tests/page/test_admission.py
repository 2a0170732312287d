"""Who is let in, and who goes first."""

from page.admission import LIMITS, Job, Visitor, next_job, refusal
from page.load.hostile import is_sentence

TRAINING = LIMITS["training"]


def jobs(count, kind="training", session="a", address="10.0.0.1"):
    return [Job(Visitor(session, address), kind)] * count


def test_one_visitor_has_a_few_places_and_leaves_the_others_theirs():
    held = jobs(TRAINING.visitor)
    assert is_sentence(refusal(jobs(1)[0], held)) and str(TRAINING.visitor) in refusal(jobs(1)[0], held)
    assert refusal(jobs(1, session="b")[0], held) is None
    assert refusal(jobs(1, kind="scoring")[0], held) is None


def test_ever_new_sessions_fill_no_more_than_their_address_has():
    held = [job for number in range(TRAINING.address) for job in jobs(1, session=str(number))]
    assert "your network address" in refusal(jobs(1, session="new")[0], held)
    assert refusal(jobs(1, session="new", address="10.0.0.2")[0], held) is None


def test_where_all_places_are_taken_others_kinds_are_not():
    held = [job for number in range(TRAINING.everyone) for job in jobs(1, session=str(number), address=str(number))]
    assert is_sentence(refusal(jobs(1, session="new", address="new")[0], held))
    assert refusal(jobs(1, kind="scoring", session="new", address="new")[0], held) is None


def test_an_address_never_has_all_places():
    assert all(limits.address < limits.everyone and limits.visitor < limits.address for limits in LIMITS.values())


def test_whoever_has_nothing_running_starts_first():
    greedy, honest = jobs(1)[0], jobs(1, session="b", address="10.0.0.2")[0]
    assert next_job([greedy, honest], [], lambda job: job) is greedy
    assert next_job([greedy, honest], jobs(1, session="c"), lambda job: job) is honest


def test_a_visitor_s_second_training_waits_for_the_first():
    assert next_job(jobs(2), jobs(1), lambda job: job) is None
    assert next_job(jobs(2), jobs(1, kind="scoring"), lambda job: job) is not None
