"""The registry's database: what is written seldom, read often, and must never be lost."""
