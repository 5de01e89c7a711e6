gm_test(unit/serve/test_served_schema.c USES serve LABELS unit)
gm_test(unit/serve/test_rows.c USES serve LABELS unit)
gm_test(unit/serve/test_judge.c USES serve LABELS unit)
gm_test(unit/serve/test_targets.c USES serve LABELS unit)
