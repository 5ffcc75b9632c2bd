"""Numbers shared by the code that computes results and the code that plans or draws them."""

#: Items set apart for demonstrations: enough for any usual number of shots, and at most a tenth of
#: the training items, so that small sets can still be used for tuning.
MOST_DEMONSTRATIONS, DEMONSTRATION_SHARE = 32, 10

#: Fewer checkpoints give no turning point.
LEAST_FOR_A_TURN = 5

#: Fewer train sets, or evaluation sets (in each of the groups that are compared, half as many),
#: give a mean over their pairs no interval.
MIN_TRAIN_SETS, MIN_EVAL_SETS = 2, 4
#: The prompt format that models are tuned in.
DEFAULT_FORMAT = "default"

#: Which prediction method stands for a cell's set if there are several: first the study's usual
#: choice for the kind, then its substitutes.
PREDICTION_ORDER = (
    "token_prob",
    "likelihood",
    "greedy",
    "constrained",
    "likelihood_per_char",
    "likelihood_pmi",
    "free",
)
