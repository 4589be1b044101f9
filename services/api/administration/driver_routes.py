"""/v1/drivers: what is installed, what became of it, and what it supports.

Rule: every entry point is listed, also one that is not used, with the reason; then every combination that new clusters
can use. Nothing here depends on the caller's project.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.api.administration import driver_views as views
from services.api.context import context_of
from services.api.deps import deps_of
from services.api.wire.bodies import check_query
from services.api.wire.errors import not_found
from services.api.wire.rendering import json_response
from shared.drivers.discovery import ENGINES, DriverState
from shared.drivers.registry import discovered, installed_drivers

router = APIRouter(prefix="/v1/drivers", tags=["drivers"])


@router.get("", summary="List drivers")
async def get_all(request: Request) -> Response:
    check_query(request, ())
    deps_of(request).policy.check(context_of(request), "driver:get_all")
    owners = {each.name: each for each in discovered() if each.group == ENGINES and each.state is DriverState.ENABLED}
    combined = [views.combination(driver, owners[driver.engine.name]) for driver in installed_drivers()]
    return json_response({"drivers": [*(views.entry_point(each) for each in discovered()), *combined]})


@router.get("/{driver_name}", summary="Show a driver with its labels")
async def get_one(request: Request, driver_name: str) -> Response:
    """A combination such as `engine-os`, or an entry point. Of several with one name, the one that is used is shown."""
    check_query(request, ())
    deps_of(request).policy.check(context_of(request), "driver:get")
    named = sorted(
        (each for each in discovered() if each.name == driver_name),
        key=lambda each: each.state is not DriverState.ENABLED,
    )
    if named:
        engine = named[0].driver if named[0].group == ENGINES else None
        return json_response(views.entry_point(named[0]) | {"labels": views.labels(engine)})
    for driver in installed_drivers():
        if driver.name == driver_name:
            owner = next(each for each in discovered() if each.group == ENGINES and each.driver is driver.engine)
            return json_response(views.combination(driver, owner) | {"labels": views.labels(driver.engine)})
    raise not_found("Driver", driver_name)
