"""Node ids on lease, in the registry's database: no two processes have the same one."""
