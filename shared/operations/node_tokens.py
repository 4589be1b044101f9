"""The one-time token in a node's user data.

Rule: a token is derived from a seed of the cluster and the node's id, so a stack whose creation is retried after a
crash carries the same token; only its hash is stored with the node. A rotation gives the cluster another seed, for
nodes that are created later: user data does not change, so a machine that is rebuilt has the token it was created with.
A rotation deletes former seeds with which no node of the cluster was created.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from shared.pki.cluster_secrets import load_cluster_secret
from shared.pki.sealing import Sealer

SEED_SECRET = "node_tokens"  # noqa: S105 - the name of the cluster secret that holds the seeds


@dataclass(frozen=True, slots=True)
class TokenSeeds:
    """The seeds of a cluster.

    Args:
        current: for nodes that are created now.
        former: those from before, the oldest first, each with the time at which the next one replaced it.
    """

    current: str
    former: tuple[tuple[datetime, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> TokenSeeds:
        """What `text` wrote; or a seed alone, as it is stored until the first rotation."""
        if not text.startswith("{"):
            return cls(text)
        stored = json.loads(text)
        return cls(stored["current"], tuple((datetime.fromisoformat(time), seed) for time, seed in stored["former"]))

    @property
    def text(self) -> str:
        """The value to store."""
        if not self.former:
            return self.current
        return json.dumps({"current": self.current, "former": [[time.isoformat(), seed] for time, seed in self.former]})

    @property
    def replaced_at(self) -> datetime | None:
        """When the last rotation replaced a seed that is still kept."""
        return self.former[-1][0] if self.former else None

    def replaced(self, seed: str, now: datetime, created: Iterable[datetime]) -> TokenSeeds:
        """The seeds after a rotation.

        Args:
            seed: the new one.
            now: all nodes of the cluster were created before.
            created: when each of them was.
        """
        all_former = (*self.former, (now, self.current))
        needed = {self._place(each) for each in created}
        return TokenSeeds(seed, tuple(each for place, each in enumerate(all_former) if place in needed))

    def token(self, node_id: str, created_at: datetime) -> str:
        """The token of a node that was created at this time."""
        place = self._place(created_at)
        return node_token(self.former[place][1] if place < len(self.former) else self.current, node_id)

    def _place(self, created_at: datetime) -> int:
        """The position in `former` of the seed with which a node was created; its length for the current one."""
        return next((place for place, (until, _) in enumerate(self.former) if created_at < until), len(self.former))


async def load_token_seeds(session: AsyncSession, sealer: Sealer, cluster_id: str) -> TokenSeeds | None:
    """The seeds of a cluster; None before they are generated."""
    found = await load_cluster_secret(session, sealer, cluster_id, SEED_SECRET)
    return None if found is None else TokenSeeds.read(found.secret)


def node_token(seed: str, node_id: str) -> str:
    """The token that a seed gives a node, 64 hexadecimal digits."""
    return hmac.new(seed.encode(), f"node {node_id}".encode(), hashlib.sha256).hexdigest()


def hash_token(token: str) -> str:
    """What is stored of a token or credential: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
