gm_test(unit/data/test_csv.c USES data LABELS unit)
