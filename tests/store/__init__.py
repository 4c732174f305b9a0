"""Recordings in a folder."""
