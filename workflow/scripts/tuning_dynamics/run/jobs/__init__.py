"""What each rule needs from the study, a class per rule file."""
