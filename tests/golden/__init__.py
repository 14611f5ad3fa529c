"""Numbers that must not change unless somebody means them to; float64, so that another machine gives the same."""
