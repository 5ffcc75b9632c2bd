"""A hub of models and datasets on the loopback interface, for tests without a network."""
