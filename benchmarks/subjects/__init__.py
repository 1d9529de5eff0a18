"""What stands on the other side of a comparison, each a program of its own."""
