"""What packages say of the project is what pyproject.toml says."""

import re
import tomllib

from tests.project.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = (ROOT / "packaging" / "conda" / "meta.yaml").read_text(encoding="utf-8")


def test_the_conda_recipe_has_the_requirements_of_the_project() -> None:
    run = RECIPE.partition("  run:\n")[2].partition("\n\n")[0]
    named = {line.strip("- ").replace(" ", "") for line in run.splitlines()}
    wanted = {text.replace("torch>", "pytorch>") for text in PROJECT["dependencies"]}
    assert named == wanted | {f"python{PROJECT['requires-python']}"}


def test_the_conda_recipe_has_the_version_and_the_command_of_the_project() -> None:
    assert re.search(r'version: "(.+)"', RECIPE)[1] == PROJECT["version"]
    (command,) = PROJECT["scripts"].items()
    assert f"- {command[0]} = {command[1]}" in RECIPE
