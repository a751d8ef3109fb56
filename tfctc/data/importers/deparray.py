"""Single-cell images saved from a DEPArray."""

from tfctc.data.importers import PRESETS, Preset

# No specification of the vendor's file names is public. Known: one file for each channel of a cell, with the channel's
# name in it. A folder for each patient is assumed.
PRESETS.register("deparray")(
    Preset(
        pattern=r"(?P<cell>(?:.*/)?(?P<patient>[^/]+)/[^/]+?)[ _-](?P<channel>[A-Za-z]+)\.(?i:tiff?)",
        note="preset deparray: unverified against a vendor export; look through the manifest before you trust it",
        example=("patient1/run2_cell0007_BF.tif", "patient1/run2_cell0007_DAPI.tif"),
    )
)
