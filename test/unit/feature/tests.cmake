gm_test(unit/feature/test_transforms.c USES feature LABELS unit)
gm_test(unit/feature/test_asof_join.c USES feature LABELS unit)
gm_test(unit/feature/test_split.c USES feature LABELS unit)
