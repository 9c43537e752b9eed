import torch
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.seeds import generator, mixed, seeded

KEYS = st.lists(st.integers(0, 2**40), min_size=1, max_size=3).map(tuple)


@given(key=KEYS)
def test_the_same_key_gives_the_same_numbers(key: tuple[int, ...]) -> None:
    assert generator(*key).integers(1 << 60) == generator(*key).integers(1 << 60)
    assert 0 <= mixed(*key) == mixed(*key) < 2**63


def test_neighbouring_keys_give_other_numbers() -> None:
    keys = [(seed, step) for seed in range(20) for step in range(50)]
    assert len({mixed(*key) for key in keys}) == 1000
    assert len({int(generator(*key).integers(1 << 62)) for key in keys}) == 1000


def test_torchs_global_state_is_put_back_even_after_an_error() -> None:
    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        try:
            with seeded(4, 2):
                drawn.append(torch.rand(3))
                raise KeyError
        except KeyError:
            pass
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(torch.get_rng_state(), before)
