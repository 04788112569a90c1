"""The flow's parameters: flat, with a type that a form can show, and checked where the configuration is."""

from dataclasses import replace
from typing import Any

import pytest

from flows.parameters import Options, docstring, flatten, parameters, parse, signature
from transforms.config import Boilerplate, Config, Dedup, Fields, Language, from_mapping
from transforms.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dedup_jacard": 0.5}, "unknown parameter 'dedup_jacard'; known are dedup_jaccard,"),
        ({"dedup_jaccard": 7}, "'dedup.jaccard' is 7, expected 0 to 1"),
        ({"dedup_jaccard": float("nan")}, "'dedup.jaccard' is nan, expected 0 to 1"),
        ({"dedup_jaccard": "0.5"}, "'dedup.jaccard' is '0.5', expected float"),
        ({"limit": -1}, "'limit' is -1, expected 0 or more"),
        ({"limit": None}, "'limit' is None, expected int"),
        ({"rebuild": 1}, "'rebuild' is 1, expected bool"),
        ({"engine": "dask"}, "'engine' is 'dask', expected one of: local, inline"),
        ({"languages": "de"}, "'languages' is 'de', expected a list of strings"),
        ({"languages": ["deu"]}, "'languages': 'deu' is no BCP-47 code that a language gets here; 'de' is"),
        ({"language_thresholds": ["de"]}, "'language.thresholds.de' is nan, expected 0 to 1"),
        ({"language_thresholds": ["de=much"]}, "'language_thresholds' has 'de=much', expected a code and a number"),
        ({"language_thresholds": ["deu=.5"]}, "'language.thresholds': 'deu' is no BCP-47 code"),
        ({"read_delimiter": "ab"}, "'read.delimiter' is 'ab', expected one character"),
    ],
)
def test_what_is_wrong_is_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(languages=("de", "zh-Hant"), dedup=Dedup(jaccard=0.7), boilerplate=Boilerplate(input="page")),
        Config(language=Language(thresholds={"de": 0.5, "fr": 1.0})),
        Config(fields=Fields(extra=False)),
        Config(fields=Fields(extra=("a", "b"), text="story")),
    ],
)
def test_a_configuration_is_the_same_as_parameters(config: Config) -> None:
    assert parse(flatten(config)) == (Options(), config)


def test_nothing_said_is_the_default() -> None:
    assert flatten(Config()) == {}
    assert parse({one.name: one.default for one in parameters()}) == (Options(), Config())


def test_a_form_can_show_them_all() -> None:
    """No union, no table of free keys; of each its description, default and bounds, as Prefect has them."""
    from prefect.utilities.callables import parameter_schema

    def flow(**_: Any) -> None: ...

    flow.__signature__, flow.__doc__ = signature(), docstring("It runs.")  # type: ignore[attr-defined]
    schema = parameter_schema(flow).model_dump_for_openapi()
    assert "required" not in schema
    form = schema["properties"]
    assert list(form) == [one.name for one in parameters()]
    for name, field in form.items():
        assert field["type"] in ("string", "integer", "number", "boolean", "array"), name
        assert field["description"].endswith((".", ").")), name
        assert "default" in field, name
    assert (form["dedup_jaccard"]["minimum"], form["dedup_jaccard"]["maximum"]) == (0, 1)
    assert form["workers"]["minimum"] == 0
    assert form["language_detector"]["enum"] == ["auto", "langdetect", "langdetect-exact", "fasttext"]
    assert form["languages"]["items"] == {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z][a-z]{3})?$"}


def test_a_table_of_a_file_and_a_flat_name_are_one_setting() -> None:
    said = from_mapping({"limits": {"nesting": 2}, "read": {"html": False}})
    assert parse({"limits_nesting": 2, "read_html": False})[1] == said
    assert replace(said, limits=Config().limits, read=Config().read) == Config()


def test_the_commands_help_says_the_same() -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    said = " ".join(CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "400"}).output.split())
    for option in parameters():
        if option.table is None:
            assert option.setting.description.split(";")[0] in said
