//! Never built: the manifest beside it only pins versions.
