"""Settings of evaluation: how answers are read from a model, and what may change them."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from tuning_dynamics.config.base import Strict, Unique

#: What a model's layers compute in.
Precision = Literal["float32", "bfloat16"]


class Predictions(Strict):
    """How an answer is read from the model, by kind of evaluation set."""

    classification: Annotated[
        list[Literal["token_prob", "constrained", "free"]], Field(min_length=1), Unique
    ] = ["token_prob"]
    """token_prob: the label whose first token is likeliest; constrained: the label whose whole
    text is likeliest; free: generate and match."""
    multiple_choice: Annotated[
        list[Literal["likelihood", "likelihood_per_char", "likelihood_pmi"]],
        Field(min_length=1),
        Unique,
    ] = ["likelihood"]
    """The option of the highest log-likelihood: raw; per character; or minus that of the option
    without its question (pointwise mutual information)."""
    generation: Annotated[list[Literal["greedy"]], Field(min_length=1), Unique] = ["greedy"]
    """Greedy decoding."""


class EvaluateSettings(Strict):
    """What can change an evaluation's numbers."""

    truncation: Literal["refuse", "demonstrations", "input"] = "refuse"
    """A prompt longer than the context: stop; leave out demonstrations from the first on, then
    stop; or do that and then cut the end of the item's longest field. Counted per item."""
    label_tokens: PositiveInt = 5
    """Most new tokens for `free` classification."""
    text_tokens: PositiveInt = 60
    """Most new tokens for generation."""
    dtype: Precision = "float32"
    """What the layers compute in; bfloat16 is many times faster on a GPU, and log-probabilities
    move by about a hundredth of a nat a token. The head is float32 either way."""
    text_loss: bool = False
    """Whether each tuned model's loss is measured on the text that its checkpoint's is known on,
    always in float32: what tuning costs of pre-training, text_losses.csv. One more load of the
    model on a CPU; no model is tuned or evaluated again for it."""
