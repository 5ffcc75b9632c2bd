"""Terms that a stage adds to its loss (`reg`).

A module has `SETTINGS`, the type of its settings (None: it has none), and `penalty(settings)`: an
`engine.loop.Penalty`, None for none.
"""
