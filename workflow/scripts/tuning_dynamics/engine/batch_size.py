"""How many tokens a batch of evaluation may hold: the same rule plans and runs."""

#: Tokens of a batch where memory sets no limit, on a CPU: more are no faster there.
CPU_TOKENS = 8192

#: Share of the free memory that a batch may take. The rest is for what is not counted: copies
#: inside kernels, fragments.
SHARE = 0.5

#: A batch of more tokens has an inner layer of over 2^31 values, where kernels' indices may end
#: (14,336 wide in a model of 8B weights), and gains no speed. One of fewer could not hold a text.
MOST, LEAST = 1 << 17, 2048

#: Values that pass through a layer with a token, in units of the width: states, queries, an inner
#: layer of 4 times the width, copies.
PASSING = 24

#: Bytes of a logit: itself in fp32, its softmax or the logarithm of that, and a gradient or a copy.
LOGIT_BYTES = 12


def bytes_per_token(layers: int, hidden_size: int, value_bytes: int) -> float:
    """Bytes that a token of a batch takes: its keys and values in all layers, and what passes
    through one layer at a time."""
    return float(value_bytes * hidden_size * (2 * layers + PASSING))


def head_tokens(vocab_size: int, token_bytes: float) -> int:
    """Tokens of a batch that weigh as much as the logits after one of them."""
    return int(LOGIT_BYTES * vocab_size / token_bytes) + 1


def row_tokens(prefix: float, vocab_size: int, layers: int, token_bytes: float) -> int:
    """Tokens that weigh as much as what a row takes beside its own: the logits at its end, and a
    copy of the keys and values of a shared prefix, in one layer at a time."""
    return head_tokens(vocab_size, token_bytes) + int(prefix / (layers + PASSING / 2))


def tokens_that_fit(free_bytes: float, bytes_per_token: float) -> int:
    """Tokens of a batch for which there is memory, a power of two.

    Rounded down to one, so that memory free by chance does not change how texts are batched.
    """
    fits = int(SHARE * free_bytes / bytes_per_token)
    return min(MOST, max(LEAST, 1 << max(0, fits.bit_length() - 1)))
