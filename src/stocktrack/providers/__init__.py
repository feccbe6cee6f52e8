"""The market's sources, one file each; `base.py` says what a source must do."""
