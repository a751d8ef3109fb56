"""Single-cell images saved from a DEPArray."""

from tfctc.data.importers import PRESETS, Preset

# The vendor's file names are not publicly specified. Known: one file for each channel of a cell, with the name of the
# channel in it. Assumed: a folder for each patient.
PRESETS.register("deparray")(
    Preset(
        pattern=r"(?P<cell>(?:.*/)?(?P<patient>[^/]+)/[^/]+?)[ _-](?P<channel>[A-Za-z]+)\.(?i:tiff?)",
        note="preset deparray: unverified against a vendor export; check the manifest before you trust it",
        example=("patient1/run2_cell0007_BF.tif", "patient1/run2_cell0007_DAPI.tif"),
    )
)
