gm_test(unit/loop/test_deliver.c USES loop LABELS unit)
