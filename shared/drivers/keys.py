"""The label that chooses the algorithm of a cluster's keys."""

from __future__ import annotations

from jeroboam.driver import InfrastructureLabels, KeyAlgorithm
from jeroboam.driver.label_specs import described

KEY_ALGORITHM = "key_algorithm"


class KeyLabels(InfrastructureLabels):
    """The labels of a cluster whose engine takes both algorithms."""

    key_algorithm: KeyAlgorithm = described(
        KeyAlgorithm.ECDSA_P256,
        "algorithm of the keys of the cluster's authorities; a change applies at the next rotation",
    )
