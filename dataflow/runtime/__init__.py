"""How a plan runs: the operator contract, threads, iteration, saved positions."""
