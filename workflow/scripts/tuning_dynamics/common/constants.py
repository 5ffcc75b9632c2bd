"""Numbers that what computes shares with what plans or draws it."""

#: Set apart for demonstrations: enough for any usual number of shots, and never more than a tenth
#: of the training items, so that small sets can still be tuned on.
MOST_DEMONSTRATIONS, DEMONSTRATION_SHARE = 32, 10

#: Fewer checkpoints give no turning point.
LEAST_FOR_A_TURN = 5
