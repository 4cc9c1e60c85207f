"""Token sequences as a tree: what several begin with stands in it once."""

from undertow.generate.prefix_tree import prefix_tree


def test_the_tree_holds_every_prefix_once():
    sequences = [(1, 2), (1, 2, 3), (1, 4), (5,)]
    tree = prefix_tree(sequences)
    assert len(tree.tokens) == 1 + 5
    assert sorted(tree.leaves) == [(1, 2, 3), (1, 4), (5,)]
    for ids, end in zip(sequences, tree.ends, strict=True):
        assert path(tree, end) == ids
        leaf, position = tree.places[end]
        assert tree.leaves[leaf][: position + 1] == ids


def path(tree, number):
    """The tokens from the root to a prefix; a parent stands before its child."""
    ids = ()
    while number:
        assert tree.parents[number] < number
        ids = (tree.tokens[number], *ids)
        number = tree.parents[number]
    return ids
