"""How many tokens an evaluation batch may hold: one rule for both plans and runs."""

#: Tokens of a batch on a CPU, where memory sets no limit: more would be no faster.
CPU_TOKENS = 8192

#: Share of the free memory that a batch may take. The rest is for memory that is not counted:
#: copies inside kernels, fragmentation.
SHARE = 0.5

#: The largest and the smallest batch. In a larger one, an inner layer has over 2^31 values, where
#: kernels' indices may overflow (14,336 wide in a model of 8B). A smaller one holds no text.
MOST, LEAST = 1 << 17, 2048

#: Values per token that pass through a layer, in units of the width: states, queries, an inner
#: layer of 4 times the width, copies.
PASSING = 24

#: Bytes per logit: itself in fp32, its (log-)softmax, and a gradient or a copy.
LOGIT_BYTES = 12


def bytes_per_token(layers: int, hidden_size: int, value_bytes: int) -> float:
    """Bytes per token of a batch: its keys and values in all layers, and the activations of one
    layer at a time."""
    return float(value_bytes * hidden_size * (2 * layers + PASSING))


def head_tokens(vocab_size: int, token_bytes: float) -> int:
    """Tokens that take as much memory as the logits at one position."""
    return int(LOGIT_BYTES * vocab_size / token_bytes) + 1


def row_tokens(prefix: float, vocab_size: int, layers: int, token_bytes: float) -> int:
    """Tokens that take as much memory as a row takes in addition to its own tokens: the logits at
    its end, and a copy of a shared prefix's keys and values, in one layer at a time."""
    return head_tokens(vocab_size, token_bytes) + int(prefix / (layers + PASSING / 2))


def tokens_that_fit(free_bytes: float, bytes_per_token: float) -> int:
    """Tokens of a batch that fit in memory, a power of two.

    Rounded down, so that small differences in free memory do not change how texts are batched.
    """
    fits = int(SHARE * free_bytes / bytes_per_token)
    return min(MOST, max(LEAST, 1 << max(0, fits.bit_length() - 1)))
