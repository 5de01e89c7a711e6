gm_test(unit/trees/test_trees_xgboost.c USES train model LABELS unit)
gm_test(unit/trees/test_trees_lightgbm.c USES train model LABELS unit)
