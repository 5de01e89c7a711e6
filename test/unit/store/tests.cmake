gm_test(unit/store/test_store.c USES store LABELS unit)
gm_test(unit/store/test_blobs.c USES store LABELS unit)
