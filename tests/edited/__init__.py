"""A small study that is finished, edited and run again, by the command line alone.

What an edit may plan is written by hand, and what its tables must be is what a run of the edited
files in a new folder makes. Nothing here asks the project what it takes for changed.
"""
