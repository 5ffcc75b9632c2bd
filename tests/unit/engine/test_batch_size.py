"""How many tokens fit in a batch."""

from tuning_dynamics.engine.batch_size import LEAST, MOST, SHARE, bytes_per_token, tokens_that_fit


def test_a_batch_never_takes_more_than_its_share_of_the_memory():
    token = bytes_per_token(layers=16, hidden_size=2048, value_bytes=2)
    # Keys and values alone: 16 layers of 2 x 2,048 values of 2 bytes.
    assert token > 16 * 2 * 2048 * 2
    for free in (2e9, 30e9, 60e9):
        fits = tokens_that_fit(free, token)
        assert fits * token <= SHARE * free < 2 * fits * token or fits == MOST
    assert tokens_that_fit(140e9, token) == MOST
    assert tokens_that_fit(1.0, token) == tokens_that_fit(0.0, token) == LEAST


def test_memory_free_by_chance_does_not_change_the_batches():
    token = bytes_per_token(layers=32, hidden_size=4096, value_bytes=4)
    assert tokens_that_fit(60e9, token) == tokens_that_fit(60.5e9, token) < MOST
