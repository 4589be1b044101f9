"""Heat's own validation accepts what is rendered for every driver."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from jeroboam.testing.cases import MODES, make_case
from jeroboam.testing.suite import templates
from sandbox.openstack.testing import TestCloud, running_cloud
from shared.drivers.registry import installed_drivers
from tests.support.client import issue_token


@pytest.fixture
async def openstack() -> AsyncIterator[TestCloud]:
    async with running_cloud() as cloud:
        yield cloud


@pytest.mark.parametrize("mode", MODES)
async def test_heat_accepts_the_templates(mode: str, openstack: TestCloud) -> None:
    token = await issue_token(openstack.auth_url)
    real = {"id-of-public": openstack.external_network, "m1": openstack.flavor, "ubuntu": openstack.image}
    url = f"{openstack.url}/orchestration/v1/{openstack.project_ids['demo']}/validate"
    async with httpx.AsyncClient(headers={"X-Auth-Token": token}, trust_env=False, timeout=20) as http:
        for driver in installed_drivers():
            for name, template in templates(make_case(driver, mode)).items():
                text = json.dumps(template)
                for made_up, known in real.items():
                    text = text.replace(f'"{made_up}"', f'"{known}"')
                answer = await http.post(url, json={"template": json.loads(text)})
                assert answer.status_code == 200, f"{driver.name} {name}: {answer.text}"
