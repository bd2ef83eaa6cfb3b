"""The laa_net room."""
