"""Other people's files become ``Samples``: one reader per layout, and ``detect.read``, which tells them apart.

A reader refuses what it cannot read by name and with the next step, runs nothing that a file holds, counts numbers that
are none, and keeps what it left out in ``source``.  A new layout is a module with one function and a line below.
"""

from md2n.registry import Registry

READERS = Registry(
    "reader",
    {
        "mmsa": "md2n.data.readers.mmsa:read_mmsa",
        "sdk": "md2n.data.readers.detect:read_sdk_folder",
        "npz": "md2n.data.readers.npz:read_npz",
        "folder": "md2n.data.readers.folder:read_folder",
        "clips": "md2n.data.readers.clips:read_clip_features",
        "tables": "md2n.data.readers.tables:read_tables",
    },
)
