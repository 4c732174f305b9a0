"""Code that operators share: checks, windows, broadcasting, tables, movement of elements."""
