"""Records of what results were made from, and whether they are current."""
