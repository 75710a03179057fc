"""A dataset with all that can be done with it: what a task gives to a person."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from drivetrain.arguments import public
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import Dataset
from drivetrain.data.lengths import lengths_in
from drivetrain.tasks.conclusion import Concluded

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.data.faults import Report
    from drivetrain.findings.label_faults import LabelFaults
    from drivetrain.findings.learning_curve import LearningCurve


class Problem(Dataset):
    """The verbs beside a dataset's own: check, show, learn, and ask whether more rows or better labels would help."""

    conclusion: ClassVar[Conclusion | None] = Concluded()

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """The same dataset, with these verbs."""
        return cls(**{field.name: getattr(data, field.name) for field in dataclasses.fields(data)})

    def check(self) -> Report:
        """Faults in the data and leaks between the parts; looked for once."""
        if self.found_faults is not None:
            return self.found_faults
        found: Report | None = self.task.find_faults(self)
        if found is None:
            from drivetrain.data.checks.declared import check_declared

            found = check_declared(self)
        if told := lengths_in(self):
            found = dataclasses.replace(
                found, counts={**found.counts, "lengths": [each.to_json() for each in told]}
            )
        self.found_faults = found
        return found

    @public
    def show(self, n: int = 16, part: str = "train", seed: int = 0) -> Chart:
        """Rows of a part as the model gets them, with their targets: a chart for notebook, page or PNG.

        Pictures come with the other values as captions. Of a wide table the columns that tell most are shown."""
        from drivetrain.data.show import show

        return show(self, n, part, seed)

    def findings(self) -> list[dict[str, Any]]:
        """What there is to say of the data before a model is trained: `{"name", "words": [sentence], ...}` of each thing."""
        return []

    def model_named(self, name: str) -> str:
        """The model that a name stands for here, as a run of it is called."""
        return name

    def overview(self, n: int, part: str, seed: int) -> Chart:
        """As `show`; of a table how the values of its columns are spread too, of texts how long they are."""
        from drivetrain.data.show import overview

        return overview(self, n, part, seed)

    def learner(self, model: Any = None, **options: Any) -> Any:
        """A learner of this dataset. `model` is "trees", a name (see `drivetrain.models.registry`) or a torch
        module; the options are those of `Learner`."""
        from drivetrain.learn.by_name import make_learner

        return make_learner(self, model, **options)

    def learning_curve(self, model: Any = None, **options: Any) -> LearningCurve:
        """Would more data help? Trains on growing parts of the training rows; see `drivetrain.findings.learning_curve`."""
        from drivetrain.findings.learning_curve import learning_curve

        return learning_curve(self, model, **options)

    def label_faults(self, model: Any = "fast", **options: Any) -> LabelFaults:
        """The rows whose label a cross-validated model doubts; see `drivetrain.findings.label_faults`."""
        from drivetrain.findings.label_faults import label_faults

        return label_faults(self, model, **options)
