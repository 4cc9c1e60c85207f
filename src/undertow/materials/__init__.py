"""Materials of others: the wording of a published repository, read from a checkout."""

from undertow.materials.importing import Imported, import_materials

__all__ = ["Imported", "import_materials"]
