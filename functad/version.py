"""The version of functad."""

VERSION = "0.1.0"
