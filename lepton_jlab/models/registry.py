"""`Model`: what a person holds of a model that is kept, whoever saved it."""

from __future__ import annotations

from typing import Any

from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.models import places, promotion
from lepton_jlab.models.version import Version


class Model:
    """A model and its versions. Get one by `model`, `models` or `save_model`.

    What it says is read anew each time, so it is current in every process. TensorFlow is not
    needed for that.

    Parameters
    ----------
    name : str
        What it was saved as.

    Examples
    --------
    >>> fashion = lepton.model("fashion")  # doctest: +SKIP
    >>> fashion.promote(3)  # doctest: +SKIP
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def promoted(self) -> int:
        """The version that is used where none is named."""
        return promotion.promoted(self.name)

    @property
    def versions(self) -> list[Version]:
        """All versions, ascending."""
        folder = places.existing(self.name)
        return [Version(self.name, n, folder / str(n)) for n in places.numbers(self.name)]

    def version(self, number: int | None = None) -> Version:
        """Return version `number`, by default the promoted one; NotFoundError if there is none."""
        return Version.open(self.name, number)

    def load(self, version: int | None = None) -> Any:
        """Return `version`, by default the promoted one, as a Keras model.

        Raises
        ------
        NotFoundError
            If there is no such version.
        LeptonError
            If it cannot be loaded here.
        """
        return self.version(version).load()

    def promote(self, version: int) -> None:
        """Make `version` the one to use; endpoints change to it without losing a request.

        Raises
        ------
        NotFoundError
            If there is no such version.
        """
        promotion.promote(self.name, version)

    def rollback(self) -> int:
        """Go back to the version that was promoted before, and return it.

        Raises
        ------
        UsageError
            If there was none.
        """
        return promotion.rollback(self.name)

    def drop(self, version: int | None = None, force: bool = False) -> None:
        """Remove a version, or the model with all of them.

        Parameters
        ----------
        version : int, optional
            Which; the whole model when None.
        force : bool
            Also the promoted version, several at once, or what an endpoint serves.

        Raises
        ------
        NotFoundError
            If there is no such version.
        UsageError
            If `force` is needed.
        """
        folder = places.existing(self.name)
        served = None if force else _endpoint(self.name)
        if served and version in (None, served["version"]):
            raise UsageError(
                f"The endpoint {served['name']!r} serves {self.name}:{served['version']}. Stop it "
                f"first: %lepton model stop {served['name']}"
            )
        with places.holding(folder):
            there = places.numbers(self.name)
            if version is None:
                if len(there) > 1 and not force:
                    raise UsageError(
                        f"{self.name!r} has {len(there)} versions. To drop all: --force "
                        f"(force=True). One of them: %lepton model drop {self.name}:{there[0]}"
                    ).unless_forced()
                target = folder
            else:
                if version not in there:
                    raise NotFoundError(promotion.no_version(self.name, version, there))
                if version == promotion.promoted(self.name) and not force:
                    raise UsageError(
                        f"{self.name}:{version} is the promoted version. Promote another first "
                        f"(%lepton model promote {self.name}:VERSION), or --force (force=True)."
                    ).unless_forced()
                target = folder / str(version) if len(there) > 1 else folder
            with places.working() as aside:  # out of sight in one step; then it may take its time
                target.rename(aside / "dropped")

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "name": self.name,
            "promoted": self.promoted,
            "versions": [version.to_dict() for version in self.versions],
            "endpoint": _endpoint(self.name),
        }

    def _repr_html_(self) -> str:
        from lepton_jlab.models.views import model_html

        return model_html(self.to_dict())

    def __repr__(self) -> str:
        there = places.numbers(self.name)
        listed = ", ".join(map(str, there))
        return f"<Model {self.name}: versions {listed}; promoted {self.promoted}>"


def _endpoint(name: str) -> dict[str, Any] | None:
    """Return what serves a model, without its token: documents of models go to browsers."""
    from lepton_jlab.models.serving.deploying import endpoints

    for endpoint in endpoints():
        document = endpoint.to_dict()
        if document["model"] == name:
            del document["token"]
            return document
    return None


def models() -> list[Model]:
    """Return all models that are kept, by name."""
    return [Model(name) for name in places.names()]


def model(name: str) -> Model:
    """Return the model `name`.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    places.existing(name)
    return Model(name)
