"""How pre-training and fine-tuning interact: everything the workflow's jobs call.

One subpackage per stage of the workflow; data flows one way:
`study` (the typed config and its grid) -> `checkpoints`, `data` -> `tune` -> `evaluate` ->
`stats` -> `report`; `engine` is what both kinds of training share.
"""
