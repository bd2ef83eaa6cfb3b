"""The lite room."""
