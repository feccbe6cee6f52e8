"""The contracts of all sources, under the name that the tests of ours have always used."""

from stocktrack.testing import *  # noqa: F403 - all of it, and nothing else
