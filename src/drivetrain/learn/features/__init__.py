"""What simple models see of an input: one file for each kind of column, named like it (see `drivetrain.extensions`).

A file has some of these; what it lacks, no model of that sort sees. Each is given the input's name, its codec and its
encoded training rows (n, *shape):

- `for_trees(field, codec, encoded, direction) -> Columns`: numbers that a threshold may part, NaN where there is none.
  `direction` (n, k) is what classes without an order may be put in order by: the target, or a column of 0 and 1 a class.
- `for_regression(field, codec, encoded) -> Raw`: what is scaled or cut up to columns of about unit size.
- `for_ngrams(field, codec, encoded, most) -> SparseColumns`: what is there or not, `most` columns of it at most. Where not
  every codec of the kind has them, `has_ngrams(codec)` says whether this one does.
- `for_baselines(codec)`: encoded rows -> float32 (n, columns) of about unit size, where the regressions above would be too
  wide: no graph is written of it.
"""
