"""The pseudofakes room."""
