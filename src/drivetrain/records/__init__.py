"""Each answer kept: what was asked, what was said, how sure it was, and what turned out to be true. No torch, ever."""
