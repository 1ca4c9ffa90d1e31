"""Evaluating, again and again; what evaluations gave, and which was the best."""
