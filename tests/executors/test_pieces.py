"""Handing out: every shot once, longest first, the same model to whom has it, and a bounded number of repeats."""

from hypothesis import given
from hypothesis import strategies as st

from teststrip.executors.pieces import AGAIN, MOST, TRIES, Pieces, Whole
from teststrip.executors.places import Place, places
from teststrip.records import EngineRef, Shot

ENGINE = EngineRef("pattern")


def shot(number):
    return Shot(ENGINE, {"prompt": "an owl", "seed": number})


COSTS = st.lists(st.tuples(st.integers(1, 200), st.sampled_from("ab")), min_size=1, max_size=60)


@given(COSTS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_every_shot_is_answered_or_failed_once_however_often_pieces_are_lost(costs, workers, chance):
    pieces = Pieces()
    for number, (cost, weights) in enumerate(costs):
        pieces.add(shot(number), cost, weights)
    ended, hands = [], {}
    while len(pieces) or pieces.under_way:
        for worker in range(workers):
            if worker not in hands and (piece := pieces.take(None, workers=workers)):
                hands[worker] = piece
        worker = chance.choice(list(hands))
        piece = hands.pop(worker)
        for one in piece.shots:
            if chance.random() < 0.7:
                assert pieces.answered(piece.number, one.id)
                assert not pieces.answered(piece.number, one.id)  # the second time it is late
                ended.append(one.id)
        ended += [failure.shot.id for failure in pieces.lost(piece.number, "gone")]
        assert not pieces.answered(piece.number, shot(0).id)  # whatever comes after the loss is late
    assert sorted(ended) == sorted(shot(number).id for number in range(len(costs)))


@given(COSTS)
def test_the_longest_of_a_model_go_first(costs):
    pieces = Pieces()
    for number, (cost, _) in enumerate(costs):
        pieces.add(shot(number), cost, "a model")
    order = []
    while piece := pieces.take("a model", workers=2):
        order += [item.cost for item in piece.items.values()]
    assert order == sorted((cost for cost, _ in costs), reverse=True)


def test_a_worker_gets_the_model_that_it_has_and_another_worker_another_model():
    pieces = Pieces()
    for number in range(40):
        pieces.add(shot(number), 10, "large" if number < 30 else "small")
    first, second = pieces.take(None, workers=2), pieces.take(None, workers=2)
    assert (first.weights, second.weights) == ("large", "small")
    assert pieces.take("small", workers=2).weights == "small"
    assert pieces.take("large", workers=2).weights == "large"


def drained(pieces):
    """How many shots each piece holds that is still to come; all of them are answered."""
    sizes = []
    while piece := pieces.take("a model", workers=1):
        sizes.append(len(piece.items))
        for one in piece.shots:
            assert pieces.answered(piece.number, one.id)
        pieces.end(piece.number)
    return sizes


def waiting(shots):
    pieces = Pieces()
    for number in range(shots):
        pieces.add(shot(number), 1, "a model")
    return pieces


def test_a_loss_costs_full_batches_once_and_single_shots_only_at_the_second():
    pieces = waiting(MOST)
    pieces.lost(pieces.take(None, workers=1).number, "gone")
    assert drained(pieces) == [AGAIN, AGAIN]
    pieces = waiting(MOST)
    pieces.lost(pieces.take(None, workers=1).number, "gone")
    pieces.lost(pieces.take(None, workers=1).number, "gone")
    assert drained(pieces) == [AGAIN] + AGAIN * [1]


def test_shots_that_were_lost_are_in_no_piece_with_others():
    pieces = waiting(MOST + 4)
    pieces.lost(pieces.take(None, workers=1).number, "gone")
    assert drained(pieces) == [4, AGAIN, AGAIN]


def test_a_loss_that_no_shot_can_be_the_reason_of_is_not_counted():
    pieces = waiting(MOST)
    for _ in range(3 * TRIES):
        piece = pieces.take(None, workers=1)
        assert len(piece.items) == MOST
        assert pieces.lost(piece.number, "its node is gone", blameless=True) == []


def test_pieces_grow_short_where_workers_come_in_the_middle_of_a_run():
    pieces = waiting(640)
    assert len(pieces.take(None, workers=1).items) == MOST
    later = [len(pieces.take(None, workers=16).items) for _ in range(16)]
    assert max(later) <= 576 / 16 / 2
    assert len(pieces) > 0


def test_shots_that_were_lost_too_often_fail():
    pieces = waiting(8)
    failures = []
    while piece := pieces.take("a model", workers=1):
        assert all(item.lost < TRIES - 1 for item in piece.items.values()) or len(piece.items) == 1
        failures += pieces.lost(piece.number, "the process ended (signal 9)")
    assert len(failures) == 8
    assert {failure.text for failure in failures} == {f"the process ended (signal 9), {TRIES} times"}
    assert all(failure.retryable for failure in failures)


def test_workers_share_cards_and_cores_and_each_core_has_one_worker():
    found = places(3, ["0", "1"], list(range(7)))
    assert [place.variables["CUDA_VISIBLE_DEVICES"] for place in found] == ["0", "1", "0"]
    assert [place.cores for place in found] == [(0, 1), (2, 3), (4, 5)]
    assert all(place.cores == () for place in places(4, [], [0, 1]))
    assert isinstance(found[0], Place)


@given(st.lists(COSTS, min_size=1, max_size=3), st.integers(1, 5), st.randoms(use_true_random=False))
def test_each_piece_says_what_it_is_a_piece_of_however_shots_come_and_are_lost(runs, workers, chance):
    """All shots with its weights that were asked for so far: of the largest run, and the cost of every run."""
    before, sizes, costs = {}, {}, {}
    for run in runs:
        pieces = Pieces(before=before)
        asked = {}
        for number, (cost, weights) in enumerate(run):
            pieces.add(shot(number), cost, weights)
            asked[weights] = asked.get(weights, 0) + 1
            sizes[weights] = max(sizes.get(weights, 0), asked[weights])
            costs[weights] = costs.get(weights, 0) + cost
            if chance.random() < 0.3 and (piece := pieces.take(None, workers=workers)):
                assert piece.whole == Whole(sizes[piece.weights], costs[piece.weights])
                pieces.lost(piece.number, "gone")
        while piece := pieces.take(None, workers=workers):
            assert piece.whole == Whole(sizes[piece.weights], costs[piece.weights])
            pieces.end(piece.number)
        before = pieces.asked
    assert before == {weights: Whole(sizes[weights], costs[weights]) for weights in sizes}
