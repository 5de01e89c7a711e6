gm_test(unit/train/test_trainers.c USES train model LABELS unit)
