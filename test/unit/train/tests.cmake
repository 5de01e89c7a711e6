gm_test(unit/train/test_trainers.c USES train model LABELS unit)
gm_test(unit/train/test_linear_models.c USES train model LABELS unit)
gm_test(unit/train/test_search.c USES train model LABELS unit)
