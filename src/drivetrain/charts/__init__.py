"""Charts and tables: each shows itself in a notebook, in a page and as a PNG or SVG, from one definition.

matplotlib is imported when something is drawn, not with this package.
"""

from drivetrain.charts.attention import attention
from drivetrain.charts.chart import Chart, Palette, stacked
from drivetrain.charts.columns import columns
from drivetrain.charts.comparison import comparison
from drivetrain.charts.counts import class_counts
from drivetrain.charts.curve import learning_curve
from drivetrain.charts.pictures import pictures
from drivetrain.charts.results import bars, calibration, confusion
from drivetrain.charts.rows import rows
from drivetrain.charts.table import table_html
from drivetrain.charts.training import learning_rate, losses, schedule

__all__ = [
    "Chart",
    "Palette",
    "attention",
    "bars",
    "calibration",
    "class_counts",
    "columns",
    "comparison",
    "confusion",
    "learning_curve",
    "learning_rate",
    "losses",
    "pictures",
    "rows",
    "schedule",
    "stacked",
    "table_html",
]
