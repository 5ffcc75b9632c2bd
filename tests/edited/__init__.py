"""A small study that is finished, edited and run again, by the command line alone.

The jobs that an edit may plan are written by hand, and its tables must be those of a run of the
edited files in a new folder. Nothing here asks the project what has changed.
"""
