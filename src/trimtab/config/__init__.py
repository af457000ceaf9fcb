"""The YAML that a user writes, read strictly; the settings of a process (``TRIMTAB_*``)."""
