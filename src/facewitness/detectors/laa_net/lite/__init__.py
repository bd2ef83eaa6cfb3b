"""LAA-Net-Lite: the method of LAA-Net on a backbone that a laptop runs in milliseconds; the embedded default."""
