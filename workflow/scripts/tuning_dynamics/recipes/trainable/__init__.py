"""Which parameters a stage trains (`train`).

A module has `SETTINGS`, the model of its settings (None: it has none), and

- `begin(model, settings, seed)`: the model with these parameters, and no others, set to train;
- `end(model)`: the model as a later stage starts from it;
- `save_adapter(model, weights, folder)`: writes an adapter; None where the model's own weights
  train;
- `trained_weights(size, settings)`: how many weights train, for the budget.
"""
