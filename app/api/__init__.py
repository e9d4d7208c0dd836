"""HTTP: translates and never decides. One file a feature; `conventions` is what all share."""
