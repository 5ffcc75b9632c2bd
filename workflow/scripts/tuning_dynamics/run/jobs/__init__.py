"""What each rule needs of the study, a class for each rule file."""
