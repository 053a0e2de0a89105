"""The figures of DESIGN §8, each beside its peers in one run: `python -m bench [NAME …]`."""
