gm_test(unit/model/test_onnx.c USES model LABELS unit)
gm_test(unit/model/test_onnx_trees.c USES model LABELS unit)
gm_test(unit/model/test_package.c USES model LABELS unit)
