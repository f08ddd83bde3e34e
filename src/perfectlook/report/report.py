"""What a report says about a model on a set."""

from dataclasses import dataclass

from perfectlook.evaluation import Evaluation
from perfectlook.report.case import Case
from perfectlook.report.choice import Kind
from perfectlook.report.findings import Finding
from perfectlook.report.guess import Guess
from perfectlook.report.placed import Placed


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a model on a set, and answers looked at closer.

    Attributes:
        evaluation: the figures.
        placed: its pairs.
        guess: what a guess would get on them.
        cases: the answers shown, by section.
        findings: where the model is weak.
        n_cut: pairs whose scene was seen without the product; the others' scenes are whole.
        copied_scenes: the scenes of the set that have a copy under another id.
        trained_scenes: that the model was trained on.
        model_identity: sha256 over all that the model's distances depend on.
        licence: of the set's pictures, as far as the set says.
        library: version of perfectlook.
    """

    evaluation: Evaluation
    placed: list[Placed]
    guess: Guess
    cases: dict[Kind, list[Case]]
    findings: list[Finding]
    n_cut: int
    copied_scenes: frozenset[str]
    trained_scenes: frozenset[str]
    model_identity: str
    licence: str | None
    library: str

    @property
    def too_little(self) -> str | None:
        """Why there is nothing to compare, and what to do; None where there are pairs of several scenes.

        All draws of one scene are the same: intervals over them would have no width, and mean nothing.
        """
        evaluation, overall = self.evaluation, self.evaluation.overall
        if overall.n_scenes > 1:
            return None
        pairs = "1 pair" if overall.n_pairs == 1 else f"{overall.n_pairs:,} pairs of 1 scene"
        where = "the set" if evaluation.split == "all" else f"split '{evaluation.split}'"
        other = "" if evaluation.split == "all" else "use --split all, or "
        return f"{pairs} in {where}: nothing to compare; {other}add pairs to the set"

    @property
    def has_attention(self) -> bool:
        """Whether the model looks at regions in any of the answers shown."""
        return any(case.attention is not None for cases in self.cases.values() for case in cases)
