"""APIs of other products, each under its own prefix, so that their clients work against clew."""
