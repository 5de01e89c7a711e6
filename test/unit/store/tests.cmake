gm_test(unit/store/test_store.c USES store LABELS unit)
