"""Filters are made in one place of each store, which begins them with the tenant."""

import ast
import inspect
from types import ModuleType

import pytest

from app.stores.vectors import asking, server, shard


def functions(module: ModuleType) -> dict[str, str]:
    """Each function's source, by its name."""
    tree = ast.parse(inspect.getsource(module))
    return {each.name: ast.unparse(each) for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("module", "maker", "owner"), [(asking, "models.Filter(", "own"), (shard, "engine.Filter(", "_own")]
)
def test_one_function_makes_filters(module: ModuleType, maker: str, owner: str) -> None:
    makers = [name for name, source in functions(module).items() if maker in source]

    assert makers == [owner]
    assert inspect.getsource(module).count(maker) == 1
    assert "models.Filter(" not in inspect.getsource(server)


@pytest.mark.parametrize(
    "asks", ["CountRequest(", "QueryRequest(", "delete_points_by_filter(", "IdfParams(", "FacetRequest(DOCUMENT"]
)
def test_the_engine_is_asked_for_a_tenant_s_points_alone(asks: str) -> None:
    asking = [source for source in functions(shard).values() if asks in source]

    assert asking
    assert all("self._own(" in source for source in asking)


@pytest.mark.parametrize(
    ("module", "asks"),
    [(server, "FilterSelector("), (server, "_counted(space, DOCUMENT"), (asking, "IdfCorpusParams(")],
)
def test_a_server_is_asked_for_a_tenant_s_points_alone(module: ModuleType, asks: str) -> None:
    tree = ast.parse(inspect.getsource(module))
    bodies = [ast.unparse(each) for each in ast.walk(tree) if isinstance(each, ast.AsyncFunctionDef | ast.FunctionDef)]
    asking = [source for source in bodies if asks in source]

    assert asking
    assert all("own(tenant" in source for source in asking)
