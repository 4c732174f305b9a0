"""What operators share: checks, windows, broadcasting, tables and moves of elements."""
