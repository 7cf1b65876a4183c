"""The machine of the package: what tools and patching build on."""
