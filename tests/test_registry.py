"""What is registered is found, what is misspelt is suggested, what is broken is reported."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from ponder import registry
from ponder.errors import InputError
from ponder.registry import Registry


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    """Built-in `square`; plug-ins `circle` (sound), `blob` (its module is missing) and `square` (a name already taken)."""
    monkeypatch.setitem(sys.modules, "shape_plugin", SimpleNamespace(circle="a circle", square="another square"))
    monkeypatch.setitem(sys.modules, "shape_builtin", SimpleNamespace(square="a square"))
    plugins = [
        EntryPoint("circle", "shape_plugin:circle", "shapes"),
        EntryPoint("square", "shape_plugin:square", "shapes"),
        EntryPoint("blob", "no_such_module:blob", "shapes"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in plugins if point.group == group])
    return Registry("shape", "shapes", {"square": "shape_builtin:square"})


def test_builtin_and_plugin_are_loaded_when_asked_for(shapes: Registry[object]) -> None:
    assert shapes.names() == ["blob", "circle", "square"]
    assert shapes.broken == {}
    assert shapes.get("circle") == "a circle"


def test_a_builtin_name_is_not_taken_over_by_a_plugin(shapes: Registry[object]) -> None:
    assert shapes.get("square") == "a square"


def test_what_is_registered_by_hand_wins(shapes: Registry[object]) -> None:
    assert "blob" not in shapes.all()
    for name in ("square", "blob"):
        shapes.register(name)("mine")
        assert shapes.get(name) == "mine"
    assert shapes.all()["square"] == "mine"


def test_register_is_a_decorator_that_returns_the_thing(shapes: Registry[object]) -> None:
    @shapes.register("triangle")
    def triangle() -> int:
        return 3

    assert triangle() == 3
    assert shapes.get("triangle") is triangle


def test_a_broken_plugin_is_reported_and_not_fatal(shapes: Registry[object]) -> None:
    assert shapes.all() == {"circle": "a circle", "square": "a square"}
    assert "no_such_module" in shapes.broken["blob"]
    with pytest.raises(InputError, match=r"`blob` cannot be loaded: .*no_such_module"):
        shapes.get("blob")


def test_a_misspelt_name_gets_the_nearest_one(shapes: Registry[object]) -> None:
    with pytest.raises(InputError, match="no shape called `squar`; did you mean `square`"):
        shapes.get("squar")


def test_an_unknown_name_gets_the_list(shapes: Registry[object]) -> None:
    with pytest.raises(InputError, match="no shape called `xyz`; there are blob, circle, square"):
        shapes.get("xyz")
