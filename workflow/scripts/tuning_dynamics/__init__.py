"""How pre-training and fine-tuning interact: everything the workflow's jobs call.

A package imports only packages above it (tests/unit/layout/test_layers.py):

    common       errors, files, paths, rules
    identity     records of what results were made from, and whether they are current
    config       typed config files
    tables       the tables' columns; reading and writing
    data         rows -> frozen items -> tokens
    engine       training steps, on one GPU or several
    grid         a study's cells
    checkpoints  downloaded, local or pre-trained
    recipes      kinds of recipe, a module each
    tune         a checkpoint through a recipe
    evaluate     answers and log-likelihoods
    stats        scores, changes, intervals, trends
    preflight    a checkpoint tried through tuning and evaluation, before they run
    findings     what the tables say, in sentences
    report       figures and pages
    run          the workflow's jobs, Snakemake, SLURM
    plan         budgets
"""
