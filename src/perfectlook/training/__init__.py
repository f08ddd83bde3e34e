"""Training: sampling, the epoch loop, the closed form it starts from."""
