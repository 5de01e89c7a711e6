gm_test(unit/data/test_checks.c USES data LABELS unit)
gm_test(unit/data/test_csv.c USES data LABELS unit)
gm_test(unit/data/test_profile.c USES data LABELS unit)
