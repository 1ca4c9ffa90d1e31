"""Nodes, walking, stages and `explain`: what a pipeline is, before anything runs."""
