"""Where distributed cubes meet: the subjects of their messages and the keys of what is decided about them.

>>> Places("Cluster").news
'_AF.dist.Q2x1c3Rlcg.news'
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass

TOKEN_CHARS_MAX = 120


@dataclass(frozen=True, slots=True)
class Places:
    """The subjects and keys of one cluster of cubes.

    Args:
        cluster: its id.
    """

    cluster: str

    @property
    def _root(self) -> str:
        return f"_AF.dist.{token(self.cluster)}"

    @property
    def news(self) -> str:
        """Where data cubes say that they are there and what is new."""
        return f"{self._root}.news"

    @property
    def who(self) -> str:
        """Where query cubes ask who is there."""
        return f"{self._root}.who"

    def of_data(self, node: str, cube: str, door: str) -> str:
        """Return where a data cube answers: ``contribution``, ``partial``, ``rows`` or ``told``."""
        return f"{self._root}.d.{token(node, cube)}.{door}"

    @property
    def keys(self) -> str:
        """What all keys of the cluster begin with."""
        return f"distribution.{token(self.cluster)}"

    def standing(self, query_cube: str) -> str:
        """Return what the keys begin with under which it stands who has to answer a query cube."""
        return f"{self.keys}.standing.{token(query_cube)}"

    def standing_of(self, query_cube: str, node: str, cube: str) -> str:
        """Return the key under which it stands that a data cube has to answer a query cube."""
        return f"{self.standing(query_cube)}.{token(node, cube)}"

    @property
    def cubes(self) -> str:
        """What the keys of data cubes begin with."""
        return f"{self.keys}.cubes"

    def cube(self, node: str, cube: str) -> str:
        """Return the key under which it stands whether a data cube takes part."""
        return f"{self.cubes}.{token(node, cube)}"

    @property
    def query_cubes(self) -> str:
        """What the keys of query cubes begin with."""
        return f"{self.keys}.queries"

    def query_cube(self, node: str, name: str) -> str:
        """Return the key under which it stands whether a query cube takes part on a node."""
        return f"{self.query_cubes}.{token(node, name)}"


def token(*names: str) -> str:
    """Return one word for names that may hold anything; a very long one is known by its hash.

    >>> token("node-a", "tpch")
    'bm9kZS1h-dHBjaA'
    """
    word = "-".join(urlsafe_b64encode(name.encode()).decode().rstrip("=").replace("-", "=") for name in names)
    return word if len(word) <= TOKEN_CHARS_MAX else hashlib.sha256(word.encode()).hexdigest()
