"""Forecasts in closed form, and what goes with them: arrays in, arrays out, by numpy alone."""
