"""Feature files of other people become ``Samples``: one reader per layout; ``detect.read`` chooses it.

A reader refuses what it cannot read with a named error and the next step.  It runs nothing that a file holds, counts
NaN and infinities, and lists in ``source`` what it left out.  A new layout is a module with one function and a line
below.
"""

from md2n.registry import Registry

READERS = Registry(
    "reader",
    {
        "mmsa": "md2n.data.readers.mmsa:read_mmsa",
        "sdk": "md2n.data.readers.sdk:read_sdk_folder",
        "npz": "md2n.data.readers.npz:read_npz",
        "folder": "md2n.data.readers.folder:read_folder",
        "clips": "md2n.data.readers.clips:read_clip_features",
        "tables": "md2n.data.readers.tables:read_tables",
        "table": "md2n.data.readers.wide_table:read_table",
    },
)
