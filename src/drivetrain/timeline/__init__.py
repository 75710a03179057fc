"""Time: stamps of all kinds, the frequency of a series, its regular moments, and what a calendar says of them."""
